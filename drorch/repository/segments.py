"""Say in index segments what a run has stored, while it goes on: a run that dies leaves its packs to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from drorch.errors import DrorchError
from drorch.format import names
from drorch.format.index import IndexSegment
from drorch.repository.packing import ShippedPack
from drorch.repository.run_material import RunMaterial
from drorch.repository.sealing import SALT_BYTES

SEGMENT_PACKS = 64
SEGMENT_SECONDS = 60.0


class SegmentWriter:
    """Collects packs that are acknowledged. Safe to use from several threads; ``count`` and ``bytes`` say what was put."""

    def __init__(
        self, material: RunMaterial, *, monotonic_seconds: Callable[[], float], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._material = material
        self._monotonic_seconds = monotonic_seconds
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._waiting: list[ShippedPack] = []
        self._last_at = monotonic_seconds()
        self.count = 0
        self.bytes = 0

    def add(self, shipped: ShippedPack) -> None:
        """Take a pack, and put a segment when one is due."""
        with self._lock:
            self._waiting.append(shipped)
        self.put(last=False)

    def put(self, *, last: bool) -> None:
        """Put a segment of what waits, when that is enough or this is the ``last``."""
        now = self._monotonic_seconds()
        with self._lock:
            due = len(self._waiting) >= SEGMENT_PACKS or now - self._last_at >= SEGMENT_SECONDS or last
            if not due or not self._waiting:
                return
            taken, self._waiting = self._waiting, []
            number, self.count, self._last_at = self.count, self.count + 1, now
        material = self._material
        segment = IndexSegment(
            context=material.context,
            number=number,
            packs=tuple(shipped.pack for shipped in taken),
            entries=tuple(entry for shipped in taken for entry in shipped.entries),
        )
        name = names.index_segment(material.lane.lane, material.run, number)
        raw = segment.seal(material.lane_keys.index_key, self._random_bytes(SALT_BYTES))
        material.replicas.put_once(name, raw)
        with self._lock:
            self.bytes += len(raw)
        material.index.add_own_run(material.run, [(name, segment)])

    def leave_rest(self, patience_seconds: float | None) -> None:
        """Put what waits for the sake of the next run, within that time; only saves work, so a store that fails may."""

        def leave() -> None:
            with suppress(DrorchError):
                self.put(last=True)

        leaving = threading.Thread(target=leave, name="leave", daemon=True)
        leaving.start()
        leaving.join(patience_seconds)
