"""Trees (FORMAT 7): the chunked list of a stream's chunks, so that equal stretches of two snapshots share their nodes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format.compression import CHUNK_LIMIT_BYTES
from drorch.format.fields import Bytes, u8, u16, u32
from drorch.ids import ChunkId, RunId

PLACE_BYTES = 12
REFERENCE_BYTES = 81
NO_TWIN = b"\xff" * PLACE_BYTES
NODE_LIMIT_BYTES = 2**20
TOP_LEVEL = 8
MOST_BASES = 4
LEAST_ENTRIES = 16
MOST_ENTRIES = 4_096
STREAM_LIMIT_BYTES = 2**62
NODE_VERSION = 1

_PLACE = struct.Struct(">III")
_REFERENCE = struct.Struct(">16s12s12s32sBQ")
_CHUNK = struct.Struct(">32sH12s12s")
_LEAF_HEAD = struct.Struct(">BI")
_INNER = struct.Struct(">Q32sH12s12s")
_NODE_HEAD = struct.Struct(">BBH")
_RUN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies in its run: pack ordinal, offset from the pack's first byte, length with its length field."""

    ordinal: int
    offset: int
    length: int

    def encode(self) -> bytes:
        """Return the 12 bytes."""
        return _PLACE.pack(self.ordinal, self.offset, self.length)

    @classmethod
    def decode(cls, raw: Bytes) -> Self:
        """Return the place; raise ``ObjectCorrupt``."""
        if len(raw) != PLACE_BYTES:
            raise ObjectCorrupt("a place is damaged", expected="12 bytes", found=f"{len(raw)}")
        return cls(*_PLACE.unpack(raw))


def encode_twin(twin: Place | None) -> bytes:
    """Return the 12 bytes of a twin's place, or those that say that there is none."""
    return NO_TWIN if twin is None else twin.encode()


def decode_twin(raw: Bytes) -> Place | None:
    """Return the twin's place, ``None`` when there is none; raise ``ObjectCorrupt``."""
    return None if bytes(raw) == NO_TWIN else Place.decode(raw)


@dataclass(frozen=True, slots=True)
class Reference:
    """A tree's top node: where it lies, twice, and how much is below it."""

    run: RunId
    place: Place
    twin: Place | None
    chunk_id: ChunkId
    level: int
    plain_bytes: int

    def encode(self) -> bytes:
        """Return the 81 bytes."""
        return _REFERENCE.pack(
            self.run.raw,
            self.place.encode(),
            encode_twin(self.twin),
            self.chunk_id.raw,
            self.level,
            self.plain_bytes,
        )

    @classmethod
    def decode(cls, raw: Bytes) -> Self:
        """Return the reference; raise ``ObjectCorrupt``."""
        if len(raw) != REFERENCE_BYTES:
            raise ObjectCorrupt("a reference is damaged", expected=f"{REFERENCE_BYTES} bytes", found=f"{len(raw)}")
        run, place, twin, chunk, level, plain_bytes = _REFERENCE.unpack(raw)
        if level > TOP_LEVEL or not 0 < plain_bytes <= STREAM_LIMIT_BYTES:
            raise ObjectCorrupt(
                "a reference is damaged",
                expected="at most level 8 and 2^62 bytes",
                found=f"level {level}, {plain_bytes} bytes",
            )
        return cls(RunId(run), Place.decode(place), decode_twin(twin), ChunkId(chunk), level, plain_bytes)


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """One chunk and where its record lies; ``twin`` is where a second record of it lies, in another pack."""

    chunk_id: ChunkId
    run: RunId
    place: Place
    twin: Place | None = None


@dataclass(frozen=True, slots=True)
class LeafEntry:
    """One chunk of a stream; ``bases`` are what its delta needs, each the base of the one before."""

    chunk: ChunkPlace
    plain_length: int
    bases: tuple[ChunkPlace, ...] = ()

    @property
    def plain_bytes(self) -> int:
        """The bytes of the stream that the entry stands for."""
        return self.plain_length


@dataclass(frozen=True, slots=True)
class InnerEntry:
    """A node of the level below."""

    plain_bytes: int
    chunk_id: ChunkId
    run: RunId
    place: Place
    twin: Place | None


@dataclass(frozen=True, slots=True)
class LeafNode:
    """A node of level 0."""

    entries: tuple[LeafEntry, ...]
    level: int = 0


@dataclass(frozen=True, slots=True)
class InnerNode:
    """A node of level 1 to 8; its children have the level below."""

    level: int
    entries: tuple[InnerEntry, ...]


Node: TypeAlias = LeafNode | InnerNode


def encode_node(level: int, entries: Sequence[LeafEntry] | Sequence[InnerEntry]) -> bytes:
    """Return the plain bytes of a node; runs are numbered in the order of their first use."""
    runs: dict[RunId, int] = {}
    parts: list[bytes] = []
    for entry in entries:
        if isinstance(entry, LeafEntry) == (level > 0):
            raise Bug(f"an entry of the wrong kind in a node of level {level}")
        parts.append(_encode_leaf(entry, runs) if isinstance(entry, LeafEntry) else _encode_inner(entry, runs))
    head = _NODE_HEAD.pack(NODE_VERSION, level, len(runs))
    node = b"".join((head, *(run.raw for run in runs), u32(len(parts)), *parts))
    if not parts or level > TOP_LEVEL or len(node) > NODE_LIMIT_BYTES:
        raise Bug(f"a node of {len(parts)} entries, {len(node)} bytes, level {level}")
    return node


def decode_node(raw: Bytes) -> Node:
    """Return the node that plain bytes hold; raise ``ObjectCorrupt`` or ``FormatUnsupported``."""
    view = memoryview(raw)
    try:
        return _decode_node(view)
    except struct.error as error:
        raise ObjectCorrupt("a tree node is damaged", expected="whole entries", found=f"{len(view)} bytes") from error


class NodeCutter:
    """Says after which entry a node ends. Content decides, so that an insertion moves few nodes."""

    __slots__ = ("_bytes", "_entries", "_runs")

    def __init__(self) -> None:
        self._begin()

    def fits(self, entry: LeafEntry | InnerEntry) -> bool:
        """Say whether ``entry`` still fits; if not, the node ends before it."""
        return self._bytes + self._growth(entry) <= NODE_LIMIT_BYTES

    def ends_after(self, entry: LeafEntry | InnerEntry) -> bool:
        """Count ``entry`` and say whether the node ends after it; the next entry then begins a new one."""
        self._bytes += self._growth(entry)
        self._runs.update(_runs_of(entry))
        self._entries += 1
        first = entry.chunk.chunk_id if isinstance(entry, LeafEntry) else entry.chunk_id
        cut = self._entries >= LEAST_ENTRIES and int.from_bytes(first.raw[:2], "big") < 2**6  # ten zero bits
        if cut or self._entries >= MOST_ENTRIES:
            self._begin()
            return True
        return False

    def restart(self) -> None:
        """Begin a new node: the entry did not fit."""
        self._begin()

    def _begin(self) -> None:
        self._entries = 0
        self._bytes = _NODE_HEAD.size + 4
        self._runs: set[RunId] = set()

    def _growth(self, entry: LeafEntry | InnerEntry) -> int:
        new_runs = len({run for run in _runs_of(entry) if run not in self._runs})
        if isinstance(entry, LeafEntry):
            return _LEAF_HEAD.size + (1 + len(entry.bases)) * _CHUNK.size + new_runs * _RUN_BYTES
        return _INNER.size + new_runs * _RUN_BYTES


Emit: TypeAlias = Callable[[int, bytes], tuple[RunId, Place, Place | None, ChunkId]]


@dataclass(slots=True)
class _Level:
    cutter: NodeCutter = field(default_factory=NodeCutter)
    entries: list[LeafEntry] | list[InnerEntry] = field(default_factory=list)
    nodes: int = 0


class TreeBuilder:
    """Builds one stream's tree from its chunks, keeping one open node per level.

    ``emit(level, node)`` stores a node and returns where: ``(run, place, twin, chunk id)``.
    """

    def __init__(self, emit: Callable[[int, bytes], tuple[RunId, Place, Place | None, ChunkId]]) -> None:
        self._emit = emit
        self._levels: list[_Level] = []

    def add(self, entry: LeafEntry) -> None:
        """Append the stream's next chunk."""
        self._add(0, entry)

    def finish(self) -> Reference | None:
        """Store what is open and return the reference of the top node; ``None`` for an empty stream."""
        level = 0
        while level < len(self._levels):
            here = self._levels[level]
            is_top = level == len(self._levels) - 1
            if is_top and here.nodes == 0 and level > 0 and len(here.entries) == 1:
                # A level above that got one node only: that node is the top.
                only = here.entries[0]
                assert isinstance(only, InnerEntry)
                return Reference(only.run, only.place, only.twin, only.chunk_id, level - 1, only.plain_bytes)
            if here.entries:
                self._close(level)
            level += 1
        return None

    def _add(self, level: int, entry: LeafEntry | InnerEntry) -> None:
        if level > TOP_LEVEL + 1:  # the entry of a top node of the last level goes nowhere
            raise Bug("a tree of too many levels")
        if level == len(self._levels):
            self._levels.append(_Level())
        here = self._levels[level]
        if not here.cutter.fits(entry):
            here.cutter.restart()
            self._close(level)
        here.entries.append(entry)  # type: ignore[arg-type]  # level 0 gets leaf entries only, the others inner ones
        if here.cutter.ends_after(entry):
            self._close(level)

    def _close(self, level: int) -> None:
        here = self._levels[level]
        entries, here.entries = here.entries, []
        here.nodes += 1
        run, place, twin, chunk = self._emit(level, encode_node(level, entries))
        below = sum(entry.plain_bytes for entry in entries)
        self._add(level + 1, InnerEntry(below, chunk, run, place, twin))


def _runs_of(entry: LeafEntry | InnerEntry) -> tuple[RunId, ...]:
    if isinstance(entry, InnerEntry):
        return (entry.run,)
    return (entry.chunk.run, *(base.run for base in entry.bases))


def _encode_leaf(entry: LeafEntry, runs: dict[RunId, int]) -> bytes:
    if not 0 < entry.plain_length <= CHUNK_LIMIT_BYTES or len(entry.bases) > MOST_BASES:
        raise Bug("a leaf entry out of bounds")
    chunks = [
        _CHUNK.pack(one.chunk_id.raw, runs.setdefault(one.run, len(runs)), one.place.encode(), encode_twin(one.twin))
        for one in (entry.chunk, *entry.bases)
    ]
    return b"".join((u8(len(entry.bases)), u32(entry.plain_length), *chunks))


def _encode_inner(entry: InnerEntry, runs: dict[RunId, int]) -> bytes:
    return b"".join(
        (
            entry.plain_bytes.to_bytes(8, "big"),
            entry.chunk_id.raw,
            u16(runs.setdefault(entry.run, len(runs))),
            entry.place.encode(),
            encode_twin(entry.twin),
        )
    )


def _decode_node(view: memoryview) -> Node:
    version, level, run_count = _NODE_HEAD.unpack_from(view)
    if version != NODE_VERSION:
        raise FormatUnsupported("a tree node of another form", expected="form 1", found=f"form {version}")
    count_at = _NODE_HEAD.size + run_count * _RUN_BYTES
    entries_at = count_at + 4
    if level > TOP_LEVEL or len(view) > NODE_LIMIT_BYTES or entries_at > len(view):
        raise ObjectCorrupt("a tree node is damaged", expected="at most level 8 and 1 MiB", found=f"level {level}")
    runs = [RunId(bytes(view[start : start + _RUN_BYTES])) for start in range(_NODE_HEAD.size, count_at, _RUN_BYTES)]
    count = int.from_bytes(view[count_at:entries_at], "big")
    if not 1 <= count <= MOST_ENTRIES:
        raise ObjectCorrupt("a tree node is damaged", expected=f"1 to {MOST_ENTRIES} entries", found=f"{count}")
    if level == 0:
        return LeafNode(_decode_leaves(view, entries_at, count, runs))
    return InnerNode(level, _decode_inners(view, entries_at, count, runs))


def _decode_leaves(view: memoryview, position: int, count: int, runs: Sequence[RunId]) -> tuple[LeafEntry, ...]:
    entries = []
    for _ in range(count):
        bases, plain_length = _LEAF_HEAD.unpack_from(view, position)
        if bases > MOST_BASES or not 0 < plain_length <= CHUNK_LIMIT_BYTES:
            raise ObjectCorrupt(
                "a tree node is damaged", expected="at most 4 bases, 16 MiB", found=f"{bases}, {plain_length}"
            )
        position += _LEAF_HEAD.size
        chunks = []
        for _ in range(1 + bases):
            chunk, index, place, twin = _CHUNK.unpack_from(view, position)
            chunks.append(ChunkPlace(ChunkId(chunk), _run(runs, index), Place.decode(place), decode_twin(twin)))
            position += _CHUNK.size
        entries.append(LeafEntry(chunks[0], plain_length, tuple(chunks[1:])))
    _check_end(view, position)
    return tuple(entries)


def _decode_inners(view: memoryview, position: int, count: int, runs: Sequence[RunId]) -> tuple[InnerEntry, ...]:
    entries = []
    for _ in range(count):
        below, chunk, index, place, twin = _INNER.unpack_from(view, position)
        if not 0 < below <= STREAM_LIMIT_BYTES:
            raise ObjectCorrupt("a tree node is damaged", expected="at most 2^62 bytes below", found=f"{below}")
        entries.append(InnerEntry(below, ChunkId(chunk), _run(runs, index), Place.decode(place), decode_twin(twin)))
        position += _INNER.size
    _check_end(view, position)
    return tuple(entries)


def _run(runs: Sequence[RunId], index: int) -> RunId:
    if index >= len(runs):
        raise ObjectCorrupt("a tree node is damaged", expected=f"a run below {len(runs)}", found=f"{index}")
    return runs[index]


def _check_end(view: memoryview, position: int) -> None:
    if position != len(view):
        raise ObjectCorrupt("a tree node is damaged", expected=f"{position} bytes", found=f"{len(view)}")
