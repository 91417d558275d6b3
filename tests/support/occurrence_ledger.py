"""The occurrences part of a catalog in memory, for long simulations; it refuses what a catalog refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drorch.catalog.interface import DaemonRecord, DutyRecord, OccurrenceRecord
from drorch.errors import Bug, CatalogError


class OccurrenceLedger:
    """Only what the book of occurrences asks for. ``fails`` makes the next so many writes fail, as on a full disk."""

    def __init__(self) -> None:
        self.records: dict[tuple[Any, ...], OccurrenceRecord] = {}
        self.duty_records: list[DutyRecord] = []
        self.daemon: DaemonRecord | None = None
        self.fails = 0
        self.failed = 0

    def daemons(self) -> tuple[DaemonRecord, ...]:
        return () if self.daemon is None else (self.daemon,)

    def put_daemon(self, record: DaemonRecord) -> None:
        self._may_fail()
        self.daemon = record

    def duties(self, *, host: str | None = None, in_force: bool = True) -> tuple[DutyRecord, ...]:
        return tuple(one for one in self.duty_records if one.ended_at is None or not in_force)

    def change_duties(self, host: str, *, ended: Sequence[DutyRecord], begun: Sequence[DutyRecord]) -> None:
        self._may_fail()
        gone = {(one.kind, one.subject): one for one in ended}
        self.duty_records = [
            gone.get((one.kind, one.subject), one) if one.ended_at is None else one for one in self.duty_records
        ] + list(begun)

    def account(self, daemon: DaemonRecord, occurrences: Sequence[OccurrenceRecord]) -> None:
        self.put_occurrences(occurrences)
        self.daemon = daemon

    def put_occurrences(self, occurrences: Sequence[OccurrenceRecord]) -> None:
        self._may_fail()
        for record in occurrences:
            known = self.records.get(record.key)
            if known is not None and known.state.is_final:
                raise Bug("an occurrence ends once", found=f"{known} -> {record}")
        self.records.update({record.key: record for record in occurrences})

    def open_occurrences(self, host: str) -> tuple[OccurrenceRecord, ...]:
        return tuple(one for one in self.records.values() if not one.state.is_final)

    def recognise_crashed_runs(self, **_: Any) -> tuple[()]:
        return ()

    def runs(self, **_: Any) -> tuple[()]:
        return ()

    def _may_fail(self) -> None:
        if self.fails:
            self.fails -= 1
            self.failed += 1
            raise CatalogError("no room for the catalog")
