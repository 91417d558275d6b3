"""Occurrences in the ledger: counted by the hour or single, once however often it is tried, and by a host that may only add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.catalog.interface import OccurrenceRecord
from drorch.errors import Bug, StoreDenied, StoreUnavailable
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.ledger_segment import chain_of
from drorch.evidence.occurrence_entry import occurrences_digest
from drorch.operations.proof import accounting
from drorch.operations.proof.accounting import Accounted
from drorch.policy.occurrences.states import OccurrenceState
from drorch.storage.interface import ObjectStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.faulty_store import FaultyStore
from tests.support.ledgers import WRITER, append_each, over, read, repository, two_stores, without, writer

HOUR = datetime(2026, 11, 22, 3, tzinfo=UTC)
OK, FAILED, SKIPPED, MISSED = (
    OccurrenceState.OK,
    OccurrenceState.FAILED,
    OccurrenceState.SKIPPED,
    OccurrenceState.MISSED,
)


def record(minute: int, state: OccurrenceState = OK, subject: str = "land", reason: str = "") -> OccurrenceRecord:
    slot = HOUR + timedelta(minutes=minute)
    return OccurrenceRecord(
        host="backup1",
        kind="backup",
        subject=subject,
        epoch=1,
        slot=slot,
        policy="lamdong-land",
        state=state,
        queued_at=slot,
        last_slot=slot,
        reason=reason,
        attempts=1,
        ended_at=slot + timedelta(seconds=30),
    )


NIGHT = (
    record(1),
    record(2, subject="scans"),
    record(3, FAILED, reason="connection refused (3 tries)"),
    record(4, SKIPPED, reason="blackout Tet"),
    record(61),
)


def enter(records: Sequence[OccurrenceRecord], *stores: ObjectStore, memory: Path | None = None) -> Accounted:
    return accounting.run(writer(repository(*stores), memory=memory), records)


def told(*stores: ObjectStore) -> list[tuple[EntryKind, str]]:
    ledger = read(*stores)
    assert ledger.problems == ()
    return [(one.entry.kind, one.entry.subject) for one in ledger.entries()]


def test_exceptions_are_single_and_the_rest_is_counted_by_policy_and_hour() -> None:
    hanoi, dalat = two_stores()
    assert enter(NIGHT, hanoi, dalat) == Accounted(added=3)
    entries = [one.entry for one in read(hanoi, dalat).entries()]
    assert [one.kind for one in entries] == [EntryKind.OCCURRENCE, EntryKind.OCCURRENCES, EntryKind.OCCURRENCES]
    single, hour, next_hour = entries
    assert (single.subject, single.facts["state"], single.facts["slot"]) == (
        "land",
        "failed",
        "2026-11-22T03:03:00.000Z",
    )
    assert single.facts["reason"] == "connection refused (3 tries)"
    assert (hour.subject, hour.facts["hour"]) == ("lamdong-land", "2026-11-22T03:00:00.000Z")
    assert hour.facts["states"] == {"ok": 2, "skipped": 1}
    assert hour.facts["skipped"] == {"blackout Tet": 1}
    assert next_hour.facts["states"] == {"ok": 1}


def test_the_digest_of_an_hour_pins_each_occurrence_whatever_their_order() -> None:
    ended = [accounting._ended(one) for one in NIGHT[:2]]
    assert occurrences_digest(ended) == occurrences_digest(reversed(ended))
    assert occurrences_digest(ended) != occurrences_digest([ended[0], replace(ended[1], state=MISSED)])
    assert occurrences_digest(ended) != occurrences_digest(ended[:1])


def test_what_went_well_waits_for_the_end_of_its_hour_and_exceptions_do_not() -> None:
    assert accounting.ripe(NIGHT, HOUR + timedelta(minutes=30)) == (NIGHT[2], NIGHT[4])
    assert accounting.ripe(NIGHT, HOUR + timedelta(hours=1)) == NIGHT[:4]
    waiting = replace(record(5), state=OccurrenceState.WAITING, ended_at=None)
    assert accounting.ripe([waiting], HOUR + timedelta(days=1)) == ()
    with pytest.raises(Bug):
        enter([waiting], *two_stores())


@pytest.mark.parametrize("applies_last", [False, True])
@pytest.mark.parametrize("has_memory", [False, True])
def test_a_host_that_dies_at_any_call_and_repeats_it_enters_each_once(
    *, applies_last: bool, has_memory: bool, tmp_path: Path
) -> None:
    for survives in range(100):
        hanoi, dalat = two_stores()
        memory = tmp_path / f"{survives}" if has_memory else None
        append_each(writer(repository(hanoi, dalat), memory=memory), ["begun"])
        opened = repository(hanoi, dalat)
        dying = CrashStore(hanoi, survives_calls=survives, applies_last=applies_last)
        ended = False
        try:
            accounting.run(writer(over(opened, dying, dalat), memory=memory), NIGHT)
            ended = True
        except Crashed:
            assert dying.has_crashed
        append_each(writer(opened, memory=memory), ["between"])
        enter(NIGHT, hanoi, dalat, memory=memory)
        assert len(told(hanoi, dalat)) == 5
        if ended:
            return
    pytest.fail("it never ended by itself")


def test_more_that_ended_in_an_hour_that_was_entered_is_a_further_part_of_it() -> None:
    hanoi, dalat = two_stores()
    enter(NIGHT, hanoi, dalat)
    late = record(7, subject="scans")
    assert enter([late], hanoi, dalat) == Accounted(added=1)
    assert enter([late], hanoi, dalat) == Accounted(added=0)


def test_a_store_that_is_away_is_named_and_brought_up_by_the_next_entry(tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    accounted = accounting.run(writer(without(opened, "dalat"), memory=tmp_path), NIGHT[:3])
    assert (accounted.added, list(accounted.failures)) == (2, ["dalat"])
    enter(NIGHT[3:], hanoi, dalat, memory=tmp_path)
    assert len(told(dalat)) == 4


def test_without_any_store_nothing_is_entered_and_the_next_try_enters_it() -> None:
    hanoi = FaultyStore(two_stores()[0])
    opened = repository(hanoi)
    hanoi.plan("put", StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        accounting.run(writer(opened), NIGHT)
    hanoi.assert_all_fired()
    assert accounting.run(writer(opened), NIGHT).added == 3
    assert enter([], hanoi) == Accounted(added=0)


class OnlyAdds:
    """A store as a writer's credential sees it: of the ledger it reads its own chain."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)

        def judged(path: str, *arguments: object, **named: object) -> object:
            if not path.startswith((f"ledger/{chain_of(WRITER.key_id)}", "trust/")):
                raise StoreDenied(f"may not {name} {path}")
            return method(path, *arguments, **named)

        return judged


def test_a_host_that_may_only_add_to_its_own_chain_can_do_it(tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    for memory in (tmp_path, None):
        only: list[Any] = [OnlyAdds(hanoi), OnlyAdds(dalat)]
        narrow = over(opened, *only)
        accounting.run(writer(narrow, memory=memory), NIGHT[:3])
        accounting.run(writer(narrow, memory=memory), NIGHT)
    assert len(told(hanoi, dalat)) == 4
