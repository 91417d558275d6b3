"""The listing of a stored snapshot: fetched whole and proven before anything is done with it, then read as often as is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from drorch.errors import ObjectCorrupt
from drorch.sources.files.lines import (
    LINE_LIMIT_BYTES,
    LISTING,
    Head,
    Heading,
    Kind,
    Line,
    decode_head,
    decode_heading,
    decode_line,
)
from drorch.sources.files.names import components, shown
from drorch.sources.files.spool import Spool
from drorch.sources.interface import Bytes, Content, StoredStream


class StoredListing:
    """Every line of it was checked: paths stay below the base, parents are directories, the order is that of a walk."""

    def __init__(self, content: Content, temporary: Path) -> None:
        """Fetch and check; raises ``ObjectCorrupt``, ``FormatUnsupported`` and what ``Content.open`` raises."""
        self._spool = Spool(temporary)
        try:
            pieces = content.open(listing_stream(content))
            lines = _whole_lines(pieces)
            first = next(lines, b"")
            self.heading: Heading = decode_heading(first)
            self._start = len(first)
            self._spool.add(first)
            for raw in lines:
                self._spool.add(raw)  # to the end: the digest of the stream is compared there
            self._check()
        except BaseException:
            self._spool.close()
            raise

    def heads(self) -> Iterator[tuple[int, Head]]:
        """Yield every line, its name and kind first, with the place where it begins."""
        start = self._start
        for raw in self._spool.lines(start):
            yield start, decode_head(raw)
            start += len(raw)

    def heads_at(self, starts: Iterable[int]) -> Iterator[tuple[int, Head]]:
        """Yield the lines that begin there."""
        for start in starts:
            yield start, decode_head(self._spool.line_at(start))

    def lines(self) -> Iterator[tuple[int, Line]]:
        """Yield every line whole, with the place where it begins."""
        for start, head in self.heads():
            yield start, head.line()

    def at(self, start: int) -> Line:
        """Return the line that begins there."""
        return decode_line(self._spool.line_at(start))

    def close(self) -> None:
        """Forget it."""
        self._spool.close()

    def _check(self) -> None:
        last: tuple[bytes, ...] | None = None
        directories: list[bytes] = []
        for _, line in self.heads():
            names = components(line.path)
            if last is None and (names or line.kind is not Kind.DIRECTORY):
                raise _out_of_order(line)
            if last is not None:
                above = names[:-1]
                if names <= last or tuple(directories[: len(above)]) != above:
                    raise _out_of_order(line)
                del directories[len(above) :]
                if line.kind is Kind.DIRECTORY:
                    directories.append(names[-1])
            last = names
        if last is None:
            raise ObjectCorrupt("the listing of a file tree is damaged", expected="a line for the base", found="none")


def listing_stream(content: Content) -> StoredStream:
    """Return the stream that holds the listing; raises ``ObjectCorrupt``."""
    found = next((stream for stream in content.streams() if stream.spec.name == LISTING), None)
    if found is None:
        raise ObjectCorrupt("the snapshot of a file tree has no listing")
    return found


def _whole_lines(pieces: Iterator[Bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream that comes in pieces of any size, each with its line feed."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        *whole, rest = waiting.split(b"\n")
        for line in whole:
            yield bytes(line) + b"\n"
        waiting = rest
        if len(waiting) > LINE_LIMIT_BYTES:
            raise ObjectCorrupt("the listing of a file tree is damaged", expected="lines of at most 16 MiB")
    if waiting:
        raise ObjectCorrupt("the listing of a file tree is cut short", found=f"{len(waiting)} bytes without an end")


def _out_of_order(line: Head) -> ObjectCorrupt:
    return ObjectCorrupt(
        "the listing of a file tree is out of order",
        expected="a directory before what is in it, names in ascending order",
        found=shown(line.path)[:200] or "the base, which must come first and once",
    )
