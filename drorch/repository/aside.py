"""Bytes that are needed again only at the end of a run: row digests of fifty thousand tables are half a gigabyte."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass

from drorch.errors import SettingsInvalid

MOST_IN_MEMORY_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Slip:
    """Where bytes were put aside."""

    offset: int
    length: int


class Aside:
    """Keeps bytes in memory, and from 8 MiB on in a temporary file without a name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = tempfile.SpooledTemporaryFile(max_size=MOST_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by ``close``
        self._size = 0

    def put(self, content: bytes) -> Slip:
        """Put ``content`` aside; raise ``SettingsInvalid`` when there is no room."""
        try:
            with self._lock:
                slip = Slip(self._size, len(content))
                self._file.seek(slip.offset)
                self._file.write(content)
                self._size += len(content)
        except OSError as error:
            raise _no_room(error) from error
        return slip

    def get(self, slip: Slip) -> bytes:
        """Return what was put aside; raise ``SettingsInvalid`` when the disk does not give it back."""
        try:
            with self._lock:
                self._file.seek(slip.offset)
                content = self._file.read(slip.length)
        except OSError as error:
            raise _no_room(error) from error
        return content

    def close(self) -> None:
        """Forget everything."""
        self._file.close()


def _no_room(error: OSError) -> SettingsInvalid:
    return SettingsInvalid(
        "there is no place for what a run keeps until its end",
        expected="room where the system keeps temporary files (TMPDIR, /tmp)",
        found=error.strerror or "",
        hint="make room there, or set TMPDIR",
    )
