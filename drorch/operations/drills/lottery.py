"""Draw by lot so that nobody can choose: the list is fixed and the seed committed to in the ledger of every store before it decides.

The seed and the list are kept in the catalog first: a process that was killed in between goes on with the same lot, not with a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drorch.catalog.interface import Catalog, EventRecord, Severity
from drorch.clock import Clock
from drorch.evidence.drill_report import Draw
from drorch.evidence.ledger_entry import Entry, EntryKind
from drorch.evidence.lots import SEED_BYTES, Lot, commitment_of, lots_document
from drorch.operations.drills.sampling import Ballot
from drorch.operations.proof.appending import LedgerWriter

LOT, DRAWN = "drill-lot", "drill-drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A draw, and the subject under which the ledger has it."""

    subject: str
    draw: Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Lottery:
    """Draws for restore tests; ``writer`` adds to the ledger."""

    catalog: Catalog
    writer: LedgerWriter
    clock: Clock
    random_bytes: Callable[[int], bytes]

    def draw(self, test: str, ballot: Ballot, *, subject: str, slot: datetime | None) -> Drawn:
        """Return what was drawn for ``slot``, the same however often it is asked; by hand (no slot) every call draws anew.

        Raises what adding to the ledger raises: without a commitment nothing is drawn.
        """
        lot = self._lot_of(test, slot) if slot is not None else None
        if lot is None:
            lot = self._new_lot(test, ballot, subject, slot)
        seed, fixed = bytes.fromhex(lot["seed"]), _ballot_of(lot)
        drawn = Drawn(subject=str(lot["subject"]), draw=fixed.drawn_by(seed))
        if not self._is_told(drawn.subject):
            self._tell(test, fixed, seed, drawn)
        return drawn

    def _new_lot(self, test: str, ballot: Ballot, subject: str, slot: datetime | None) -> dict[str, Any]:
        lot: dict[str, Any] = {
            "subject": subject,
            "test": test,
            "slot": None if slot is None else slot.isoformat(),
            "seed": self.random_bytes(SEED_BYTES).hex(),
            "list": lots_document(ballot.lots),
            "excluded": dict(ballot.excluded),
            "count": ballot.count,
        }
        self._record(LOT, f"a lot for {test}", lot)
        return lot

    def _lot_of(self, test: str, slot: datetime) -> dict[str, Any] | None:
        for event in self.catalog.events(kinds=(LOT,), since=None, limit=200):
            if event.details.get("test") == test and event.details.get("slot") == slot.isoformat():
                return dict(event.details)
        return None

    def _is_told(self, subject: str) -> bool:
        events = self.catalog.events(kinds=(DRAWN,), since=None, limit=200)
        return any(event.details.get("subject") == subject for event in events)

    def _tell(self, test: str, ballot: Ballot, seed: bytes, drawn: Drawn) -> None:
        listed = lots_document(ballot.lots)
        committed = {
            "test": test,
            "commitment": commitment_of(seed),
            "list_digest": ballot.list_digest,
            "listed": len(listed),
            "count": ballot.count,
        }
        opened = {
            "test": test,
            "seed": seed.hex(),
            "count": ballot.count,
            "list": listed,
            "excluded": dict(ballot.excluded),
            "drawn": list(drawn.draw.drawn),
        }
        for kind, facts in ((EntryKind.SEED_COMMITTED, committed), (EntryKind.DRAWN, opened)):
            self.writer.append([Entry(kind=kind, subject=drawn.subject, at=self.clock.now(), facts=facts)])
        self._record(DRAWN, f"drawn for {test}: {', '.join(drawn.draw.drawn[:5])}", {"subject": drawn.subject})

    def _record(self, kind: str, message: str, details: dict[str, Any]) -> None:
        event = EventRecord(
            at=self.clock.now(),
            kind=kind,
            severity=Severity.INFO,
            message=message,
            run_id=None,
            source=None,
            details=details,
        )
        self.catalog.record_event(event)


def _ballot_of(lot: dict[str, Any]) -> Ballot:
    return Ballot(
        lots=tuple(Lot(str(source), str(stratum)) for source, stratum in lot["list"]),
        excluded={str(source): str(why) for source, why in lot["excluded"].items()},
        count=int(lot["count"]),
    )
