"""Read what a lane stores: packs against their names, and with a private key every record, tree, need and stream digest."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from drorch.errors import (
    CaptureFailed,
    DrorchError,
    IntegrityError,
    KeyMissing,
    ObjectCorrupt,
    ObjectMissing,
    StoreError,
)
from drorch.format import names
from drorch.format.compression import CODEC_DELTA
from drorch.format.digests import StreamDigest
from drorch.format.entries import Entry
from drorch.format.index import IndexSegment
from drorch.format.keys import LaneKeys, RecipientKey
from drorch.format.manifest import Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, digest_of
from drorch.format.pack import parse_pack
from drorch.format.record import KIND_PADDING, RecordContext, decode_content, open_record
from drorch.format.row_lanes import digester_in_lanes
from drorch.format.tree import InnerEntry, LeafNode, Node, Place, Reference, decode_node
from drorch.ids import ChunkId, Digest, RunId
from drorch.repository.chain import ChainLink, read_link
from drorch.repository.chain_checker import LanePlace
from drorch.repository.copies import ALTERNATES, Copies
from drorch.repository.findings import Counts, Kind, Level, Progress
from drorch.repository.key_bundles import further_keys
from drorch.repository.needs import NeedsCollector
from drorch.repository.opening import Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.runs import RunDirectory, SecondCopies
from drorch.repository.scratch import RememberedLink

NODES_KEPT_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How deep to look: which share of the packs is read, and the keys to decode with.

    ``seed`` puts every object somewhere between 0 and 1; the share begins at 0, or where ``starts`` says for a store, and goes on behind 1 at 0.
    """

    read_data_percent: float = 0
    recipients: Sequence[RecipientKey] = ()
    seed: bytes = b""
    starts: Mapping[str, float] = field(default_factory=dict)

    def takes(self, identity: bytes, store: str) -> bool:
        """Say whether an object or stream is in the share that is read of a store."""
        drawn = int.from_bytes(hashlib.sha256(self.seed + identity).digest()[:6], "big") / 2**48
        return (drawn - self.starts.get(store, 0.0)) % 1.0 * 100 < self.read_data_percent


class DataChecker:
    """Reads one lane in one store, after ``LaneChecker`` has filled the scratch."""

    def __init__(self, place: LanePlace, depth: Depth, counts: Counts, progress: Progress) -> None:
        self._place = place
        self._depth = depth
        self._counts = counts
        self._progress = progress
        self._repository = Repository(trust=place.trust, replicas=(place.replica,))
        self._runs = self._directory() if depth.recipients else None
        self._nodes: OrderedDict[ChunkId, bytes] = OrderedDict()
        self._nodes_bytes = 0
        self._bad: dict[tuple[RunId, int], str] = {}
        self._streams_of_bad: dict[str, set[str]] = {}
        self._good_streams: set[bytes] = set()

    def check(self) -> None:
        """Read the share of packs; with a key decode them, walk every tree and read the share of streams."""
        self._bad |= {(run, ordinal): name for run, ordinal, name in self._place.scratch.bad_packs()}
        if self._depth.read_data_percent:
            self._read_packs()
        if self._runs is not None:
            if self._depth.read_data_percent:
                self._read_segments()
            for link in list(self._place.scratch.links()):
                if link.is_required:
                    self._check_snapshot(link)
            self._name_streams()

    def _takes(self, identity: bytes) -> bool:
        return self._depth.takes(identity, self._place.replica.name)

    def _directory(self) -> RunDirectory:
        place = self._place
        digests: dict[RunId, Digest] = {}
        for run in place.scratch.needed_runs():
            for link, digest, _ in place.scratch.needs_of(run):
                if link.is_required:
                    digests[run] = digest
        copies = Copies((place.replica,))

        def spare(run: RunId) -> SecondCopies | None:
            found = place.scratch.spare(run)
            return None if found is None else SecondCopies(run=run, run_record=found[0], pack_list=found[1])

        return RunDirectory(
            trust=place.trust,
            lane=place.lane,
            copies=copies,
            recipients=self._depth.recipients,
            pack_list_digests=digests,
            further=further_keys(self._repository, copies, place.lane),
            spares=spare,
        )

    # -- packs

    def _read_packs(self) -> None:
        done = 0
        for run, ordinal, digest, size in self._place.scratch.packs():
            if not self._takes(digest.raw):
                continue
            name = names.pack(self._place.lane, digest)
            try:
                self._read_pack(run, name, digest)
            except (StoreError, IntegrityError) as error:
                if self._has_good_alternate(run, name, digest):
                    text = "the pack is no good; a good copy lies beside it"
                    self._place.report(Kind.ALTERED, name, text, level=Level.NOTE)
                else:
                    self._bad[run, ordinal] = name
                    self._place.report_error(name, "the pack is no good", error, self._links_of(run, ordinal))
            done += size
            self._counts.packs_read += 1
            self._counts.bytes_read += size
            self._progress(f"packs in {self._place.replica.name}", done, None, "bytes")

    def _has_good_alternate(self, run: RunId, name: str, digest: Digest) -> bool:
        for k in range(1, ALTERNATES + 1):
            with suppress(StoreError, IntegrityError):
                self._read_pack(run, names.alternate(name, k), digest)
                return True
        return False

    def _read_pack(self, run: RunId, name: str, digest: Digest) -> None:
        raw = self._place.replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
        found = digest_of(raw)
        if found != digest:
            raise ObjectCorrupt("its bytes are not those of its name", expected=str(digest)[:16], found=str(found)[:16])
        if self._runs is None:
            return
        try:
            opened = self._runs.opened(run)
        except KeyMissing:
            return  # said once for every snapshot
        header, records = parse_pack(raw)
        if (header.repository, header.lane, header.run) != (self._place.trust.repository, self._place.lane, run):
            raise ObjectCorrupt("it belongs to another run", expected=run.short, found=header.run.short)
        view = memoryview(raw)
        for offset, length in records:
            record, content = open_record(opened.keys.run_key, opened.context, view[offset : offset + length])
            if record.kind != KIND_PADDING and record.codec != CODEC_DELTA:  # deltas are decoded along the trees
                decode_content(record, content, None, opened.lane_keys.chunk_id_key)

    def _links_of(self, run: RunId, ordinal: int) -> list[RememberedLink]:
        return [
            link
            for link, _, bitmap in self._place.scratch.needs_of(run)
            if link.is_required and ordinal // 8 < len(bitmap) and bitmap[ordinal // 8] & 0x80 >> ordinal % 8
        ]

    # -- index segments

    def _read_segments(self) -> None:
        """Open the writer's index segments: nothing is lost with them, but the next backup stores again what they held."""
        place = self._place
        for name, _ in list(place.scratch.names(names.index_prefix(place.lane))):
            if names.is_index_segment(name) and self._takes(name.encode()):
                run, number = names.parse_index_segment(name)
                if place.scratch.link_of(run) is not None:
                    self._read_segment(name, run, number)

    def _read_segment(self, name: str, run: RunId, number: int) -> None:
        assert self._runs is not None
        place = self._place
        context = RecordContext(place.trust.repository, place.lane, run)
        try:
            lane_keys = LaneKeys.derive(self._runs.keys(run).lane_secret)
            raw = place.replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
            IndexSegment.open(lane_keys.index_key, raw, context=context, number=number)
        except KeyMissing:
            return
        except (StoreError, IntegrityError) as error:
            place.report(Kind.INDEX, name, f"the index is no good: {error.message}", level=Level.NOTE)

    # -- snapshots

    def _check_snapshot(self, link: RememberedLink) -> None:
        place = self._place
        name = names.manifest(place.lane, link.sequence)
        try:
            chain_link = read_link(place.replica.store, place.trust, place.lane, link.sequence)
            if chain_link is None:
                raise ObjectMissing(f"{name} has gone while it was being checked")
            with closing(SnapshotReader(self._repository, chain_link, self._depth.recipients)) as reader:
                self._check_opened(link, chain_link, reader)
        except KeyMissing as error:
            place.report(Kind.UNREADABLE, name, f"not decoded: {error.message}", level=Level.NOTE, links=[link])
        except (StoreError, IntegrityError) as error:
            place.report_error(name, "the snapshot cannot be read whole", error, [link])

    def _check_opened(self, link: RememberedLink, chain_link: ChainLink, reader: SnapshotReader) -> None:
        needs, is_whole = NeedsCollector(), True
        for reference in (reader.body.entries, *reader.body.containers):
            if reference is not None:
                self._note_bad("", self._visit(reader, reference, needs))
        for entry in reader.entries():
            is_whole = self._check_stream(link, reader, entry, needs) and is_whole
            self._progress(f"streams of {link.run.short}", self._counts.streams_read, None, "streams")
        if is_whole:
            self._compare_needs(link, chain_link.manifest, needs)

    def _check_stream(self, link: RememberedLink, reader: SnapshotReader, entry: Entry, needs: NeedsCollector) -> bool:
        """Walk the stream's tree, and read it through when it is in the share; say whether its tree could be walked."""
        name = names.manifest(self._place.lane, link.sequence)
        try:
            if entry.tree is not None:
                self._note_bad(entry.name, self._visit(reader, entry.tree, needs))
        except (StoreError, IntegrityError) as error:
            self._report_stream(name, link, entry, error)
            return False
        identity = entry.bytes_digest + (b"" if entry.tree is None else entry.tree.chunk_id.raw)
        if self._takes(identity) and identity not in self._good_streams:
            try:
                self._read_stream(reader, entry)
            except (StoreError, IntegrityError, CaptureFailed) as error:
                self._report_stream(name, link, entry, error)
            else:
                self._good_streams.add(identity)
        return True

    def _read_stream(self, reader: SnapshotReader, entry: Entry) -> None:
        rows_key = None if entry.buckets is None else reader.lane_keys.rows_key  # `rows_digest: never` took none
        lanes = digester_in_lanes(entry.row_format, entry.canonical_columns, rows_key)
        digest = StreamDigest(entry.row_format, entry.canonical_columns, rows_key, lanes)
        for piece in reader.stream(entry):
            digest.feed(piece)
        counts = digest.finish()
        self._counts.streams_read += 1
        found = (counts.size_bytes, counts.bytes_digest, counts.rows, counts.buckets)
        if entry.rows is None:
            found = (*found[:2], None, None)
        if found != (
            entry.size_bytes,
            entry.bytes_digest,
            entry.rows,
            entry.buckets if entry.rows is not None else None,
        ):
            raise ObjectCorrupt(
                "it is not what was captured",
                expected=f"{entry.size_bytes} bytes, {entry.rows} rows, {entry.bytes_digest.hex()[:16]}",
                found=f"{counts.size_bytes} bytes, {counts.rows} rows, {counts.bytes_digest.hex()[:16]}",
            )

    def _report_stream(self, name: str, link: RememberedLink, entry: Entry, error: DrorchError) -> None:
        place = self._place
        kind = Kind.MISSING if isinstance(error, StoreError) else Kind.ALTERED
        place.report(kind, name, f"{entry.name} cannot be read: {error.message}", links=[link], streams=[entry.name])

    def _compare_needs(self, link: RememberedLink, manifest: Manifest, needs: NeedsCollector) -> None:
        """The public list of needed packs decides what is kept; only the trees tell whether it is true."""
        stated = {need.run: need.bitmap.rstrip(b"\0") for need in manifest.needs}
        counted = {run: bitmap.rstrip(b"\0") for run, bitmap in needs.bitmaps().items()}
        if {run: bits for run, bits in stated.items() if bits} != counted:
            text = "the packs that the manifest says it needs are not those that its trees use"
            self._place.report(Kind.DIFFERS, manifest.name, text, links=[link])

    # -- trees

    def _visit(self, reader: SnapshotReader, reference: Reference, needs: NeedsCollector) -> set[tuple[RunId, int]]:
        """Walk a whole tree; return the packs that it uses."""
        top = InnerEntry(reference.plain_bytes, reference.chunk_id, reference.run, reference.place, reference.twin)
        used: set[tuple[RunId, int]] = set()
        for run, place in self._places(reader, top, reference.level, set()):
            if (run, place.ordinal) not in used:
                used.add((run, place.ordinal))
                needs.add(run, place)
        return used

    def _places(
        self, reader: SnapshotReader, child: InnerEntry, level: int, visited: set[InnerEntry]
    ) -> Iterator[tuple[RunId, Place]]:
        """Yield every place below; what a tree names twice is visited once, or a forged one of nine nodes would keep us for ever."""
        if child in visited:
            return
        visited.add(child)
        yield child.run, child.place
        if child.twin is not None:
            yield child.run, child.twin
        node = self._node(
            lambda: reader.fetcher.node(child.run, child.place, child.twin, child.chunk_id), child.chunk_id
        )
        below = sum(entry.plain_bytes for entry in node.entries)
        if (node.level, below) != (level, child.plain_bytes):
            raise ObjectCorrupt(
                "a tree node is not what its parent says", expected=f"level {level}", found=str(node.level)
            )
        if isinstance(node, LeafNode):
            for entry in node.entries:
                for chunk in (entry.chunk, *entry.bases):
                    yield chunk.run, chunk.place
                    if chunk.twin is not None:
                        yield chunk.run, chunk.twin
            return
        for inner in node.entries:
            yield from self._places(reader, inner, level - 1, visited)

    def _node(self, fetch: Callable[[], bytes], identity: ChunkId) -> Node:
        plain = self._nodes.get(identity)
        if plain is None:
            plain = self._nodes[identity] = fetch()
            self._nodes_bytes += len(plain)
            while self._nodes_bytes > NODES_KEPT_BYTES:
                self._nodes_bytes -= len(self._nodes.popitem(last=False)[1])
        return decode_node(plain)

    # -- which streams a damaged pack touches

    def _note_bad(self, stream: str, used: set[tuple[RunId, int]]) -> None:
        for place in used & self._bad.keys():
            self._streams_of_bad.setdefault(self._bad[place], set()).add(stream or "(the list of streams)")

    def _name_streams(self) -> None:
        kept = self._place.findings.kept
        for position, finding in enumerate(kept):
            streams = self._streams_of_bad.get(finding.name)
            if streams and finding.store == self._place.replica.name:
                kept[position] = replace(finding, streams=tuple(sorted(streams)))
