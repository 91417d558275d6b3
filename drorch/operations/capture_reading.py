"""Read every stream of a capture into a run: several at once, the first failure stops the others."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from drorch.clock import Clock
from drorch.errors import Interrupted, Terminated
from drorch.operations.calm import Calm
from drorch.operations.interruption import Interruption
from drorch.operations.reading_ahead import read_ahead
from drorch.operations.schema_seen import SchemaTap
from drorch.repository.run_parts import StreamToStore
from drorch.repository.writer import RunWriter
from drorch.sources.interface import Bytes, Capture, Observer, StreamKind, StreamSpec

INTERRUPTED_PATIENCE_SECONDS = 1.0
LARGEST_KEPT = 20


def patience_after(error: BaseException) -> float | None:
    """Return how long threads are waited for: whoever interrupts a run is not kept by a store that does not answer."""
    ends = (KeyboardInterrupt, SystemExit, Interrupted, Terminated)
    return INTERRUPTED_PATIENCE_SECONDS if isinstance(error, ends) else None


@dataclass(slots=True)
class Counted:
    """Sums over the streams of a capture; guarded by the reader's lock."""

    bytes_read: int = 0
    rows: int = 0
    waiting_seconds: float = 0.0
    streams: int = 0
    largest: list[tuple[int, str, int | None]] = field(default_factory=list)  # a heap of size, name, rows

    def add(self, size_bytes: int, name: str, rows: int | None) -> None:
        """Count a whole stream; of fifty thousand only the largest are remembered."""
        self.rows += rows or 0
        self.streams += 1
        put = heapq.heappush if len(self.largest) < LARGEST_KEPT else heapq.heappushpop
        put(self.largest, (size_bytes, name, rows))


class CaptureReader:
    """Feeds the streams of one capture to the run, several at once, and tells the observer how far it is."""

    def __init__(
        self,
        capture: Capture,
        writer: RunWriter,
        observer: Observer,
        clock: Clock,
        *,
        rows_digest: bool,
        interruption: Interruption,
        calm: Calm,
        tap: SchemaTap | None,
    ) -> None:
        self._capture = capture
        self._tap = tap
        self._calm = calm
        self._writer = writer
        self._observer = observer
        self._clock = clock
        self._rows_digest = rows_digest
        self._interruption = interruption
        self._lock = threading.Lock()
        self._total = 0
        self._failure: BaseException | None = None
        self.counted = Counted()

    def store_all(self, streams: Sequence[StreamSpec]) -> None:
        """Store every stream, those that come last at the end; the first failure stops the others and is raised."""
        self._total = sum(stream.estimated_bytes for stream in streams)
        for ordinal, stream in enumerate(streams):
            if stream.is_carried:
                self._writer.carry(ordinal, stream.name)
        given = [ordinal for ordinal, stream in enumerate(streams) if not stream.is_carried]
        last = [ordinal for ordinal in given if streams[ordinal].comes_last]
        self._store_some(streams, [ordinal for ordinal in given if not streams[ordinal].comes_last])
        if last:
            self._writer.ship_streams()
            self._store_some(streams, last)

    def _store_some(self, streams: Sequence[StreamSpec], ordinals: Sequence[int]) -> None:
        """Store these streams, several at once."""
        # taken one by one from here, not a future for each: those of fifty thousand tables take a hundred megabytes
        waiting = deque(sorted(ordinals, key=lambda ordinal: (-_weight(streams[ordinal]), ordinal)))
        threads = min(max(1, self._capture.parallel), len(waiting))
        if not threads:
            return
        pool = ThreadPoolExecutor(threads, thread_name_prefix="stream")
        futures = [pool.submit(self._store_while_any, streams, waiting) for _ in range(threads)]
        try:
            with self._interruption.cuts(self._cut):
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            self._interruption.require_none()
            self._require_success(done)
        except BaseException as error:
            waiting.clear()
            patience = patience_after(error)
            self._calm.stop()
            self._writer.stop(patience)
            self._capture.abort()
            pool.shutdown(wait=False, cancel_futures=True)
            wait([future for future in futures if not future.cancelled()], timeout=patience)
            raise
        pool.shutdown()

    def _require_success(self, done: Iterable[Future[None]]) -> None:
        if self._failure is not None:  # the first: others may have failed because of it
            raise self._failure
        for future in done:
            future.result()

    def _cut(self) -> None:
        """End what the streams do, from another thread."""
        self._calm.stop()
        self._writer.stop(INTERRUPTED_PATIENCE_SECONDS)
        self._capture.abort()

    def _store_while_any(self, streams: Sequence[StreamSpec], waiting: deque[int]) -> None:
        while True:
            try:
                ordinal = waiting.popleft()
            except IndexError:
                return
            self._store(ordinal, streams[ordinal])

    def _store(self, ordinal: int, stream: StreamSpec) -> None:
        with self._capture.open(stream) as pieces:
            is_tapped = self._tap is not None and stream.kind is StreamKind.SCHEMA
            tapped = self._tap.watch(pieces) if self._tap is not None and is_tapped else pieces
            watched = self._watched(stream, tapped)
            if stream.kind is not StreamKind.TABLE:
                counts = self._writer.store(self._to_store(ordinal, stream), watched)
            else:
                with read_ahead(watched, self._capture.abort) as ahead, self._failure_noted():
                    counts = self._writer.store(self._to_store(ordinal, stream), ahead)
        with self._lock:
            self.counted.add(counts.size_bytes, stream.name, counts.rows)

    @contextmanager
    def _failure_noted(self) -> Iterator[None]:
        """Remember the first failure before anything is cut because of it."""
        try:
            yield
        except BaseException as error:
            with self._lock:
                self._failure = self._failure or error
            raise

    def _to_store(self, ordinal: int, stream: StreamSpec) -> StreamToStore:
        return StreamToStore(
            ordinal=ordinal,
            name=stream.name,
            kind=stream.kind.value,
            row_format=stream.row_format.value,
            canonical_columns=stream.canonical_columns,
            attributes=stream.attributes,
            estimated_bytes=stream.estimated_bytes,
            rows_digest=self._rows_digest,
            is_lasting=stream.is_lasting,
            in_small_chunks=stream.changes_here_and_there,
        )

    def _watched(self, stream: StreamSpec, pieces: Iterator[Bytes]) -> Iterator[Bytes]:
        """Yield the pieces; count them, and the time spent waiting for the source."""
        label = stream.name
        while True:
            self._calm.wait(self._show_pause)
            asked_at = self._clock.monotonic_seconds()
            piece = next(pieces, None)
            waited = self._clock.monotonic_seconds() - asked_at
            with self._lock:
                self.counted.waiting_seconds += waited
                if piece is None:
                    return
                self.counted.bytes_read += len(piece)
                done = self.counted.bytes_read
            self._observer.advance(label, done, max(done, self._total), "bytes")
            yield piece

    def _show_pause(self, reason: str) -> None:
        with self._lock:
            done = self.counted.bytes_read
        self._observer.advance(f"paused: {reason}", done, max(done, self._total), "bytes")


def _weight(stream: StreamSpec) -> int:
    """Big streams first, so that none of them runs alone at the end; small ones stay in order for their container."""
    return stream.estimated_bytes if stream.estimated_bytes >= 1_000_000 else 0
