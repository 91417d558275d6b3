"""A directory as the place where a snapshot of files goes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from drorch.clock import Clock
from drorch.errors import DecisionNeeded, UsageInvalid
from drorch.quantities import format_size
from drorch.sources.files.building import Builder
from drorch.sources.files.findings import Names
from drorch.sources.files.listing import StoredListing
from drorch.sources.files.names import shown
from drorch.sources.files.replacement import (
    is_directory,
    is_empty,
    put_inside,
    put_new,
    refusals,
    replace_old,
    side_directory,
)
from drorch.sources.files.selection import select
from drorch.sources.files.setting import Setter
from drorch.sources.files.walking import OPEN_DIRECTORY
from drorch.sources.interface import Content, Finding, Level, Observer, RestoreChoices, RestoreOutcome

_ROOM_FACTOR: Final = 1.05
_BLOCK_BYTES: Final = 4_096  # what a small file takes at least
_SHOWN: Final = 3


def parse_location(location: str) -> bytes:
    """Return the absolute path that ``files:///srv/scans`` names; ``%23`` and the like are decoded. Raises ``UsageInvalid``."""
    rest = location.removeprefix("files://")
    path = unquote_to_bytes(rest)
    if rest == location or not rest.startswith("/") or not rest.strip("/") or set(rest) & {"?", "#"} or b"\0" in path:
        raise UsageInvalid(
            "not the location of a directory",
            expected="files:///srv/scans",
            found=location[:200],
            hint="the path is absolute; write ? as %3F, # as %23 and % as %25",
        )
    return os.path.normpath(b"/" + path.strip(b"/"))


class FilesTarget:
    """See ``Target``. What the paths of the policy have in common becomes the directory itself.

    ``RestoreChoices`` about tables, roles, sessions and locales mean nothing here.
    """

    def __init__(self, path: bytes, *, clock: Clock, temporary: Callable[[], Path]) -> None:
        above, name = os.path.split(path)
        self._path = os.path.join(os.path.realpath(above), name)  # noqa: PTH118 - bytes; the last name is not followed
        self._clock = clock
        self._temporary = temporary
        self._last: tuple[Content, tuple[str, ...], tuple[int, int, bool]] | None = None

    @property
    def address(self) -> str:
        """See ``Target``."""
        return f"files://{shown(self._path)}"

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``. The listing is read only when paths are chosen."""
        engine = content.facts.get("engine")
        if engine != "files":
            return [_stop(f"the snapshot is of {engine}, not of files", "choose a target of that kind")]
        findings = [_stop("a file tree has no tables", "--path GLOB chooses files")] if choices.tables else []
        files, size = _number(content, "files"), _number(content, "file_bytes")
        if choices.paths:
            files, size, is_any = self._chosen(content, choices)
            if not is_any:
                findings.append(
                    _stop(
                        f"nothing in the snapshot fits {', '.join(choices.paths)}",
                        "patterns are as in .gitignore, from the base on: 2024/**/*.pdf",
                    )
                )
        return [
            *findings,
            *self._findings_about_place(files, size, choices),
            *_findings_about_owners(content, choices),
            *self._findings_about_attributes(content),
        ]

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``."""
        stops = [finding for finding in self.preflight(content, choices) if finding.level is Level.STOP]
        if stops:
            raise DecisionNeeded(
                f"{self.address}: {'; '.join(finding.text for finding in stops)}",
                hint="; ".join(finding.remedy for finding in stops),
                still_good="nothing was changed",
            )
        with closing(StoredListing(content, self._temporary())) as listing:
            return self._restore(content, listing, choices, observer)

    def _restore(
        self, content: Content, listing: StoredListing, choices: RestoreChoices, observer: Observer
    ) -> RestoreOutcome:
        selection = select(listing, choices.paths, listing.heading.base)
        setter = Setter(with_owners=not choices.no_owner)
        inside = self._goes_inside()
        sets_base = inside or os.geteuid() != 0  # only root may rename a directory that it may not write
        with side_directory(self._path, content.short_id, inside=inside) as side:
            builder = Builder(
                root=side.tree,
                content=content,
                listing=listing,
                selection=selection,
                setter=setter,
                observer=observer,
                with_base=not sets_base,
            )
            builder.build()
            lines: list[str] = []
            if inside:
                put_inside(side, self._path)
            elif is_directory(self._path) and not is_empty(self._path):
                kept = replace_old(side, self._path, choices.started_at or self._clock.now())
                here, there = shown(self._path), shown(kept)
                lines = [
                    f"the old directory is {there}; to go back:",
                    f"  mv {here} {here}__undone",
                    f"  mv {there} {here}",
                ]
            else:
                put_new(side, self._path)
        if sets_base:
            self._set_base(listing, setter)
        return RestoreOutcome(
            place=shown(self._path),
            tables=selection.files,
            size_bytes=selection.bytes,
            rows=0,
            statements=0,
            lines=(
                *lines,
                *_told("no content in the snapshot", builder.absent),
                *_told("changed while it was backed up", builder.unsettled),
            ),
            not_as_before=setter.told(),
        )

    def _chosen(self, content: Content, choices: RestoreChoices) -> tuple[int, int, bool]:
        """Return how many files and bytes are chosen, and whether anything is; asked once, for plan and restore."""
        if self._last is None or self._last[0] is not content or self._last[1] != choices.paths:
            with closing(StoredListing(content, self._temporary())) as listing:
                selection = select(listing, choices.paths, listing.heading.base)
            self._last = content, choices.paths, (selection.files, selection.bytes, selection.takes_anything)
        return self._last[2]

    def _set_base(self, listing: StoredListing, setter: Setter) -> None:
        """Give the directory, once it is in place, what the base had."""
        base = next(listing.heads())[1].line()
        assert base.metadata is not None
        with refusals(self._path):
            descriptor = os.open(self._path, OPEN_DIRECTORY)
            try:
                setter.set(b"", descriptor, base.metadata)
            finally:
                os.close(descriptor)

    def _goes_inside(self) -> bool:
        """Whether the directory is there, empty, and cannot be put in place by a rename: a mount, or in a closed directory."""
        if not is_directory(self._path) or not is_empty(self._path):
            return False
        above = os.path.dirname(self._path)  # noqa: PTH120 - bytes
        return os.path.ismount(self._path) or not os.access(above, os.W_OK | os.X_OK)

    def _findings_about_place(self, files: int, size: int, choices: RestoreChoices) -> list[Finding]:
        above = os.path.dirname(self._path)  # noqa: PTH120 - bytes
        if not os.path.isdir(above):  # noqa: PTH112 - bytes
            return [_stop(f"there is no directory {shown(above)}", f"mkdir -p {shown(above)}")]
        there = os.path.lexists(self._path)
        if there and not is_directory(self._path):
            return [_stop(f"{shown(self._path)} is no directory", "name one, or a name that is free")]
        findings = []
        if there and not is_empty(self._path):
            findings.append(self._finding_about_old(choices))
        elif not (os.access(above, os.W_OK | os.X_OK) or (there and os.access(self._path, os.W_OK | os.X_OK))):
            findings.append(_stop(f"this account may not write to {shown(above)}", "run as its owner"))
        return [*findings, _finding_about_room(self._path if there else above, files, size)]

    def _findings_about_attributes(self, content: Content) -> list[Finding]:
        above = os.path.dirname(self._path)  # noqa: PTH120 - bytes
        try:
            os.listxattr(above)
        except OSError as error:
            if error.errno == errno.ENOTSUP and _number(content, "with_xattrs"):
                text = (
                    f"{shown(above)} keeps no extended attributes: those of {_number(content, 'with_xattrs'):,} names"
                )
                return [Finding(level=Level.NOTE, text=f"{text} are listed at the end (exit 3)")]
        return []

    def _finding_about_old(self, choices: RestoreChoices) -> Finding:
        here = shown(self._path)
        moment = f"{choices.started_at:%Y%m%d_%H%M}" if choices.started_at else "YYYYMMDD_HHMM"
        if not choices.replace:
            return _stop(
                f"{here} is there and not empty",
                f"--replace restores beside it, checks, then swaps; the old one stays as {here}__before_{moment}",
            )
        if os.path.ismount(self._path):
            return _stop(f"{here} is where a disk is mounted, and cannot be swapped", "restore into a directory on it")
        if not os.access(os.path.dirname(self._path), os.W_OK | os.X_OK):  # noqa: PTH120 - bytes
            return _stop(f"this account may not rename {here}", "run as the owner of the directory that it lies in")
        return Finding(level=Level.NOTE, text=f"{here} is kept beside it; stop the programs that use it")


def _finding_about_room(directory: bytes, files: int, size: int) -> Finding:
    found = os.statvfs(directory)
    free, needed = found.f_bavail * found.f_frsize, int(size * _ROOM_FACTOR) + files * _BLOCK_BYTES
    if needed > free:
        text = f"{format_size(free)} free in {shown(directory)}, about {format_size(needed)} needed"
        return _stop(text, "make room, or restore somewhere else")
    if found.f_files and files > found.f_favail:
        text = f"{shown(directory)} has room for {found.f_favail:,} more files, and there are {files:,}"
        return _stop(text, "restore to a file system with more inodes")
    return Finding(level=Level.OK, text=f"{shown(directory)} has {format_size(free)} free")


def _findings_about_owners(content: Content, choices: RestoreChoices) -> list[Finding]:
    owners = content.facts.get("owners")
    ours = f"{os.geteuid()}:{os.getegid()}"
    others = [owner for owner in owners if owner != ours] if isinstance(owners, list | tuple) else []
    if choices.no_owner or not others or os.geteuid() == 0:
        return []
    return [
        Finding(
            level=Level.NOTE,
            text="this account is not root: owners that it may not set are listed at the end (exit 3)",
            remedy="--no-owner lets everything belong to it",
        )
    ]


def _told(what: str, names: Names) -> list[str]:
    if not names.count:
        return []
    more = f" and {names.count - _SHOWN:,} more" if names.count > _SHOWN else ""
    return [f"{what}: {', '.join(names.first[:_SHOWN])}{more}"]


def _stop(text: str, remedy: str) -> Finding:
    return Finding(level=Level.STOP, text=text, remedy=remedy)


def _number(content: Content, fact: str) -> int:
    found = content.facts.get(fact)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0
