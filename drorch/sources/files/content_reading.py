"""Read the files of a content stream one after the other, and note what became of each."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from drorch.clock import Clock, to_milliseconds
from drorch.sources.files.attributes import is_sparse, metadata_of
from drorch.sources.files.file_line import encode_file
from drorch.sources.files.findings import Findings
from drorch.sources.files.lines import Kind, Line, Place, encode_line
from drorch.sources.files.memory import Memory
from drorch.sources.files.reading import ATTEMPTS, FileReader, Gone, Reading, Unreadable
from drorch.sources.files.spool import Spool
from drorch.sources.files.survey import TO_READ, TO_READ_FIRST, Content, Survey, path_to_read
from drorch.sources.interface import Bytes

OPEN_AHEAD: Final = 32  # so that the disk fetches the next files while one is read
BUNDLE_BYTES: Final = 2**18


class _Opening(NamedTuple):
    """A file whose turn comes soon. ``has_names`` says that further hard links may lean on it."""

    path: bytes
    has_names: bool
    descriptor: int
    failure: Gone | Unreadable | None = None


@dataclass(slots=True)
class _Stretch:
    """Where a content stream has come to; ``waiting`` is what follows what was given out."""

    name: str
    given: int = 0
    waiting: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        return self.given + len(self.waiting)

    def give(self) -> bytearray:
        waiting, self.waiting = self.waiting, bytearray()
        self.given += len(waiting)
        return waiting


@dataclass(slots=True, kw_only=True)
class ContentReader:
    """Reads what a survey found. ``sizes`` are those of the streams that were read to their end, ``results_at`` where their lines begin.

    ``lost_firsts`` are files with several names that could not be read.
    """

    survey: Survey
    results: Spool
    clock: Clock
    sizes: dict[str, int] = field(default_factory=dict)
    results_at: dict[str, int] = field(default_factory=dict)
    lost_firsts: set[bytes] = field(default_factory=set)

    def pieces(self, content: Content) -> Generator[Bytes, None, None]:
        """Yield the bytes of one content stream; what became of each of its files goes to the results."""
        self.results_at[content.name] = self.results.size_bytes
        stretch, now_ns = _Stretch(content.name), self._now_ns()
        with closing(self._openings(content)) as openings:
            for opening in openings:
                self._reader.check()
                line = yield from self._file(opening, stretch, now_ns)
                self.results.add(line)
                if len(stretch.waiting) >= BUNDLE_BYTES:
                    yield stretch.give()
                    now_ns = self._now_ns()
        yield stretch.give()
        self.sizes[content.name] = stretch.given

    def _file(self, opening: _Opening, stretch: _Stretch, now_ns: int) -> Generator[Bytes, None, bytes]:
        """Add a file's bytes to the stream, and return its line; an empty one when it is gone."""
        path = opening.path
        try:
            start = stretch.size
            reading = self._small(opening, stretch)
            if reading is None or reading.is_unsettled:
                yield stretch.give()
                reading = yield from self._large(path, stretch, ATTEMPTS if reading is None else ATTEMPTS - 1)
            place = Place(stretch.name, start + reading.start) if reading.size else None
            return self._line(path, reading, place, now_ns)
        except Gone:
            self._findings.gone_while_read.add(path)
            self.survey.counts.files -= 1
            line = b"\n"
        except Unreadable as error:
            self._findings.unread.add(path, str(error))
            line = encode_line(Line(path=path, kind=Kind.ABSENT, why=f"unreadable: {error}"))
        if opening.has_names:
            self.lost_firsts.add(path)
        return line

    def _small(self, opening: _Opening, stretch: _Stretch) -> Reading | None:
        if opening.failure is not None:
            raise opening.failure
        try:
            return self._reader.read_small(opening.descriptor, stretch.waiting)
        finally:
            os.close(opening.descriptor)

    def _large(self, path: bytes, stretch: _Stretch, attempts: int) -> Generator[Bytes, None, Reading]:
        pieces = self._reader.read(path, attempts)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                reading: Reading = end.value
                return reading
            stretch.given += len(piece)
            yield piece

    def _line(self, path: bytes, reading: Reading, place: Place | None, now_ns: int) -> bytes:
        """Remember what was read, and return its line."""
        status, survey = reading.status, self.survey
        if reading.is_unsettled:
            self._findings.changed_while_read.add(path)
        before = survey.memory.find(path) if survey.is_immutable else None
        if before is not None and before.sha256 != reading.sha256:
            # not remembered: it is told again until somebody decides
            self._findings.immutable_broken.add(path, "changed")
        elif not reading.is_unsettled:
            self._memory.put(path, status, reading.sha256, place, now_ns, is_bare=not reading.xattrs)
        survey.count(status.st_uid, status.st_gid, reading.xattrs)
        if not reading.is_unsettled:
            return encode_file(path, status, reading.sha256, place, reading.xattrs)
        return encode_line(_unsettled(path, reading, place))

    def _openings(self, content: Content) -> Generator[_Opening, None, None]:
        """Yield the files of a stream; whoever takes one closes it."""
        ahead: deque[_Opening] = deque()
        try:
            for path, has_names in self._paths(content):
                ahead.append(self._opening(path, has_names=has_names))
                if len(ahead) > OPEN_AHEAD:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            for opening in ahead:
                if opening.failure is None:
                    os.close(opening.descriptor)

    def _opening(self, path: bytes, *, has_names: bool) -> _Opening:
        try:
            return _Opening(path, has_names, self._reader.open(path))
        except (Gone, Unreadable) as failure:
            return _Opening(path, has_names, -1, failure)

    def _paths(self, content: Content) -> Iterator[tuple[bytes, bool]]:
        left = content.files
        for raw in self.survey.spool.lines(content.start):
            if not left:
                return
            if raw.startswith((TO_READ, TO_READ_FIRST)):
                left -= 1
                yield path_to_read(raw), raw.startswith(TO_READ_FIRST)

    def _now_ns(self) -> int:
        return to_milliseconds(self.clock.now()) * 1_000_000

    @property
    def _reader(self) -> FileReader:
        return self.survey.reader

    @property
    def _memory(self) -> Memory:
        return self.survey.memory

    @property
    def _findings(self) -> Findings:
        return self.survey.findings


def _unsettled(path: bytes, reading: Reading, place: Place | None) -> Line:
    return Line(
        path=path,
        kind=Kind.FILE,
        metadata=metadata_of(reading.status, reading.xattrs),
        size=reading.size,
        sha256=reading.sha256,
        place=place,
        is_unsettled=True,
        is_sparse=is_sparse(reading.status),
    )
