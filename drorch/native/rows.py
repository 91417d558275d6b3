"""``rows.c`` as Python calls it, through ctypes: no header of any Python is needed, and the interpreter lock is released.

Without the library (no compiler at hand when drorch was installed) ``LIBRARY`` is ``None`` and the callers do the same in Python.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("librows.so.1")
BUCKETS = 256
LIMBS = 4
SUM_BYTES = 8 * LIMBS
_POINTER, _LONG, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int


def _load(path: Path) -> ctypes.CDLL | None:
    with suppress(OSError, AttributeError):  # not there, for another machine, or of another version
        library = ctypes.CDLL(str(path))
        library.drorch_read_rows.restype = library.drorch_digest_rows.restype = _LONG
        library.drorch_read_rows.argtypes = [*[_POINTER] * 5, _LONG, _LONG, *[_POINTER] * 4]
        library.drorch_digest_rows.argtypes = [_POINTER, _INT, _POINTER, _POINTER, _LONG, _POINTER, _POINTER]
        return library
    return None


LIBRARY = _load(PATH)


class RowSums:
    """The 256 sums of keyed hashes of rows (FORMAT 9), added up by the library. Not for several threads at once."""

    def __init__(self, library: ctypes.CDLL, rows_key: bytes, *, is_prefixed: bool) -> None:
        self._digest = library.drorch_digest_rows
        self._key = rows_key
        self._is_prefixed = is_prefixed
        self._sums = (ctypes.c_uint64 * (BUCKETS * LIMBS))()
        self._rows, self._is_long = _LONG(), _INT()
        self._rows_at, self._is_long_at = ctypes.byref(self._rows), ctypes.byref(self._is_long)

    def add(self, content: bytes | bytearray, start: int) -> tuple[int, int, bool]:
        """Digest the whole rows from ``start`` on; return the bytes used, the rows, and whether a row follows that is for ``blake3``."""
        if start == len(content):
            return 0, 0, False
        held: Any  # keeps the content where it is while its address is in use
        if isinstance(content, bytes):
            held = ctypes.c_char_p(content)
            address = (ctypes.cast(held, _POINTER).value or 0) + start
        else:
            held = ctypes.c_char.from_buffer(content, start)  # not an array: each length would be a type of its own
            address = ctypes.addressof(held)
        used = self._digest(
            self._key, self._is_prefixed, self._sums, address, len(content) - start, self._rows_at, self._is_long_at
        )
        del held
        return int(used), self._rows.value, bool(self._is_long.value)

    def sums(self) -> list[int]:
        """Return the sums so far, modulo 2^256."""
        limbs = array("Q", bytes(self._sums))
        if sys.byteorder == "little":  # limbs lie the most significant first, their bytes as the machine has them
            limbs.byteswap()
        raw = limbs.tobytes()
        return [int.from_bytes(raw[start : start + SUM_BYTES], "big") for start in range(0, len(raw), SUM_BYTES)]


@dataclass(frozen=True, slots=True)
class Libpq:
    """The three functions of the very libpq that made a connection, as addresses."""

    get_copy_data: int
    consume_input: int
    free_memory: int


def libpq_functions(path: Path, is_loaded_only: int) -> Libpq | None:
    """Return the functions of the libpq at ``path``, if this process has it loaded already: another copy would not know its connections."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(str(path), mode=is_loaded_only)
        found = (library.PQgetCopyData, library.PQconsumeInput, library.PQfreemem)
        addresses = [ctypes.cast(function, _POINTER).value or 0 for function in found]
        return Libpq(*addresses)
    return None


@dataclass(slots=True)
class RowReader:
    """Reads the rows of one COPY. ``status``: 1 more at once, 0 wait for the server, -1 the end, -2 and -3 an error of libpq."""

    library: ctypes.CDLL
    libpq: Libpq
    connection: int
    rows: int = 0
    status: int = 1
    large: bytes = field(default=b"", repr=False)

    def fill(self, buffer: bytearray, used: int, enough_bytes: int) -> int:
        """Append rows after ``used`` bytes until under ``enough_bytes`` are free; return the bytes in use. ``large`` is a row that did not fit."""
        rows, status = _LONG(), _INT()
        large, large_bytes = _POINTER(), _LONG()
        base = ctypes.c_char.from_buffer(buffer, used)
        added = self.library.drorch_read_rows(
            self.connection, self.libpq.get_copy_data, self.libpq.consume_input, self.libpq.free_memory,
            ctypes.addressof(base), len(buffer) - used, enough_bytes,
            ctypes.byref(rows), ctypes.byref(status), ctypes.byref(large), ctypes.byref(large_bytes),
        )  # fmt: skip
        del base
        self.rows += rows.value
        self.status = status.value
        self.large = self._taken(large, large_bytes.value) if large.value else b""
        return used + int(added)

    def _taken(self, row: ctypes.c_void_p, size: int) -> bytes:
        free: Callable[[Any], None] = ctypes.CFUNCTYPE(None, _POINTER)(self.libpq.free_memory)
        try:
            return ctypes.string_at(row, size)
        finally:
            free(row)
