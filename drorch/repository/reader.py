"""Open one snapshot with a private key and read its streams back, verified."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from drorch.errors import ObjectCorrupt
from drorch.format.entries import Entry, parse_entries
from drorch.format.keys import LaneKeys, RecipientKey
from drorch.format.manifest import SealedBody
from drorch.format.record import RecordContext
from drorch.format.tree import LeafEntry, Reference
from drorch.repository.chain import ChainLink
from drorch.repository.copies import Copies, Fault
from drorch.repository.fetching import LaneFetcher
from drorch.repository.key_bundles import further_keys
from drorch.repository.opening import Repository
from drorch.repository.runs import RunDirectory
from drorch.repository.spares import LaneSpares
from drorch.repository.walking import leaf_entries, plain_chunks, plain_range

CHUNKS_KEPT = 4


class ContainerReader:
    """Random access to a container stream, for the small streams that lie in it. Safe to use from several threads."""

    def __init__(self, fetcher: LaneFetcher, reference: Reference) -> None:
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._entries: list[LeafEntry] = list(leaf_entries(fetcher, reference))
        self._starts: list[int] = []
        position = 0
        for entry in self._entries:
            self._starts.append(position)
            position += entry.plain_length
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; raise ``ObjectCorrupt`` when the container is shorter."""
        parts: list[bytes] = []
        position, wanted = max(0, bisect.bisect_right(self._starts, offset) - 1), length
        begin = offset - self._starts[position] if self._starts else 0
        while wanted and position < len(self._entries):
            part = self._chunk(position)[begin : begin + wanted]
            parts.append(part)
            wanted -= len(part)
            position, begin = position + 1, 0
        if wanted:
            raise ObjectCorrupt("a small stream reaches past its container", found=f"{wanted} bytes are missing")
        return b"".join(parts)

    def _chunk(self, position: int) -> bytes:
        with self._lock:
            kept = self._kept.get(position)
            if kept is None:
                kept = self._kept[position] = self._fetcher.chunk(self._entries[position])
                while len(self._kept) > CHUNKS_KEPT:
                    self._kept.popitem(last=False)
            return kept


class SnapshotReader:
    """One snapshot, opened. Streams may be read from several threads; ``close`` ends the read-ahead."""

    def __init__(
        self,
        repository: Repository,
        link: ChainLink,
        recipients: Sequence[RecipientKey],
        *,
        threads: int = 2,
        stores: Collection[str] = (),
    ) -> None:
        """Open the sealed body; raises ``KeyMissing``, ``ObjectMissing``, ``SignatureInvalid`` or ``ObjectCorrupt``.

        ``stores`` are those that have the snapshot: they are asked before the others.
        """
        self.link = link
        self._copies = Copies(tuple(sorted(repository.replicas, key=lambda replica: replica.name not in stores)))
        self._runs = RunDirectory(
            trust=repository.trust,
            lane=link.lane,
            copies=self._copies,
            recipients=recipients,
            pack_list_digests={need.run: need.pack_list_digest for need in link.manifest.needs},
            further=further_keys(repository, self._copies, link.lane),
            spares=LaneSpares(repository.replicas, repository.trust, link.lane).of,
        )
        keys = self._runs.keys(link.manifest.run)
        self.lane_keys = LaneKeys.derive(keys.lane_secret)
        context = RecordContext(repository.trust.repository, link.lane, link.manifest.run)
        self.body = SealedBody.open(keys.run_key, context, link.manifest.sealed_body)
        self.fetcher = LaneFetcher(link.lane, self._copies, self._runs)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")
        self._containers: dict[int, ContainerReader] = {}
        self._lock = threading.Lock()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Copies that could not be used while reading."""
        return self._copies.faults

    def entries(self) -> Iterator[Entry]:
        """Yield every entry of the snapshot, in the order of the streams' ordinals."""
        if self.body.entries is not None:
            yield from parse_entries(plain_chunks(self.fetcher, self.body.entries, self._pool))

    def stream(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of one stream in order; each piece was verified. The whole-stream digest is the caller's to check."""
        if entry.tree is not None:
            yield from plain_chunks(self.fetcher, entry.tree, self._pool)
        elif entry.contained is not None:
            yield self._container(entry.contained.container).read(entry.contained.offset, entry.size_bytes)

    def stream_range(self, entry: Entry, offset: int, length: int) -> Iterator[bytes]:
        """Yield ``length`` bytes of one stream from ``offset`` on, each piece verified; raises ``ObjectCorrupt`` when it is shorter."""
        if entry.tree is not None:
            yield from plain_range(self.fetcher, entry.tree, offset, length, self._pool)
            return
        whole = b"".join(self.stream(entry))
        if offset + length > len(whole):
            raise ObjectCorrupt("a place lies outside of its stream", found=f"{length} bytes from byte {offset}")
        yield whole[offset : offset + length]

    def close(self) -> None:
        """Stop reading ahead. A read that is on its way ends by itself: a store that does not answer holds nobody up."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _container(self, index: int) -> ContainerReader:
        with self._lock:
            found = self._containers.get(index)
            if found is None:
                if index >= len(self.body.containers):
                    raise ObjectCorrupt("an entry names a container that the manifest does not list", found=str(index))
                found = self._containers[index] = ContainerReader(self.fetcher, self.body.containers[index])
            return found
