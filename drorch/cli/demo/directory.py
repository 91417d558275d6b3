"""The directory of a demo: made anew, kept to one demo at a time, never taken from anybody else."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from drorch.errors import TargetRefused

MARKER = ".drorch-demo"
ANOTHER_PLACE = "name another place by --directory"
LONGEST_PARENT_BYTES = 107 - len("/pg-xxxxxxxx/.s.PGSQL.5432")  # what a socket's address may hold


def default_directory() -> Path:
    """Return where a demo goes when nobody says: a place of this account."""
    suffix = "" if os.geteuid() == 0 else f"-{os.geteuid()}"
    return Path(f"/var/tmp/drorch-demo{suffix}")  # noqa: S108 - made with mode 0711 and refused when it is not ours


@contextlib.contextmanager
def demo_directory(named: Path) -> Iterator[Path]:
    """Make the demo's directory and keep other demos out of it; only one that an earlier demo marked is replaced."""
    directory = named.absolute()
    try:
        _make_way(directory)
        directory.mkdir(parents=True)
        directory.chmod(0o711)  # as root, the throw-away server is another account and must reach its own folder
        marker = (directory / MARKER).open("w", encoding="utf-8")
    except OSError as error:
        raise TargetRefused(
            f"the directory {directory} cannot be made", found=error.strerror or "", hint=ANOTHER_PLACE
        ) from error
    with marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        yield directory


def _make_way(directory: Path) -> None:
    """Delete what an earlier demo left in ``directory``; raise ``TargetRefused`` when anything else is there."""
    if directory.is_symlink() or (directory.exists() and directory.stat().st_uid != os.geteuid()):
        raise TargetRefused(
            f"{directory} belongs to somebody else", expected="a directory of your own", hint=ANOTHER_PLACE
        )
    if not directory.exists():
        return
    marker = directory / MARKER
    if not marker.is_file() and any(directory.iterdir()):
        raise TargetRefused(f"{directory} is not empty and no demo made it", hint=ANOTHER_PLACE)
    with marker.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetRefused(f"another demo is running in {directory}", hint=ANOTHER_PLACE) from error
        shutil.rmtree(directory)


def place_for_server(directory: Path) -> Path:
    """Return where the server can lie: below ``directory``, unless its account cannot go there or a socket cannot be named so."""
    is_root = os.geteuid() == 0
    plain = re.fullmatch(r"[\w./ -]+", str(directory), re.ASCII) and len(str(directory)) <= LONGEST_PARENT_BYTES
    open_to_all = all(parent.stat().st_mode & stat.S_IXOTH for parent in directory.parents)
    if not plain or (is_root and not open_to_all):
        return Path("/var/tmp")  # noqa: S108 - the server makes a directory of its own there
    return directory
