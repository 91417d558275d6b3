"""Which restore tests are due, whose turn which store is, what a lot decides, and what is told of a drill that was killed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, RunState
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import Bug, DrorchError, StoreUnavailable
from drorch.evidence.drill_document import report_of
from drorch.evidence.drill_report import Machine, Verdict
from drorch.evidence.verdict_rules import contradiction
from drorch.ids import drill_id
from drorch.operations.drills.books import DrillBooks, as_record, earlier_of, last_store, new_drill_id
from drorch.operations.drills.due import coverage, due_tests
from drorch.operations.drills.killed import report_of_killed
from drorch.operations.drills.sampling import ballot
from drorch.operations.drills.session import DrillSession
from drorch.operations.drills.staging import in_turn
from drorch.operations.machine import Machine as ThisMachine
from drorch.operations.proof.recording import RecordedDrill
from drorch.policy.model import Policy
from drorch.policy.restore_tests.model import RestoreTest, Sample, Stratum
from tests.support.catalogs import START, a_copy, a_drill, a_run, a_snapshot, an_id
from tests.support.drill_reports import drill_report
from tests.support.manual_clock import ManualClock
from tests.support.policies import POSTGRESQL, policy_of
from tests.support.restore_tests import restore_test_of

NOW = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)  # 08:00 on a Saturday in Vietnam
WEEKLY = restore_test_of('name: weekly\npolicy: land\nschedule: "0 5 * * 6"\n')
SLOT = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = open_sqlite(tmp_path / "catalog.sqlite")
    yield found
    found.close()


def policies() -> dict[str, Policy]:
    return {"land": policy_of(POSTGRESQL)}


def due(catalog: Catalog, *tests: RestoreTest, now: datetime = NOW) -> list[tuple[str, datetime]]:
    return [(one.test.name, one.slot) for one in due_tests(tests, policies(), catalog, now)]


def test_a_test_is_due_from_its_minute_until_it_was_drilled(catalog: Catalog) -> None:
    assert due(catalog, WEEKLY, now=SLOT - timedelta(minutes=1))[0][1] == SLOT - timedelta(days=7)
    assert due(catalog, WEEKLY) == [("weekly", SLOT)]
    catalog.record_drill(a_drill(source="land", test="weekly", declared_at=NOW, scheduled_for=SLOT, verdict="fail"))
    assert due(catalog, WEEKLY) == [], "a failure is not repeated until it passes"
    assert due(catalog, WEEKLY, now=NOW + timedelta(days=7)) == [("weekly", SLOT + timedelta(days=7))]


def test_a_drill_by_hand_does_not_count_for_the_schedule(catalog: Catalog) -> None:
    catalog.record_drill(a_drill(source="land", test="weekly", declared_at=NOW))
    assert due(catalog, WEEKLY) == [("weekly", SLOT)]


def test_what_is_older_than_a_month_has_no_schedule_or_no_policy_is_not_due(catalog: Catalog) -> None:
    yearly = replace(
        WEEKLY, name="yearly", schedule=restore_test_of('name: yearly\npolicy: land\nschedule: "0 5 1 1 *"\n').schedule
    )
    assert due(catalog, yearly, replace(WEEKLY, schedule=None), replace(WEEKLY, policy="nobody")) == []


def test_coverage_counts_what_passed_and_says_what_is_late(catalog: Catalog) -> None:
    promised = policy_of(POSTGRESQL + "drill: {at_least: 7d}\n")
    never = coverage([promised], [WEEKLY], catalog, NOW)[0]
    assert (never.is_covered(NOW), never.is_overdue(NOW), never.tests) == (False, True, ("weekly",))
    assert never.next_due == SLOT + timedelta(days=7)
    catalog.record_drill(a_drill(drill="01A", source="land", declared_at=NOW - timedelta(days=8)))
    catalog.record_drill(a_drill(drill="01B", source="land", declared_at=NOW, verdict="fail"))
    late = coverage([promised], [], catalog, NOW)[0]
    assert (late.is_covered(NOW), late.is_overdue(NOW), late.next_due) == (True, True, None)
    assert late.last is not None
    assert late.last.verdict == "fail"


@pytest.mark.parametrize(
    ("last", "order"),
    [(None, ["a", "b", "c"]), ("a", ["b", "c", "a"]), ("c", ["a", "b", "c"]), ("gone", ["a", "b", "c"])],
)
def test_each_store_in_turn(last: str | None, order: list[str]) -> None:
    assert in_turn(["a", "b", "c"], last) == order


def test_a_ballot_names_whom_it_leaves_out_and_anybody_draws_the_same(catalog: Catalog) -> None:
    text = POSTGRESQL.replace("name: land", "name: many\nfor_each: x.csv").replace(
        "host: db1.example", 'host: "{host}"'
    )
    lines = "id,host\n" + "".join(f"d{number},10.0.0.{number}\n" for number in range(1, 8))
    promises = policy_of(text, lists={"x.csv": lines}).promises
    for promise in promises[:-2]:
        snapshot = a_snapshot(snapshot=an_id(), source=promise.address, policy="many", restore_point=START)
        catalog.record_snapshot(snapshot, [a_copy(snapshot)])
    catalog.record_drill(a_drill(source="many/d1", policy="many", declared_at=NOW))
    asked: list[str] = []

    def stored(sources: Collection[str]) -> dict[str, int]:
        asked.extend(sources)
        return {"many/d6": 5}

    sample = Sample(count=3, stratify=(Stratum.LAST_DRILLED, Stratum.SIZE))
    listed = ballot(promises, sample, catalog, NOW, stored)
    assert sorted(asked) == ["many/d6", "many/d7"], "only those that the catalog does not know"
    assert dict(listed.excluded) == {"many/d7": "no complete snapshot"}
    assert {lot.source: lot.stratum.partition(",")[0] for lot in listed.lots}["many/d1"] == "lately"
    drawn = listed.drawn_by(bytes(32))
    assert (len(drawn.drawn), drawn.candidates, drawn.list_digest) == (3, 6, listed.list_digest)
    assert listed.drawn_by(bytes(32)) == drawn
    assert len({listed.drawn_by(bytes([seed]) * 32).drawn for seed in range(20)}) > 5


def test_ids_of_drills_sort_by_time() -> None:
    clock = ManualClock()
    assert new_drill_id(clock, bytes) == drill_id(round(clock.now().timestamp() * 1_000), bytes(10))
    assert drill_id(1, bytes(10)) < drill_id(2, bytes(10)) < drill_id(2**47, bytes(10))
    assert drill_id(0, bytes(10)) == "0" * 26
    with pytest.raises(ValueError, match="ULID"):
        drill_id(1, bytes(9))


def test_a_record_brings_the_whole_report_back(catalog: Catalog) -> None:
    report = drill_report()
    catalog.record_drill(as_record(report))
    assert report_of(catalog.find_drill(report.drill[:8]).document) == report
    earlier = earlier_of(catalog, report.source)
    assert earlier is not None
    assert (earlier.verdict, earlier.same_findings) == (Verdict.FAIL, report.checks[0].told)
    assert last_store(catalog, report.source) == "hanoi"


def test_a_drill_that_was_killed_is_recorded_once_as_proving_nothing(catalog: Catalog) -> None:
    clock = ManualClock()
    machine = ThisMachine(host="backup1", machine_id="m", pid=1, process_started="boot:1")
    books = DrillBooks(catalog=catalog, machine=machine, is_alive=lambda _pid, _started: False, clock=clock)
    catalog.begin_run(a_run(run_id="01kb3x9m000000000000000000", operation="drill", host="backup1"))
    catalog.begin_run(a_run(run_id=an_id(), operation="backup", host="backup1"))
    catalog.recognise_crashed_runs(
        host="backup1", is_alive=lambda _pid, _started: False, now=clock.now()
    )  # a backup did
    (killed,) = books.killed()
    assert killed.state is RunState.CRASHED
    who = Machine(host="backup1", roles=("drill",), tool_version="0.1.0", tool_digest="", clock_offset_ms=None)
    report = report_of_killed(killed, who, clock.now())
    assert (report.verdict, contradiction(report), report.drill) == (
        Verdict.INCONCLUSIVE,
        None,
        "01KB3X9M000000000000000000",
    )
    books.tell_killed(report)
    assert books.killed() == ()
    assert catalog.find_drill("01kb3x9m").verdict == "inconclusive"


def test_evidence_that_no_store_took_is_told_and_a_bug_while_sealing_stays_one() -> None:
    report = drill_report()

    def session(problem: DrorchError) -> DrillSession:
        def refuses(_report: object, _draw: str) -> RecordedDrill:
            raise problem

        made = DrillSession.__new__(DrillSession)  # what else it has is not asked for
        object.__setattr__(made, "seal", refuses)
        return made

    away = StoreUnavailable("away")
    assert session(away)._sealed(report, "") == (None, away)
    with pytest.raises(Bug, match="of ours"):
        session(Bug("of ours"))._sealed(report, "")
