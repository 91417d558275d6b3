"""Lines on disk instead of in memory; the file has no name and goes with the process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drorch.errors import SettingsInvalid

_BUFFER_BYTES: Final = 2**18


class Spool:
    """A sequence of lines, each ending with a line feed; written to the end first, read from any line afterwards."""

    def __init__(self, directory: Path) -> None:
        """Open an empty spool in ``directory``; raises ``SettingsInvalid``."""
        try:
            self._file = tempfile.TemporaryFile(dir=directory, buffering=_BUFFER_BYTES)  # noqa: SIM115 - until ``close``
        except OSError as error:
            raise _no_room(error) from error
        self.size_bytes = 0

    def add(self, line: bytes) -> int:
        """Append a line, and return where it begins."""
        start = self.size_bytes
        try:
            self._file.write(line)
        except OSError as error:
            raise _no_room(error) from error
        self.size_bytes += len(line)
        return start

    def lines(self, start: int = 0) -> Iterator[bytes]:
        """Yield the lines from ``start`` on; several may read at once as long as nobody writes meanwhile."""
        try:
            self._file.flush()
            with open(f"/proc/self/fd/{self._file.fileno()}", "rb", buffering=_BUFFER_BYTES) as reader:
                reader.seek(start)
                yield from reader
        except OSError as error:
            raise _no_room(error) from error

    def line_at(self, start: int) -> bytes:
        """Return the line that begins there."""
        try:
            self._file.seek(start)
            return bytes(self._file.readline())
        except OSError as error:
            raise _no_room(error) from error

    def close(self) -> None:
        """Forget everything."""
        self._file.close()


def _no_room(error: OSError) -> SettingsInvalid:
    return SettingsInvalid(
        "there is no place for the list of files",
        expected="room in the directory for temporary files",
        found=error.strerror or "",
        hint="make room there, or name another `temporary:` directory in drorch.yaml",
    )
