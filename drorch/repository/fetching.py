"""Fetch the records of one lane, verified: tag, lengths, chunk id; deltas decoded through their bases."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from drorch.errors import ChunkUnavailable, DrorchError, IntegrityError, ObjectCorrupt
from drorch.format import names
from drorch.format.compression import CODEC_DELTA
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.format.record import decode_content, open_record
from drorch.format.tree import ChunkPlace, LeafEntry, Place
from drorch.ids import ChunkId, LaneId, RunId
from drorch.repository.copies import Copies
from drorch.repository.runs import OpenedRun, RunDirectory
from drorch.storage.interface import ObjectStore

SPAN_BYTES = 4 * 2**20
SPAN_PLAIN_BYTES = 8 * 2**20  # what compresses a hundredfold must not fill memory a hundredfold
GAP_BYTES = 128 * 2**10
BASES_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Leaf entries, in stream order, whose records lie close together in one pack: one ranged read."""

    run: RunId
    ordinal: int
    start: int
    end: int
    entries: tuple[LeafEntry, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Records of bases that lie close together in one pack."""

    run: RunId
    ordinal: int
    start: int
    end: int
    places: tuple[Place, ...]


_Records: TypeAlias = Mapping[tuple[RunId, Place], memoryview]
_NO_RECORDS: _Records = MappingProxyType({})


def _stretches(entries: Sequence[LeafEntry]) -> list[_Stretch]:
    """Group the bases of ``entries`` like ``spans`` groups entries: they were stored in the order of a stream too."""
    wanted = {(base.run.raw, base.place.ordinal, base.place.offset): base for entry in entries for base in entry.bases}
    out: list[_Stretch] = []
    for _, base in sorted(wanted.items()):
        place, end = base.place, base.place.offset + base.place.length
        last = out[-1] if out else None
        if (
            last is not None
            and (last.run, last.ordinal) == (base.run, place.ordinal)
            and place.offset <= last.end + GAP_BYTES
            and end - last.start <= SPAN_BYTES
        ):
            out[-1] = _Stretch(last.run, last.ordinal, last.start, max(last.end, end), (*last.places, place))
        else:
            out.append(_Stretch(base.run, place.ordinal, place.offset, end, (place,)))
    return out


def spans(entries: Sequence[LeafEntry]) -> list[Span]:
    """Group consecutive entries into reads of at most about ``SPAN_BYTES``, bridging gaps of at most ``GAP_BYTES``.

    Decoded, a group holds at most about ``SPAN_PLAIN_BYTES``.
    """
    out: list[Span] = []
    group: list[LeafEntry] = []
    plain_bytes = 0
    for entry in entries:
        if group and not (_continues(group, entry.chunk) and plain_bytes + entry.plain_length <= SPAN_PLAIN_BYTES):
            out.append(_span(group))
            group, plain_bytes = [], 0
        group.append(entry)
        plain_bytes += entry.plain_length
    if group:
        out.append(_span(group))
    return out


def _continues(group: Sequence[LeafEntry], chunk: ChunkPlace) -> bool:
    first, last = group[0].chunk, group[-1].chunk
    end = last.place.offset + last.place.length
    return (
        chunk.run == first.run
        and chunk.place.ordinal == first.place.ordinal
        and end <= chunk.place.offset <= end + GAP_BYTES
        and chunk.place.offset + chunk.place.length - first.place.offset <= SPAN_BYTES
    )


def _span(group: Sequence[LeafEntry]) -> Span:
    first, last = group[0].chunk, group[-1].chunk
    return Span(
        run=first.run,
        ordinal=first.place.ordinal,
        start=first.place.offset,
        end=last.place.offset + last.place.length,
        entries=tuple(group),
    )


class LaneFetcher:
    """Reads chunks and tree nodes of one lane. Safe to use from several threads."""

    def __init__(self, lane: LaneId, copies: Copies, runs: RunDirectory) -> None:
        self._lane = lane
        self._copies = copies
        self._runs = runs
        self._lock = threading.Lock()
        self._bases: OrderedDict[ChunkId, bytes] = OrderedDict()
        self._chunks_read = 0
        self._packs_read: set[tuple[RunId, int]] = set()

    @property
    def packs_and_chunks_read(self) -> tuple[int, int]:
        """How many packs and chunks were read and found good so far; a chunk counts every time."""
        with self._lock:
            return len(self._packs_read), self._chunks_read

    def span(self, span: Span) -> list[bytes]:
        """Return the plain bytes of every entry of the span, verified.

        When a record in the span is damaged, that record alone is read again from the other copies. Raises ``ChunkUnavailable``.
        """
        name = self.pack_name(span.run, span.ordinal)
        try:
            raw = memoryview(
                self._copies.first_good(name, partial(_read_range, start=span.start, length=span.end - span.start))
            )
        except DrorchError:
            return [self.chunk(entry) for entry in span.entries]
        bases = self._records_of_bases(span.entries)
        plain = [self._from_span(span, raw, entry, bases) for entry in span.entries]
        self._count(span.entries)
        return plain

    def chunk(self, entry: LeafEntry) -> bytes:
        """Return the plain bytes of one entry, read by itself from the first good copy, or from its twin's."""
        plain = self._chain((entry.chunk, *entry.bases), None)
        self._count((entry,))
        return plain

    def _count(self, entries: Sequence[LeafEntry]) -> None:
        with self._lock:
            self._chunks_read += len(entries)
            self._packs_read.update((entry.chunk.run, entry.chunk.place.ordinal) for entry in entries)

    def node(self, run: RunId, place: Place, twin: Place | None, identity: ChunkId) -> bytes:
        """Return a tree node from its place, or from its twin's when that one is no good."""
        return self._chain((ChunkPlace(identity, run, place, twin),), None)

    def _records_of_bases(self, entries: Sequence[LeafEntry]) -> _Records:
        """Read what the deltas among ``entries`` need in few requests; what cannot be read so is read one by one later."""
        found: dict[tuple[RunId, Place], memoryview] = {}
        for stretch in _stretches(entries):
            start, length = stretch.start, stretch.end - stretch.start
            with suppress(DrorchError):
                name = self.pack_name(stretch.run, stretch.ordinal)
                read = partial(_read_range, start=start, length=length)
                raw = memoryview(self._copies.first_good(name, read))
                for place in stretch.places:
                    found[stretch.run, place] = raw[place.offset - start : place.offset - start + place.length]
        return found

    def _from_span(self, span: Span, raw: memoryview, entry: LeafEntry, bases: _Records) -> bytes:
        place = entry.chunk.place
        begin = place.offset - span.start
        try:
            return self._chain((entry.chunk, *entry.bases), raw[begin : begin + place.length], bases)
        except IntegrityError:
            return self.chunk(entry)

    def _chain(self, chunks: Sequence[ChunkPlace], raw: memoryview | None, records: _Records = _NO_RECORDS) -> bytes:
        """Decode ``chunks[0]`` through the bases that follow it; ``raw`` is its record, and ``records`` are theirs, where read already."""
        wanted, bases = chunks[0], chunks[1:]
        base_plain = self._base(bases, records) if bases else None
        if raw is not None:
            return self._decode(self._runs.opened(wanted.run), wanted, raw, base_plain)
        try:
            return self._at(wanted.place, wanted, base_plain)
        except DrorchError:
            if wanted.twin is None:
                raise
            return self._at(wanted.twin, wanted, base_plain)

    def _at(self, place: Place, wanted: ChunkPlace, base_plain: bytes | None) -> bytes:
        """Read and decode the record that lies at ``place``, from the first copy of its pack in which it is good."""
        opened = self._runs.opened(wanted.run)
        name = self.pack_name(wanted.run, place.ordinal)

        def read(store: ObjectStore, copy: str) -> bytes:
            raw = _read_range(store, copy, start=place.offset, length=place.length)
            return self._decode(opened, wanted, raw, base_plain)

        try:
            return self._copies.first_good(name, read)
        except DrorchError as error:
            raise ChunkUnavailable(
                f"a chunk of pack {name} cannot be read from any copy", found=error.message
            ) from error

    def _base(self, bases: Sequence[ChunkPlace], records: _Records) -> bytes:
        identity = bases[0].chunk_id
        with self._lock:
            kept = self._bases.get(identity)
            if kept is not None:
                self._bases.move_to_end(identity)
                return kept
        plain = self._base_plain(bases, records)
        with self._lock:
            self._bases[identity] = plain
            while len(self._bases) > BASES_KEPT:
                self._bases.popitem(last=False)
        return plain

    def _base_plain(self, bases: Sequence[ChunkPlace], records: _Records) -> bytes:
        raw = records.get((bases[0].run, bases[0].place))
        if raw is not None:
            with suppress(IntegrityError):
                return self._chain(bases, raw, records)
        return self._chain(bases, None, records)

    def _decode(
        self, opened: OpenedRun, wanted: ChunkPlace, raw: bytes | memoryview, base_plain: bytes | None
    ) -> bytes:
        header, content = open_record(opened.keys.run_key, opened.context, raw)
        if header.chunk_id != wanted.chunk_id:
            raise ObjectCorrupt(
                "a record holds another chunk", expected=str(wanted.chunk_id), found=str(header.chunk_id)
            )
        if header.codec != CODEC_DELTA:
            base_plain = None  # a twin may be whole where the first record is a delta
        elif base_plain is None:
            raise ObjectCorrupt("a delta whose base the tree does not name", found=str(header.chunk_id))
        return decode_content(header, content, base_plain, opened.lane_keys.chunk_id_key)

    def pack_name(self, run: RunId, ordinal: int) -> str:
        """Return the object that is pack ``ordinal`` of ``run``; raise ``ObjectCorrupt`` when the run has no such pack."""
        return names.pack(self._lane, self._runs.pack_digest(run, ordinal))


def _read_range(store: ObjectStore, copy: str, *, start: int, length: int) -> bytes:
    """Return a part of a pack; raise ``ObjectCorrupt`` when no pack has such a part, before anything is asked for or allocated."""
    if length < 1 or start + length > OBJECT_LIMIT_BYTES:
        raise ObjectCorrupt(
            "a tree names a place that no pack has",
            expected=f"records within {OBJECT_LIMIT_BYTES} bytes",
            found=f"{length} bytes from byte {start}",
        )
    return store.read_range(copy, start, length)
