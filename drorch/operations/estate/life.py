"""The life of a source beyond its backups: taken over by another machine, retired when it is gone, closed, opened again.

Every change is an event in the catalog with its reason; nothing is deleted by any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from drorch.catalog.interface import Catalog, EventRecord, SeenDatabase, Severity, SourceRecord, SourceState
from drorch.errors import NothingDone, PolicyUnknown
from drorch.operations.estate.ownership import Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A source as policies, servers and the catalog know it; ``is_named`` says whether a policy of today means it."""

    address: str
    policy: str
    is_named: bool
    record: SourceRecord | None
    seen: SeenDatabase | None

    @property
    def is_gone(self) -> bool:
        """Whether a server had it once and has it no longer."""
        return self.seen is not None and self.seen.gone_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to one source; ``details`` are for whoever reads the event later."""

    address: str
    before: str
    after: str
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class SourceLife:
    """Changes the states of sources; for one host and one repository."""

    def __init__(self, *, catalog: Catalog, ownership: Ownership, machine_id: str, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._ownership = ownership
        self._machine_id = machine_id
        self._now = now

    def retire(self, subject: Subject, *, reason: str) -> Change:
        """State that a source is no more: it leaves ``status``, and its snapshots follow retention again.

        Only for what is gone from its server or what no policy names any more; raises ``NothingDone`` for others.
        """
        state = _state(subject)
        if state in (SourceState.RETIRED, SourceState.CLOSED):
            raise NothingDone(f"{subject.address} is {state.value} already")
        if subject.is_named and not subject.is_gone:
            raise NothingDone(
                f"{subject.address} is there and a policy protects it",
                expected="a source that is gone from its server, or that no policy names",
                found="one that is backed up" if subject.record is not None else "one that is to be backed up",
                hint="take it out of its policy first (`except:`, or its line of the list); `drorch source close` ends a"
                " source that is kept",
            )
        return self._put(subject, SourceState.RETIRED, "source-retired", reason, {})

    def reopen(self, subject: Subject, *, reason: str) -> Change:
        """Have a closed or retired source backed up again; raises ``NothingDone`` for others."""
        state = _state(subject)
        if state not in (SourceState.CLOSED, SourceState.RETIRED):
            raise NothingDone(f"{subject.address} is open", found=state.value)
        return self._put(subject, SourceState.ACTIVE, "source-reopened", reason, {})

    def adopt(self, subject: Subject, *, reason: str) -> Change:
        """Make a source this machine's, from its next run on, in a lane that nobody has used.

        What was stored before stays, and stays restorable. Raises ``NothingDone`` when the source is this machine's already.
        """
        address, known = subject.address, subject.record
        if known is not None and known.machine_id == self._machine_id:
            raise NothingDone(f"{address} is this machine's already", hint="`drorch source list` shows whose each is")
        place = self._ownership.next_place(address)
        other = self._ownership.other_writers().get(address)
        was = "nobody" if known is None and place.generation == 0 and other is None else "another machine"
        details = {"from_machine": "" if known is None else known.machine_id, "generation": str(place.generation)}
        now = self._now()
        self._catalog.put_source(
            SourceRecord(
                address=address,
                policy=subject.policy,
                lane=str(self._ownership.lane(place)),
                generation=place.generation,
                machine_id=self._machine_id,
                first_used_at=now if known is None else known.first_used_at,
                state=SourceState.ACTIVE if known is None else known.state,
                last_seen_at=now,
            )
        )
        self._tell(address, "source-adopted", reason, details)
        return Change(address=address, before=was, after="this machine", details=details)

    def reseed(self, subject: Subject, *, reason: str) -> Change:
        """Have the source's next run begin a lane that nobody has used: it shares no chunk and no secret with the one before.

        Raises ``NothingDone`` for a source that this machine does not back up.
        """
        known = subject.record
        if known is None or known.machine_id != self._machine_id or known.state is not SourceState.ACTIVE:
            raise NothingDone(
                f"{subject.address} is nothing that this machine backs up",
                expected="a source that it has backed up, and that is open",
                found="nothing yet" if known is None else f"{known.state.value}, machine {known.machine_id[:8]}",
            )
        place = self._ownership.next_place(subject.address)
        lane = str(self._ownership.lane(place))
        self._catalog.put_source(replace(known, lane=lane, generation=place.generation))
        details = {"generation": str(place.generation)}
        self._tell(subject.address, "source-reseeded", reason, details)
        return Change(address=subject.address, before="its lane", after="a new lane", details=details)

    def close(self, subject: Subject, *, reason: str, legal_basis: str, proof: Mapping[str, str]) -> Change:
        """State that a source is closed; ``proof`` says which snapshot is its last and how it was restored to prove it."""
        return self._put(subject, SourceState.CLOSED, "source-closed", reason, {"legal_basis": legal_basis, **proof})

    def require_open(self, subject: Subject) -> None:
        """Raise ``NothingDone`` for a source that is closed, retired or gone."""
        state = _state(subject)
        if state is not SourceState.ACTIVE or subject.is_gone:
            raise NothingDone(
                f"{subject.address} cannot be closed",
                expected="a source that can be backed up one last time",
                found="one that is gone from its server" if subject.is_gone else state.value,
            )

    def _put(self, subject: Subject, state: SourceState, kind: str, reason: str, details: Mapping[str, str]) -> Change:
        now = self._now()
        record = subject.record or self._first_record(subject, now)
        self._catalog.put_source(replace(record, state=state))
        self._tell(subject.address, kind, reason, details)
        before = SourceState.GONE if subject.is_gone and _state(subject) is SourceState.ACTIVE else _state(subject)
        return Change(address=subject.address, before=before.value, after=state.value, details=details)

    def _first_record(self, subject: Subject, now: datetime) -> SourceRecord:
        """Return the record of a source that was seen and never backed up."""
        place = self._ownership.next_place(subject.address)
        return SourceRecord(
            address=subject.address,
            policy=subject.policy,
            lane=str(self._ownership.lane(place)),
            generation=place.generation,
            machine_id=self._machine_id,
            first_used_at=now,
            state=SourceState.ACTIVE,
            last_seen_at=now,
        )

    def _tell(self, address: str, kind: str, reason: str, details: Mapping[str, str]) -> None:
        self._catalog.record_event(
            EventRecord(
                at=self._now(), kind=kind, severity=Severity.INFO, message=reason, source=address, details=dict(details)
            )
        )


def unknown(address: str) -> PolicyUnknown:
    """Return what is told about a source that nobody knows."""
    return PolicyUnknown(f"there is no source {address}", hint="`drorch source list` lists what is known")


def _state(subject: Subject) -> SourceState:
    return SourceState.ACTIVE if subject.record is None else subject.record.state
