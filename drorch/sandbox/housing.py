"""The directory of one sandbox: it says whose it is, is deleted with proof, and is found again when its owner died.

``directory`` belongs to this account and may only be passed through; ``inside`` belongs to the account of the sandbox's programs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from drorch.sandbox.interface import WipeProof
from drorch.sandbox.occupants import end_occupants, sockets_below
from drorch.sandbox.unprivileged import give_away

PREFIX = "drorch-sb-"
_UNFINISHED = "drorch-new-"
_MARKER = "owner.json"
NOTE = "scratch.json"
IsAlive: TypeAlias = Callable[[int, str], bool]


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a sandbox belongs to; ``started`` tells it from a later one with its number."""

    pid: int
    started: str


@dataclass(slots=True)
class House:
    """A directory that is there until ``wipe``."""

    directory: Path
    proof: WipeProof | None = None

    @property
    def inside(self) -> Path:
        """Where the sandbox's own files lie; a short name, for an address of a socket may hold 107 bytes."""
        return self.directory / "s"

    @property
    def scratch(self) -> Path:
        """A directory that only this account can enter; made when it is first asked for."""
        place = self.directory / "scratch"
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def wipe(self, *, processes: int = 0, databases: int = 0, left: tuple[str, ...] = ()) -> WipeProof:
        """End whoever still works in it, delete it, and look; what the caller did before goes into the proof."""
        if self.proof is None:
            self.proof = _wiped(self.directory, WipeProof(processes=processes, databases=databases, left=left))
        return self.proof


def make_house(parent: Path, owner: Owner, *, is_given_away: bool) -> House:
    """Make a sandbox's directory below ``parent``; with ``is_given_away`` its inside belongs to an account that owns nothing."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    (unfinished / _MARKER).write_text(json.dumps({"pid": owner.pid, "started": owner.started}), encoding="utf-8")
    house = House(unfinished.rename(unfinished.with_name(PREFIX + unfinished.name.removeprefix(_UNFINISHED))))
    house.inside.mkdir(mode=0o700)
    if is_given_away:
        house.directory.chmod(0o711)
        give_away(house.inside)
    return house


def remove_leftovers(parent: Path, is_alive: IsAlive) -> tuple[WipeProof, ...]:
    """Wipe every sandbox below ``parent`` whose owner is gone; those of others, and of living owners, stay.

    One that left something on a scratch server waits for who uses that server again.
    """
    return tuple(house.wipe() for house in dead_houses(parent, is_alive) if not (house.directory / NOTE).exists())


def dead_houses(parent: Path, is_alive: IsAlive) -> tuple[House, ...]:
    """Return the sandboxes below ``parent`` whose owner is gone; those with a ``NOTE`` left something on a server."""
    return tuple(House(directory) for directory in _of_the_dead(parent, is_alive))


def _of_the_dead(parent: Path, is_alive: IsAlive) -> Iterator[Path]:
    for directory in sorted(parent.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            said = json.loads((directory / _MARKER).read_text(encoding="utf-8"))
            if not is_alive(int(said["pid"]), str(said["started"])):
                yield directory


def _wiped(directory: Path, before: WipeProof) -> WipeProof:
    ended, living = end_occupants(directory)
    files, size = _counted(directory)
    troubles: list[str] = []
    shutil.rmtree(directory, onerror=lambda _call, path, error: troubles.append(f"file {path}: {error[1]}"))
    if not directory.exists():
        troubles.clear()  # what was gone by itself is no trouble
    elif not troubles:
        troubles.append(f"directory {directory}")
    sockets = [f"socket {path}" for path in sockets_below(directory)]
    return WipeProof(
        processes=before.processes + ended,
        files=files,
        bytes=size,
        databases=before.databases,
        left=(*before.left, *living, *troubles, *sockets),
    )


def _counted(directory: Path) -> tuple[int, int]:
    files = size = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - tens of thousands of names
            files += 1
    return files, size
