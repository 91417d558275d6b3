"""How long the streams of definitions and of roles may be: a restore holds them in memory, so nobody may make them as long as a disk.

A capture refuses to store what no restore would take; both ask here. A database of 50,000 tables stays far below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from drorch.errors import CaptureFailed, DrorchError, ObjectCorrupt
from drorch.quantities import format_size
from drorch.sources.contract.streams import Bytes

LIMIT_BYTES = 2**29
LINE_LIMIT_BYTES = 2**26
MOST_LINES = 5_000_000


@dataclass(slots=True)
class _Length:
    """What came so far; ``line_bytes`` is the longest that any line is known to be."""

    total_bytes: int = 0
    lines: int = 0
    line_bytes: int = 0

    def check(self, refuse: Callable[[str, str], DrorchError]) -> None:
        if self.total_bytes > LIMIT_BYTES or self.line_bytes > LINE_LIMIT_BYTES or self.lines > MOST_LINES:
            raise refuse(
                f"{MOST_LINES:,} lines, {format_size(LIMIT_BYTES)}, {format_size(LINE_LIMIT_BYTES)} a line",
                f"{self.lines:,} lines, {format_size(self.total_bytes)} so far, {format_size(self.line_bytes)} a line",
            )


def stored_lines(pieces: Iterable[Bytes]) -> Iterator[bytes]:
    """Yield the lines of a stored stream that comes in pieces of any size, without their line feeds; raise ``ObjectCorrupt``."""
    length = _Length()
    begun: list[bytes] = []
    for piece in pieces:
        *whole, rest = bytes(piece).split(b"\n")
        length.total_bytes += len(piece)
        length.lines += len(whole)
        for line in whole:
            yield b"".join((*begun, line))
            begun, length.line_bytes = [], 0
        begun.append(rest)
        length.line_bytes += len(rest)
        length.check(_too_long_to_be_ours)
    if length.line_bytes:
        raise ObjectCorrupt("a stream of definitions ends inside a line", found=f"{length.line_bytes} bytes of it")


def storable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a stream that is being stored, whole lines each; raise ``CaptureFailed`` when no restore would take them."""
    length = _Length()
    for piece in pieces:
        lines = piece.split(b"\n")
        length.total_bytes += len(piece)
        length.lines += len(lines) - 1
        length.line_bytes = max(map(len, lines))
        length.check(_too_long_to_be_restored)
        yield piece


def _too_long_to_be_ours(expected: str, found: str) -> DrorchError:
    return ObjectCorrupt(
        "a stream of definitions is longer than any that drorch stores", expected=f"at most {expected}", found=found
    )


def _too_long_to_be_restored(expected: str, found: str) -> DrorchError:
    return CaptureFailed(
        "the definitions of the database are too long to be restored",
        expected=f"at most {expected}",
        found=found,
        hint="exclude the schemas that a program fills with definitions, or give them a policy of their own",
    )
