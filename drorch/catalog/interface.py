"""The contract between drorch and the catalog: what happened and what exists.

The catalog is a convenience. Everything that a restore needs is in the stores; ``catalog rebuild`` makes the
listing again from there. Two things are only here, and are worth keeping: history, and the heads that
say how far each lane had come (what a store could otherwise hide).

Promises that every implementation keeps and ``tests/contract/test_catalog.py`` checks:

* *Durable when it returns*, and all or nothing: a process killed at any moment leaves each call done or not done.
* *Many processes and threads* may write at once; a call waits its turn for a bounded time, then raises.
* *Only our errors* leave: ``CatalogError`` when the catalog cannot be read or written (full, read-only, corrupt,
  locked, unreachable), ``Bug`` when the caller breaks the contract (an unknown run, a run ended twice).
* *Text is kept in NFC*: names that differ only in how Vietnamese letters are composed are the same name. Policy
  texts are kept to the byte. Times are kept to the millisecond.
* *Newest first* is the order of every listing, and it is total: equal times are ordered by id.
"""

from __future__ import annotations

from typing import Protocol

from drorch.catalog.contract.alerts import AlertBook, AlertRecord, Alerts, MessageRecord
from drorch.catalog.contract.drills import SUPERSEDED, DrillRecord, Drills, DrillSignature
from drorch.catalog.contract.history import (
    LOG_LINES_KEPT,
    EventRecord,
    History,
    IsAlive,
    LogLine,
    RunOutcome,
    RunRecord,
    RunState,
    Severity,
)
from drorch.catalog.contract.listing import (
    CopyRecord,
    CopyState,
    LaneHead,
    Listing,
    SnapshotRecord,
    SnapshotResult,
    StoreContact,
)
from drorch.catalog.contract.observations import Observation, ObservationKind, Observations, RollingCheck, SchemaRecord
from drorch.catalog.contract.occurrences import DaemonRecord, DutyRecord, OccurrenceRecord, Occurrences
from drorch.catalog.contract.sources import PolicyText, SeenDatabase, SourceClaim, SourceRecord, Sources, SourceState
from drorch.policy.occurrences.states import OccurrenceState

__all__ = [
    "LOG_LINES_KEPT",
    "SUPERSEDED",
    "AlertBook",
    "AlertRecord",
    "Catalog",
    "CopyRecord",
    "CopyState",
    "DaemonRecord",
    "DrillRecord",
    "DrillSignature",
    "DutyRecord",
    "EventRecord",
    "IsAlive",
    "LaneHead",
    "LogLine",
    "MessageRecord",
    "Observation",
    "ObservationKind",
    "OccurrenceRecord",
    "OccurrenceState",
    "PolicyText",
    "RollingCheck",
    "RunOutcome",
    "RunRecord",
    "RunState",
    "SchemaRecord",
    "SeenDatabase",
    "Severity",
    "SnapshotRecord",
    "SnapshotResult",
    "SourceClaim",
    "SourceRecord",
    "SourceState",
    "StoreContact",
]


class Catalog(Alerts, Drills, History, Listing, Observations, Occurrences, Sources, Protocol):
    """Everything. See the module's promises."""

    @property
    def address(self) -> str:
        """What is shown to people: a file, or ``postgresql://...`` without a password."""
        ...

    def close(self) -> None:
        """Release connections; the catalog is not used afterwards."""
        ...
