"""Which lines of a listing are to be restored, and where the bytes of each file lie: 24 bytes of memory a file."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from drorch.sources.files.lines import Head, Kind, Line
from drorch.sources.files.listing import StoredListing
from drorch.sources.files.names import text_of
from drorch.sources.files.patterns import Patterns

BRIDGED_BYTES: Final = 4 * 2**20  # bytes between two files that are rather read than asked around


@dataclass(slots=True)
class Wanted:
    """The files that are wanted of one content stream, in the order of the listing."""

    lines: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, start: int, offset: int, size: int) -> None:
        """Want the file of the line that begins at ``start`` of the listing."""
        self.lines.append(start)
        self.offsets.append(offset)
        self.sizes.append(size)

    def stretches(self) -> Iterator[tuple[range, int, int]]:
        """Yield the numbers of files that are read in one go, from where and how many bytes."""
        begin = 0
        while begin < len(self.lines):
            end, reached = begin + 1, self.offsets[begin] + self.sizes[begin]
            while end < len(self.lines) and reached <= self.offsets[end] <= reached + BRIDGED_BYTES:
                reached = self.offsets[end] + self.sizes[end]
                end += 1
            yield range(begin, end), self.offsets[begin], reached - self.offsets[begin]
            begin = end


@dataclass(slots=True, kw_only=True)
class Selection:
    """What a restore takes of a listing. ``instead`` names, for the first of several hard links, the one that is made first here.

    ``structure`` is where the lines begin that are no file with content of its own, when everything is taken.
    """

    patterns: Patterns | None
    contents: dict[str, Wanted] = field(default_factory=dict)
    instead: dict[bytes, bytes] = field(default_factory=dict)
    structure: array[int] = field(default_factory=lambda: array("Q"))
    files: int = 0
    bytes: int = 0
    takes_anything: bool = False

    def takes(self, line: Head | Line) -> bool:
        """Whether the line itself is wanted; directories above what is wanted come in any case."""
        if self.patterns is None:
            return True
        return bool(line.path) and self.patterns.fit(line.path, is_directory=line.kind is Kind.DIRECTORY)

    def want(self, start: int, line: Line) -> None:
        """Want the bytes of a file."""
        self.bytes += line.size
        if line.place is not None:
            self.contents.setdefault(line.place.content, Wanted()).add(start, line.place.offset, line.size)


def select(listing: StoredListing, paths: tuple[str, ...], base: bytes) -> Selection:
    """Return what ``paths`` (all, if empty) mean of a listing; raises ``UsageInvalid`` for what is no pattern."""
    selection = Selection(patterns=patterns_of(paths, base) if paths else None)
    for start, head in listing.heads():
        if selection.takes(head):
            selection.takes_anything = True
            has_bytes = head.kind is Kind.FILE and _take_file(selection, start, head.line())
            if selection.patterns is None and not has_bytes:
                selection.structure.append(start)
    if selection.instead:
        for start, head in listing.heads():
            if head.path in selection.instead:
                selection.want(start, head.line())
    return selection


def _take_file(selection: Selection, start: int, line: Line) -> bool:
    """Want a file, and return whether it has bytes of its own."""
    selection.files += 1
    if line.same_as is None:
        selection.want(start, line)
    elif selection.patterns is not None and not selection.patterns.fit(line.same_as):
        selection.instead.setdefault(line.same_as, line.path)
    return line.place is not None


def patterns_of(paths: tuple[str, ...], base: bytes) -> Patterns:
    """Return the patterns of ``--path``; one that begins with the base is taken from the base on."""
    prefix = text_of(base).rstrip("/")
    return Patterns(
        [
            path.removeprefix(prefix) or "/*" if path.startswith(f"{prefix}/") or path == prefix else path
            for path in paths
        ],
        any_normal_form=True,
    )
