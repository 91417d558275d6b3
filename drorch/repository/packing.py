"""Fill packs with sealed records and ship them to every store, a few at a time.

Each thread that stores streams has a ``PackLine`` of its own, so that neighbours in a stream are neighbours in a pack and a
restore reads long runs. The ``Shipper`` numbers packs, uploads them in the background, and keeps at most
``uploads + 1`` finished packs in memory: when the stores are slow, the lines wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import ClassVar

from drorch.errors import Interrupted
from drorch.format import names
from drorch.format.index import IndexEntry, IndexPack
from drorch.format.objects import digest_of
from drorch.format.pack import PackBuilder
from drorch.format.tree import Place
from drorch.ids import LaneId, RepositoryId, RunId
from drorch.repository.busy import BusyTimes, Stage
from drorch.repository.replicas import Replicas
from drorch.storage.interface import Bytes

PACK_TARGET_BYTES = 16 * 2**20
PACK_MOST_RECORDS = 65_000
UPLOADS = 2
LOOK_SECONDS = 0.2  # how often a line that waits for room looks whether the run was stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class PackIdentity:
    """What stands in front of every pack of a run."""

    repository: RepositoryId
    lane: LaneId
    run: RunId
    run_record: bytes

    def builder(self, copy: int) -> PackBuilder:
        """Return an empty pack; ``copy`` is 1 for packs of twins."""
        return PackBuilder(self.repository, self.lane, self.run, self.run_record, copy)


@dataclass(slots=True)
class ShippedPack:
    """A pack that every store in use has acknowledged, with the chunks that it holds."""

    pack: IndexPack
    entries: tuple[IndexEntry, ...]


@dataclass(slots=True)
class ShipperTotals:
    """What was uploaded; ``bytes`` and ``packs`` count each pack once, however many stores took it."""

    packs: int = 0
    bytes: int = 0


class Shipper:
    """Numbers and uploads the packs of one run."""

    def __init__(
        self,
        identity: PackIdentity,
        replicas: Replicas,
        *,
        on_shipped: Callable[[ShippedPack], None],
        busy: BusyTimes,
        make_padding: Callable[[int], Bytes],
    ) -> None:
        self._identity = identity
        self._replicas = replicas
        self._on_shipped = on_shipped
        self._busy = busy
        self._make_padding = make_padding
        self._pool = ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload")
        self._room = threading.Semaphore(UPLOADS + 1)
        self._lock = threading.Lock()
        self._next_ordinal = 0
        self._futures: list[Future[None]] = []
        self._failure: BaseException | None = None
        self._stopped = False
        self.totals = ShipperTotals()

    @property
    def identity(self) -> PackIdentity:
        """What stands in front of every pack."""
        return self._identity

    @property
    def has_failed(self) -> bool:
        """Whether an upload failed."""
        with self._lock:
            return self._first_failure() is not None

    def next_ordinal(self) -> int:
        """Reserve the number of a pack that is being filled."""
        with self._lock:
            ordinal = self._next_ordinal
            self._next_ordinal += 1
            return ordinal

    def ship(self, ordinal: int, builder: PackBuilder, entries: tuple[IndexEntry, ...]) -> None:
        """Upload a full pack in the background; waits while too many are on their way, raises what an earlier one raised."""
        with self._busy.at(Stage.AWAIT_ROOM):
            self._await_room()
        try:
            with self._lock:
                self._raise_when_over()
                self._futures.append(self._pool.submit(self._upload, ordinal, builder, entries))
        except BaseException:
            self._room.release()
            raise

    @property
    def is_behind(self) -> bool:
        """Whether as many packs are on their way as may be: the network is slower than what comes before it."""
        if self._room.acquire(blocking=False):
            self._room.release()
            return False
        return True

    def _await_room(self) -> None:
        while not self._room.acquire(timeout=LOOK_SECONDS):
            with self._lock:
                self._raise_when_over()

    def finish(self) -> None:
        """Wait until every pack is acknowledged; raise what an upload raised."""
        self._pool.shutdown(wait=True)
        with self._lock:
            self._raise_first_failure()

    def stop(self) -> None:
        """Give up: nothing new is uploaded, and whoever waits for room hears of it."""
        with self._lock:
            self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wait(self, patience_seconds: float | None = None) -> bool:
        """Wait for uploads that are on their way, at most so long; return whether all have ended."""
        with self._lock:
            under_way = [future for future in self._futures if not future.cancelled()]
        return not wait(under_way, timeout=patience_seconds).not_done

    def _raise_when_over(self) -> None:
        self._raise_first_failure()
        if self._stopped:
            raise Interrupted("the run was stopped")

    def _raise_first_failure(self) -> None:
        """Raise what the first failed upload raised, every time: a run with a pack that is lost must not go on."""
        failure = self._first_failure()
        if failure is not None:
            raise failure

    def _first_failure(self) -> BaseException | None:
        done = [future for future in self._futures if future.done() and not future.cancelled()]
        self._futures = [future for future in self._futures if not future.done()]
        failures = (failure for future in done if (failure := future.exception()) is not None)
        self._failure = self._failure or next(failures, None)
        return self._failure

    def _upload(self, ordinal: int, builder: PackBuilder, entries: tuple[IndexEntry, ...]) -> None:
        try:
            content = builder.finish(self._make_padding)
            digest = digest_of(content)
            with self._busy.at(Stage.UPLOAD):
                self._replicas.put_pack(names.pack(self._identity.lane, digest), content)
            with self._lock:
                self.totals.packs += 1
                self.totals.bytes += len(content)
            pack = IndexPack(ordinal=ordinal, digest=digest, size_bytes=len(content))
            self._on_shipped(ShippedPack(pack, entries))
        finally:
            self._room.release()


@dataclass(slots=True)
class PackLine:
    """The pack that one thread is filling; not shared between threads.

    Of twins two are filled at a time and are on their way together: each is of half the size, so that both have the room of one.
    """

    copies: ClassVar[int] = 1
    shipper: Shipper
    copy: int = 0
    is_twin: bool = False
    _builder: PackBuilder | None = None
    _ordinal: int = -1
    _entries: list[IndexEntry] = field(default_factory=list)

    def place(self, record: Bytes) -> Place:
        """Add a sealed record and return where it lies; the caller then says what it is by ``describe``."""
        if self._builder is None:
            self._ordinal = self.shipper.next_ordinal()
            self._builder = self.shipper.identity.builder(self.copy)
        offset = self._builder.add(record)
        return Place(ordinal=self._ordinal, offset=offset, length=len(record))

    def keep(self, records: Sequence[Bytes], entry_at: Callable[[Place, Place | None], IndexEntry]) -> IndexEntry:
        """Place the one record of a chunk, and note for the index what it is."""
        (record,) = records
        entry = entry_at(self.place(record), None)
        self.describe(entry)
        return entry

    def describe(self, entry: IndexEntry) -> None:
        """Note what the last placed record holds, for the index; ships the pack when it is full."""
        self._entries.append(entry)
        self.ship_when_full()

    def ship_when_full(self) -> None:
        """Ship the pack when it has reached its size."""
        builder = self._builder
        target_bytes = PACK_TARGET_BYTES // 2 if self.is_twin else PACK_TARGET_BYTES
        if builder is not None and (builder.size >= target_bytes or builder.count >= PACK_MOST_RECORDS):
            self.flush()

    def flush(self) -> None:
        """Ship what has been placed, full or not."""
        if self._builder is not None:
            builder, entries = self._builder, tuple(self._entries)
            self._builder = None
            self._entries.clear()
            self.shipper.ship(self._ordinal, builder, entries)
