"""Give a restored name its owner, attributes, mode and times, and note what could not be given."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from drorch.sources.files.attributes import path_in
from drorch.sources.files.findings import Names
from drorch.sources.files.lines import Metadata
from drorch.sources.files.names import shown
from drorch.sources.files.walking import reason

_POWERFUL: Final = stat.S_ISUID | stat.S_ISGID


@dataclass(slots=True, kw_only=True)
class Setter:
    """Sets metadata. Without ``with_owners`` everything belongs to the account that restores."""

    with_owners: bool
    owners: Names = field(default_factory=Names)
    xattrs: Names = field(default_factory=Names)

    def set(self, path: bytes, descriptor: int, metadata: Metadata) -> None:
        """Set everything on an open file or directory: its times last. Raises ``OSError`` for mode and times."""
        is_owned = self._own(path, metadata, descriptor, None)
        self._set_xattrs(path, descriptor, metadata.xattrs)  # before the mode: a file that is read-only takes none
        os.fchmod(descriptor, metadata.mode if is_owned else metadata.mode & ~_POWERFUL)
        os.utime(descriptor, ns=(metadata.mtime_ns, metadata.mtime_ns))

    def set_link(self, path: bytes, directory: int, name: bytes, metadata: Metadata) -> None:
        """Set what a symbolic link has."""
        self._own(path, metadata, directory, name)
        self._set_xattrs(path, path_in(directory, name), metadata.xattrs)
        os.utime(name, ns=(metadata.mtime_ns, metadata.mtime_ns), dir_fd=directory, follow_symlinks=False)

    def told(self) -> tuple[str, ...]:
        """Return what could not be set, a line each."""
        return tuple(
            f"{what} not set: {text}"
            for what, names in (("owner", self.owners), ("attribute", self.xattrs))
            for text in names.told()
        )

    def _own(self, path: bytes, metadata: Metadata, descriptor: int, name: bytes | None) -> bool:
        """Set the owner, by name where this machine knows it, else by number; return whether that was done."""
        if not self.with_owners:
            return False
        uid, gid = uid_of(metadata.user, metadata.uid), gid_of(metadata.group, metadata.gid)
        try:
            if name is None:
                os.fchown(descriptor, uid, gid)
            else:
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
        except OSError as error:
            owner = f"{metadata.user or metadata.uid}:{metadata.group or metadata.gid}"
            self.owners.add(path, f"{owner}: {reason(error)}")
            return False
        return True

    def _set_xattrs(self, path: bytes, where: int | bytes, xattrs: Mapping[bytes, bytes]) -> None:
        for name, value in xattrs.items():
            try:
                os.setxattr(where, name, value, follow_symlinks=isinstance(where, int))
            except (OSError, ValueError) as error:
                why = reason(error) if isinstance(error, OSError) else "no such name"
                self.xattrs.add(path, f"{shown(name)}: {why}")


@lru_cache(maxsize=4_096)
def uid_of(name: str | None, number: int) -> int:
    """Return this machine's number of a user."""
    try:
        return number if name is None else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return number


@lru_cache(maxsize=4_096)
def gid_of(name: str | None, number: int) -> int:
    """Return this machine's number of a group."""
    try:
        return number if name is None else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return number
