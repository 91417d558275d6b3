"""Second copies of run records and pack lists, which commits carry: looked for only when a first copy is no good."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

from drorch.errors import IntegrityError, StoreError
from drorch.format.trust import TrustChain
from drorch.ids import LaneId, RunId
from drorch.repository.chain import LinkState, read_good_part, read_link
from drorch.repository.opening import Replica
from drorch.repository.runs import SecondCopies
from drorch.storage.interface import ObjectStore


class LaneSpares:
    """The second copies of one lane, in any of its stores. Keeps where they are, not what they are. Safe to use from several threads."""

    def __init__(self, replicas: Sequence[Replica], trust: TrustChain, lane: LaneId) -> None:
        self._replicas = replicas
        self._trust = trust
        self._lane = lane
        self._lock = threading.Lock()
        self._places: dict[RunId, list[tuple[ObjectStore, int]]] | None = None

    def of(self, run: RunId) -> SecondCopies | None:
        """Return what a commit of ``run`` carries; ``None`` when there is none that is good."""
        with self._lock:
            if self._places is None:
                self._places = {}
                for found, place in self._committed():
                    self._places.setdefault(found, []).append(place)
            places = self._places.get(run, [])
        for store, sequence in places:
            with suppress(StoreError, IntegrityError):
                link = read_link(store, self._trust, self._lane, sequence)
                if link is not None and link.second_copies is not None:
                    return link.second_copies
        return None

    def _committed(self) -> Iterator[tuple[RunId, tuple[ObjectStore, int]]]:
        for replica in self._replicas:
            with suppress(StoreError):
                for link in read_good_part(replica.store, self._trust, self._lane).links:
                    if link.state is LinkState.COMMITTED:
                        yield link.manifest.run, (replica.store, link.sequence)
