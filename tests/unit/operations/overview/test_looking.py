"""How a source stands: the catalog held against the promise, at a moment that the test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, CopyState, RunOutcome, RunState, SnapshotResult, SourceState
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import CaptureFailed, NothingDone, SourceUnreachable
from drorch.operations.estate.alarms import AlarmKind
from drorch.operations.overview import (
    Overview,
    SourceStanding,
    Standing,
    last_runs,
    needs_another_try,
    overview,
)
from tests.support.catalogs import START, a_claim, a_copy, a_run, a_snapshot, a_source, an_id, an_outcome
from tests.support.policies import POSTGRESQL, load

# 08:04 in Ho Chi Minh City; the policy is due daily at 01:30 there, which is 18:30 UTC
DUE_UTC = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = open_sqlite(tmp_path / "catalog.sqlite")
    yield found
    found.close()


def backed_up(catalog: Catalog, at: datetime = START, *, stores: tuple[str, ...] = ("hanoi", "dalat")) -> str:
    """Record a good backup of ``land`` and what each store holds of it."""
    run = an_id()
    catalog.begin_run(a_run(run_id=run, source="land", policy="land", started_at=at))
    snapshot = a_snapshot(snapshot=run, source="land", policy="land", restore_point=at, started_at=at, ended_at=at)
    catalog.record_snapshot(snapshot, [a_copy(snapshot, store) for store in stores])
    catalog.end_run(run, an_outcome(RunState.COMPLETE, ended_at=at, snapshot=run))
    return run


def failed(catalog: Catalog, at: datetime, error: CaptureFailed | NothingDone) -> None:
    run = an_id()
    catalog.begin_run(a_run(run_id=run, source="land", policy="land", started_at=at))
    catalog.end_run(run, RunOutcome.of_error(error, ended_at=at))


def seen(catalog: Catalog, now: datetime, *texts: str, lives: bool = True) -> Overview:
    loaded = load(*(texts or (POSTGRESQL,)))
    return overview(loaded.policies, loaded.problems, catalog, now=now, is_running=lambda _claim: lives)


def the_one(catalog: Catalog, now: datetime, text: str = POSTGRESQL) -> SourceStanding:
    (found,) = seen(catalog, now, text).sources
    return found


def test_a_good_snapshot_in_every_store_is_all_well(catalog: Catalog) -> None:
    run = backed_up(catalog)
    found = the_one(catalog, START + HOUR)
    assert (found.standing, found.trouble, found.is_inside_rpo) == (Standing.OK, None, True)
    assert (found.copies_complete, found.copies_promised) == (2, 2)
    assert found.rpo_actual_seconds == 3600
    assert found.due_at == DUE_UTC
    assert found.newest_good is not None
    assert found.newest_good.snapshot == run
    assert seen(catalog, START + HOUR).is_well


@pytest.mark.parametrize(
    ("age", "standing"), [(timedelta(hours=24), Standing.OK), (timedelta(hours=24, seconds=1), Standing.LATE)]
)
def test_late_begins_just_after_the_rpo(catalog: Catalog, age: timedelta, standing: Standing) -> None:
    backed_up(catalog)
    found = the_one(catalog, START + age, POSTGRESQL.replace("30 1 * * *", "0 0 1 1 *"))
    assert found.standing is standing
    assert found.is_inside_rpo is (standing is Standing.OK)


def test_the_age_is_that_of_the_restore_point_not_of_the_run(catalog: Catalog) -> None:
    early = START - timedelta(hours=30)
    snapshot = a_snapshot(source="land", policy="land", restore_point=early, started_at=START, ended_at=START)
    catalog.record_snapshot(snapshot, [a_copy(snapshot)])
    found = the_one(catalog, START)
    assert found.standing is Standing.LATE
    assert found.rpo_actual_seconds == 30 * 3600


def test_never_backed_up(catalog: Catalog) -> None:
    found = the_one(catalog, START)
    assert found.standing is Standing.NEVER
    assert not found.is_inside_rpo
    assert found.trouble is not None
    assert found.trouble.text == "no good snapshot yet, promised 24h"
    assert found.trouble.remedy == "drorch backup land"


def test_a_partial_snapshot_is_no_good_one(catalog: Catalog) -> None:
    snapshot = a_snapshot(source="land", policy="land", result=SnapshotResult.PARTIAL)
    catalog.record_snapshot(snapshot, [a_copy(snapshot)])
    assert the_one(catalog, START).standing is Standing.NEVER


def test_a_snapshot_without_a_whole_copy_is_no_good_one(catalog: Catalog) -> None:
    snapshot = a_snapshot(source="land", policy="land")
    catalog.record_snapshot(snapshot, [a_copy(snapshot, "hanoi", CopyState.DAMAGED)])
    assert the_one(catalog, START).standing is Standing.NEVER


def test_late_tells_why_the_last_run_failed_and_how_often(catalog: Catalog) -> None:
    backed_up(catalog)
    for hours in (20, 30, 40):
        failed(catalog, START + hours * HOUR, CaptureFailed("land: pg_dump failed", hint="look"))
    found = the_one(catalog, START + 72 * HOUR)
    assert found.standing is Standing.LATE
    assert found.trouble is not None
    assert found.trouble.text == "last good 3d ago, promised 24h"
    assert found.trouble.details == "pg_dump failed; 3 tries"
    assert found.trouble.remedy == "drorch doctor land"
    assert (found.trouble.code, found.trouble.name, found.trouble.hint) == (20, "capture-failed", "look")


def test_a_failed_run_inside_the_rpo_is_told(catalog: Catalog) -> None:
    backed_up(catalog)
    failed(catalog, START + HOUR, CaptureFailed("pg_dump failed"))
    found = the_one(catalog, START + 2 * HOUR)
    assert (found.standing, found.is_inside_rpo) == (Standing.FAILED, True)
    backed_up(catalog, START + 3 * HOUR)
    assert the_one(catalog, START + 4 * HOUR).standing is Standing.OK


def test_a_run_that_found_the_source_busy_tells_nothing(catalog: Catalog) -> None:
    backed_up(catalog)
    failed(catalog, START + HOUR, NothingDone("another run holds land"))
    found = the_one(catalog, START + 2 * HOUR)
    assert found.standing is Standing.OK
    assert found.last_run is not None
    assert found.last_run.state is RunState.COMPLETE


@pytest.mark.parametrize(
    ("late", "standing"), [(timedelta(minutes=59), Standing.OK), (timedelta(minutes=61), Standing.MISSED)]
)
def test_an_occurrence_that_passed_without_a_run_is_missed(
    catalog: Catalog, late: timedelta, standing: Standing
) -> None:
    backed_up(catalog)
    found = the_one(catalog, DUE_UTC + late)
    assert found.standing is standing
    assert found.is_inside_rpo
    if found.trouble is not None:
        assert found.trouble.text == "was due 61 min ago, nothing ran"


def test_one_store_of_two_is_a_problem(catalog: Catalog) -> None:
    run = backed_up(catalog, stores=("hanoi",))
    found = the_one(catalog, START + HOUR)
    assert (found.standing, found.is_inside_rpo) == (Standing.PARTIAL, True)
    assert (found.copies_complete, found.copies_promised) == (1, 2)
    assert found.trouble is not None
    assert found.trouble.text == f"{run[:8]} is in 1 of 2 stores, not in dalat"


def test_a_source_that_no_policy_names_is_open(catalog: Catalog) -> None:
    backed_up(catalog)
    catalog.put_source(a_source(address="land", policy="land", state=SourceState.ACTIVE))
    other = POSTGRESQL.replace("name: land", "name: other")
    found = {one.address: one for one in seen(catalog, START, other).sources}
    assert found["land"].standing is Standing.OPEN
    assert found["land"].rpo_target_seconds is None
    assert not seen(catalog, START, other).is_well


def test_while_a_policy_cannot_be_read_no_source_is_called_open(catalog: Catalog) -> None:
    catalog.put_source(a_source(address="land", policy="land", state=SourceState.ACTIVE))
    found = seen(catalog, START, "name: land\n")
    assert found.sources == ()
    assert found.policy_problems != ()
    assert not found.is_well


@pytest.mark.parametrize("state", [SourceState.CLOSED, SourceState.RETIRED])
def test_a_closed_source_has_no_rpo_and_is_well(catalog: Catalog, state: SourceState) -> None:
    backed_up(catalog)
    catalog.put_source(a_source(address="land", policy="land", state=state))
    found = the_one(catalog, START + 9_000 * HOUR)
    assert (found.standing, found.rpo_target_seconds, found.due_at) == (Standing.CLOSED, None, None)
    assert seen(catalog, START + 9_000 * HOUR).is_well


DISTRICTS = """\
name: district-land
source:
  postgresql:
    host: legacy.example
    user: drorch_backup
    databases: {match: ["land_d*"], except: ["*_test"], expect: 2}
schedule: "30 1 * * *"
"""
SERVER = "postgresql://legacy.example/"


class TestAServerThatIsAsked:
    def test_before_it_was_asked_the_policy_is_late(self, catalog: Catalog) -> None:
        found = the_one(catalog, START, DISTRICTS)
        assert (found.address, found.standing) == ("district-land", Standing.NEVER)
        assert found.trouble is not None
        assert found.trouble.remedy == "drorch backup district-land"

    def test_each_database_that_it_named_is_a_source(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2", "land_d2_test"], at=START)
        found = seen(catalog, START + HOUR, DISTRICTS)
        assert [one.address for one in found.sources] == ["district-land/land_d1", "district-land/land_d2"]
        assert {one.standing for one in found.sources} == {Standing.NEVER}
        assert found.alarms == ()

    def test_what_is_gone_stays_until_it_is_retired_though_it_never_had_a_snapshot(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2"], at=START)
        catalog.record_databases("district-land", SERVER, ["land_d1"], at=START + HOUR)
        found = {one.address: one for one in seen(catalog, START + HOUR, DISTRICTS).sources}
        gone = found["district-land/land_d2"]
        assert (gone.standing, gone.last_seen_at, gone.is_inside_rpo) == (Standing.GONE, START, False)
        assert gone.trouble is not None
        assert gone.trouble.remedy == "drorch source retire district-land/land_d2 --reason TEXT"
        catalog.put_source(a_source(address=gone.address, state=SourceState.RETIRED))
        after = seen(catalog, START + HOUR, DISTRICTS)
        assert gone.address not in [one.address for one in after.protected]

    def test_another_number_than_expected_is_an_alarm(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2", "land_d3"], at=START)
        (alarm,) = seen(catalog, START, DISTRICTS).alarms
        assert (alarm.kind, alarm.text) == (AlarmKind.COUNT, "expected 2 databases, found 3")

    def test_databases_that_no_policy_means_are_open(self, catalog: Catalog) -> None:
        names = ["land_d1", "land_d2", "land_d2_test", "hr", "kttc_2019", "payroll"]
        catalog.record_databases("district-land", SERVER, names, at=START)
        payroll = POSTGRESQL.replace("db1.example", "legacy.example").replace("database: land", "database: payroll")
        (alarm,) = seen(catalog, START, DISTRICTS, payroll).alarms
        assert (alarm.kind, alarm.subject, alarm.databases) == (AlarmKind.OPEN, "legacy.example", ("hr", "kttc_2019"))

    def test_a_server_that_could_not_be_asked_takes_nothing_away(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2"], at=START)
        run = an_id()
        words = {"run_id": run, "source": "district-land", "policy": "district-land", "operation": "discovery"}
        catalog.begin_run(a_run(**words, started_at=START + HOUR))
        error = SourceUnreachable("district-land: no connection to the server")
        catalog.end_run(run, RunOutcome.of_error(error, ended_at=START + HOUR))
        found = seen(catalog, START + HOUR, DISTRICTS)
        assert len(found.sources) == 2
        (alarm,) = found.alarms
        assert (alarm.kind, alarm.details) == (AlarmKind.UNASKED, "no connection to the server")
        assert not found.is_well

    def test_one_database_in_two_policies_is_a_note(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2"], at=START)
        again = POSTGRESQL.replace("db1.example", "legacy.example").replace("database: land", "database: land_d1")
        (alarm,) = seen(catalog, START, DISTRICTS, again).alarms
        assert (alarm.kind, alarm.kind.is_only_a_note) == (AlarmKind.TWICE, True)
        assert "district-land and land both back up" in alarm.text


@pytest.mark.parametrize(("minutes", "is_needed"), [(-1, True), (0, False), (30, False)])
def test_failed_means_without_a_good_last_occurrence(catalog: Catalog, minutes: int, *, is_needed: bool) -> None:
    backed_up(catalog, DUE_UTC + timedelta(minutes=minutes))
    (policy,) = load(POSTGRESQL).policies
    last = last_runs(catalog)["land"]
    assert needs_another_try(policy, "land", last, DUE_UTC + 2 * HOUR) is is_needed
    assert needs_another_try(policy, "land", None, DUE_UTC)


def test_a_run_that_cron_started_for_all_counts_for_a_start_that_is_spread(catalog: Catalog) -> None:
    backed_up(catalog, DUE_UTC)
    (found,) = seen(catalog, DUE_UTC + 10 * HOUR, POSTGRESQL + "spread: 4h\n").sources
    assert found.standing is Standing.OK


def test_once_is_never_late_when_it_is_done(catalog: Catalog) -> None:
    text = POSTGRESQL.replace('"30 1 * * *"', "once")
    assert the_one(catalog, START, text).standing is Standing.NEVER
    backed_up(catalog)
    found = the_one(catalog, START + 9_000 * HOUR, text)
    assert (found.standing, found.due_at) == (Standing.OK, None)


def test_a_source_being_backed_up_is_told(catalog: Catalog) -> None:
    backed_up(catalog)
    run = an_id()
    catalog.begin_run(a_run(run_id=run, source="land", policy="land", started_at=START + HOUR))
    catalog.claim_source(a_claim(source="land", run_id=run), is_alive=lambda _pid, _started: True)
    assert the_one(catalog, START + HOUR).is_running
    assert not seen(catalog, START + HOUR, lives=False).sources[0].is_running


def test_the_worst_comes_first(catalog: Catalog) -> None:
    backed_up(catalog)
    other = POSTGRESQL.replace("name: land", "name: zoo")
    assert [one.address for one in seen(catalog, START + HOUR, POSTGRESQL, other).sources] == ["zoo", "land"]


def test_a_clock_that_is_ahead_gives_no_negative_age(catalog: Catalog) -> None:
    backed_up(catalog, START + HOUR)
    assert the_one(catalog, START).rpo_actual_seconds == 0


def elsewhere(catalog: Catalog, now: datetime, text: str = POSTGRESQL) -> Overview:
    """What a machine without the role backup sees."""
    loaded = load(text)
    return overview((*loaded.policies,), (), catalog, now=now, is_running=lambda _claim: False, is_elsewhere=True)


def listed(catalog: Catalog, source: str, at: datetime, *stores: str) -> None:
    """Record what the stores show, as a machine does that made none of it."""
    policy = source.partition("/")[0]
    snapshot = a_snapshot(snapshot=an_id(), source=source, policy=policy, restore_point=at, started_at=at, ended_at=at)
    catalog.record_snapshot(snapshot, [a_copy(snapshot, store) for store in stores])


def test_what_another_machine_backs_up_is_told_and_not_judged(catalog: Catalog) -> None:
    (unread,) = elsewhere(catalog, START).sources
    assert (unread.standing, unread.trouble, unread.is_unknown, unread.is_inside_rpo) == (
        Standing.ELSEWHERE,
        None,
        True,
        False,
    )
    listed(catalog, "land", START, "hanoi")
    (fresh,) = elsewhere(catalog, START + HOUR).sources
    assert (fresh.is_inside_rpo, fresh.copies_complete, fresh.copies_promised, fresh.due_at) == (True, 1, 2, None)
    late = elsewhere(catalog, START + 25 * HOUR)
    assert late.is_well
    assert [(one.standing, one.is_inside_rpo, one.is_unknown) for one in late.sources] == [
        (Standing.ELSEWHERE, False, False)
    ]


def test_which_databases_another_machine_found_is_seen_in_the_stores(catalog: Catalog) -> None:
    databases = POSTGRESQL.replace("database: land", 'databases: {match: ["land_d*"]}')
    assert [one.address for one in elsewhere(catalog, START, databases).sources] == ["land"]
    for name in ("land_d595", "land_d678"):
        listed(catalog, f"land/{name}", START, "hanoi", "dalat")
    found = elsewhere(catalog, START, databases)
    assert sorted(one.address for one in found.sources) == ["land/land_d595", "land/land_d678"]
    assert found.alarms == ()
