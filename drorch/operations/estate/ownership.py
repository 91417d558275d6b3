"""Whose a source is: the writer that first used it, until it is adopted. Two writers must never feed one lane.

What tells another writer: the catalog says another machine; the lane holds snapshots that this catalog knows nothing of (a copy of
the configuration on another machine); or another writer's lane in the stores holds snapshots of the source.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from drorch.catalog.interface import Catalog, SnapshotRecord, SourceRecord, SourceState
from drorch.errors import IntegrityError, NothingDone, SourceForeign, StoreError
from drorch.format import names
from drorch.format.keys import HostKey, lane_for
from drorch.ids import KeyId, LaneId
from drorch.quantities import counted
from drorch.repository.beginning import RunPlace
from drorch.repository.chain import read_link
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Repository

_PREFIX_BYTES = 6  # of the writer's key id, with which its lanes begin; FORMAT.md section 4
_MOST_GENERATIONS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the catalog knows of a source, and the lane that its next run adds to."""

    known: SourceRecord | None
    place: RunPlace


class Ownership:
    """Answers for one repository and one host. Safe to use from several threads."""

    def __init__(self, *, repository: Repository, host_key: HostKey, catalog: Catalog, machine_id: str) -> None:
        self._repository = repository
        self._key_id = host_key.signing_key().key_id
        self._lane_master = host_key.lane_master
        self._catalog = catalog
        self._machine_id = machine_id
        self._lock = threading.Lock()
        self._others: Mapping[str, LaneId] | None = None

    def require_ours(self, address: str, *, was: str | None = None) -> Standing:
        """Return where ``address`` stands; raise ``SourceForeign`` when it is another writer's, ``NothingDone`` when it is closed.

        ``was`` is the name that it had before: its lane goes on.
        """
        known = self._catalog.source(address)
        if known is None and was is not None and self._catalog.source(was) is not None:
            self._catalog.rename_source(address, was)
            known = self._catalog.source(address)
        if known is not None:
            _require_open(known)
            self._require_this_machine(known)
            self._require_current_name(known)
        return Standing(known=known, place=self._place(address, 0 if known is None else known.generation))

    def require_unused(self, standing: Standing, address: str, *, sequence: int) -> None:
        """Raise ``SourceForeign`` when a source that the catalog does not know has snapshots of somebody; ``sequence`` is its lane's last."""
        if standing.known is not None:
            return
        if sequence:
            raise SourceForeign(
                f"{address} has {counted(sequence, 'snapshot')} by this host's key that this catalog does not know",
                expected="a source that is new, or one that the catalog knows",
                found="a copy of another machine's configuration and key, or a catalog that was lost",
                hint="if the catalog was lost: `drorch catalog rebuild`; if another machine has this key and must stop"
                f" feeding the source: `drorch source adopt {address} --reason TEXT`",
            )
        lane = self.other_writers().get(address)
        if lane is not None:
            raise SourceForeign(
                f"{address} belongs to another writer",
                expected="a source that no other writer of the repository feeds",
                found=f"snapshots by {self._writer_of(lane)}, lane {str(lane)[:12]}",
                hint=f"a test copy must not feed production; to take it over: `drorch source adopt {address} --reason TEXT`",
            )

    def next_place(self, address: str) -> RunPlace:
        """Return a lane of this writer for ``address`` that nobody has used; raise ``NothingDone`` when there is none."""
        known = self._catalog.source(address)
        first = 0 if known is None else known.generation + 1
        for generation in range(first, first + _MOST_GENERATIONS):
            place = self._place(address, generation)
            if self._is_unused(self.lane(place)):
                return place
        raise NothingDone(f"{address} has had too many lanes", found=f"{_MOST_GENERATIONS} that are used")

    def lane(self, place: RunPlace) -> LaneId:
        """Return the lane of a place."""
        return lane_for(self._key_id, self._lane_master, place.source, place.generation)[0]

    def other_writers(self) -> Mapping[str, LaneId]:
        """Return the sources that other writers feed, by address; asked once: what the catalog does not know is read from the stores."""
        with self._lock:
            if self._others is None:
                self._others = self._ask_stores()
            return self._others

    def _ask_stores(self) -> Mapping[str, LaneId]:
        others = [lane for lane in list_lanes(self._repository) if lane.raw[:_PREFIX_BYTES] != self._prefix]
        if not others:
            return {}
        known = {record.lane: record.source for record in self._catalog.snapshots()}
        found: dict[str, LaneId] = {}
        for lane in others:
            source = known.get(str(lane)) or self._first_source(lane)
            if source is not None:
                found[source] = lane
        return found

    def _first_source(self, lane: LaneId) -> str | None:
        for replica in self._repository.replicas:
            with suppress(StoreError, IntegrityError):
                link = read_link(replica.store, self._repository.trust, lane, 1)
                if link is not None:
                    return link.manifest.source
        return None

    def _place(self, address: str, generation: int) -> RunPlace:
        return RunPlace(source=self._catalog.former_names().get(address, address), generation=generation)

    def _is_unused(self, lane: LaneId) -> bool:
        prefix = names.lane_prefix(lane)
        return not any(True for replica in self._repository.replicas for _ in replica.store.list_objects(prefix))

    def _require_current_name(self, known: SourceRecord) -> None:
        """Refuse a name that was given up: its lane goes on under another."""
        heirs = {was: address for address, was in self._catalog.former_names().items()}
        if known.state is SourceState.RETIRED and known.address in heirs:
            raise SourceForeign(
                f"{known.address} goes on as {heirs[known.address]}",
                expected="a name that no other source took its snapshots over from",
                found=f"`was: {known.address}` in the policy of {heirs[known.address]}",
                hint="give the new source a name of its own",
            )

    def remember_own(self, snapshots: Iterable[SnapshotRecord], now: datetime) -> int:
        """Record the sources of this writer that the catalog does not know, as their lanes tell them; return how many.

        For a catalog that was lost: the machine that makes it again is the one that they belong to.
        """
        by_lane: dict[str, list[SnapshotRecord]] = {}
        for snapshot in snapshots:
            if LaneId.parse(snapshot.lane).raw[:_PREFIX_BYTES] == self._prefix:
                by_lane.setdefault(snapshot.lane, []).append(snapshot)
        found: dict[str, tuple[int, SnapshotRecord]] = {}
        for lane, listed in by_lane.items():
            first, last = (choose(listed, key=lambda one: one.sequence) for choose in (min, max))
            generation = self._generation_of(first.source, lane)
            if generation is not None and found.get(last.source, (-1,))[0] < generation:
                found[last.source] = generation, first
        missing = [(address, *one) for address, one in found.items() if self._catalog.source(address) is None]
        for address, generation, first in missing:
            self._remember(address, generation, first, now)
        return len(missing)

    def _generation_of(self, source: str, lane: str) -> int | None:
        places = (RunPlace(source=source, generation=generation) for generation in range(_MOST_GENERATIONS))
        return next((place.generation for place in places if str(self.lane(place)) == lane), None)

    def _remember(self, address: str, generation: int, first: SnapshotRecord, now: datetime) -> None:
        record = SourceRecord(
            address=first.source,
            policy=first.policy,
            lane=first.lane,
            generation=generation,
            machine_id=self._machine_id,
            first_used_at=first.started_at,
            state=SourceState.ACTIVE,
            last_seen_at=now,
        )
        if self._catalog.source(first.source) is None:
            self._catalog.put_source(record)
        if address != first.source:
            self._catalog.rename_source(address, first.source)

    @property
    def _prefix(self) -> bytes:
        return self._key_id.raw[:_PREFIX_BYTES]

    def _require_this_machine(self, known: SourceRecord) -> None:
        if known.machine_id != self._machine_id:
            raise SourceForeign(
                f"{known.address} belongs to another machine",
                expected=f"the machine that backed it up so far, {known.machine_id[:8] or 'unknown'}",
                found=f"this machine, {self._machine_id[:8] or 'unknown'}",
                hint="a copy of a machine or of its configuration must not feed the same lane; if this machine takes the"
                f" source over for good: `drorch source adopt {known.address} --reason TEXT`",
            )

    def _writer_of(self, lane: LaneId) -> str:
        for signer in self._repository.trust.signers:
            key_id: KeyId = signer.public.key_id
            if key_id.raw[:_PREFIX_BYTES] == lane.raw[:_PREFIX_BYTES]:
                return signer.label or f"key {str(key_id)[:12]}"
        return "a writer that is no longer listed"


def _require_open(known: SourceRecord) -> None:
    if known.state is SourceState.CLOSED:
        raise NothingDone(
            f"{known.address} is closed",
            expected="a source that is open",
            found="its final snapshot was taken, and is held",
            hint=f"`drorch source reopen {known.address} --reason TEXT` opens it again",
        )
