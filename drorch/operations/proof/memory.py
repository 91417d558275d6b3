"""What a machine remembers of its own chain until every store has it: a directory of the machine's state, and a lock.

A store that was away gets from here what no other store has at that moment. Nothing in it is needed to verify anything.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from drorch.errors import StoreError
from drorch.format.objects import digest_of
from drorch.ids import Digest, LaneId
from drorch.operations.room import private_directory

_SEGMENT = ".segment"


class ChainMemory:
    """One chain's memory below ``directory``, which is made when it is needed; one process at a time holds it."""

    def __init__(self, directory: Path, chain: LaneId) -> None:
        self._top = directory
        self._place = directory / str(chain)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else of this machine add to the chain meanwhile, threads included; raise ``StoreError`` when that cannot be had."""
        private_directory(self._top, "state")
        try:
            self._place.mkdir(mode=0o700, exist_ok=True)
            lock = (self._top / "lock").open("w")
        except OSError as error:
            raise self._not_writable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def last_number(self) -> int:
        """Return the number of the newest segment that is remembered; 0 for none."""
        return max(self._numbers(), default=0)

    def segment(self, number: int) -> bytes | None:
        """Return a remembered segment."""
        return self._read(f"{number}{_SEGMENT}")

    def document(self, digest: Digest) -> bytes | None:
        """Return a remembered document if its bytes are still right."""
        content = self._read(str(digest))
        return content if content is not None and digest_of(content) == digest else None

    def remember(self, number: int, segment: bytes, documents: Mapping[Digest, bytes]) -> None:
        """Keep a segment that a store has taken, and its documents."""
        for digest, content in documents.items():
            self._write(str(digest), content)
        self._write(f"{number}{_SEGMENT}", segment)

    def forget_before(self, number: int) -> None:
        """Drop what every store has: all below ``number``, and all documents."""
        for path in list(self._place.iterdir()):
            older = path.suffix == _SEGMENT and int(path.stem) < number
            if older or (path.suffix != _SEGMENT and len(path.name) == 64):
                with suppress(FileNotFoundError):
                    path.unlink()

    def _numbers(self) -> Iterator[int]:
        return (int(path.stem) for path in self._place.glob(f"*{_SEGMENT}") if path.stem.isdecimal())

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._place / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        partial = self._place / f"{name}.partial"
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._place / name)
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._place} cannot be written", expected="room for a ledger entry", found=error.strerror or ""
        )
