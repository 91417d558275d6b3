"""Each thing that can be wrong is told when it is, and not when it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.catalog.interface import Catalog, DrillSignature, Observation, ObservationKind, Severity
from drorch.operations.overview import overview
from drorch.operations.room import Disk
from drorch.operations.watch.alert import AlertCode
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.facts import DirectoryRoom, Facts, LostProof
from drorch.operations.watch.measures import measures
from drorch.policy.alert_words import ALERT_WORDS, WHEN_WORDS, is_meant
from tests.support.catalogs import START, a_daemon, a_source
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import DAY, HOUR, alerts_of, backed_up, codes, drilled, facts_of

PROMISES_DRILLS = POSTGRESQL + "drill: {at_least: 90d}\nnotify: [duty-team]\n"
NOW = START + 2 * HOUR


def test_the_words_of_rules_are_those_of_alerts() -> None:
    assert {code.value for code in AlertCode} == set(ALERT_WORDS)
    assert all(code.severity in Severity for code in AlertCode)


@pytest.mark.parametrize(
    ("when", "word", "is_told"),
    [
        ((), "rpo_missed", True),
        ((), "run_failed", True),
        ((), "schema_changed", False),
        (("info",), "schema_changed", True),
        (("error",), "run_failed", False),
        (("objective_missed",), "rto_missed", True),
        (("objective_missed",), "disk_full", False),
        (("disk_full",), "disk_full", True),
    ],
)
def test_a_rule_means_codes_severities_and_groups(when: tuple[str, ...], word: str, *, is_told: bool) -> None:
    assert set(when) <= set(WHEN_WORDS)
    assert is_meant(when, word) is is_told


def test_all_well_is_silence(watched: Catalog) -> None:
    for days in (3, 2, 1, 0):
        backed_up(watched, START - days * DAY)
    assert alerts_of(watched, NOW) == ()


def test_standings_become_alerts_with_their_policy_and_owner(watched: Catalog) -> None:
    backed_up(watched)
    (late,) = alerts_of(watched, START + 3 * DAY, PROMISES_DRILLS)
    assert (late.code, late.subject, late.policy) == (AlertCode.RPO_MISSED, "land", "land")
    assert (late.owner, late.told_to, late.remedy) == ("UBND tỉnh Lâm Đồng", ("duty-team",), "drorch backup land")


def test_a_policy_file_that_cannot_be_read_is_an_alert(watched: Catalog) -> None:
    backed_up(watched)
    (found,) = alerts_of(watched, NOW, POSTGRESQL, "name: broken\nschedul: x\n")
    assert (found.code, found.subject) == (AlertCode.POLICY_INVALID, "b.yaml")


# -- drills


def test_a_source_never_drilled_is_overdue_once_its_promise_has_passed(watched: Catalog) -> None:
    watched.put_source(a_source(address="land", policy="land", first_used_at=START - 91 * DAY))
    backed_up(watched)
    (found,) = alerts_of(watched, NOW, PROMISES_DRILLS)
    assert (found.code, found.text) == (AlertCode.DRILL_OVERDUE, "never restored by a drill, promised every 90d")
    assert alerts_of(watched, NOW, POSTGRESQL) == ()  # nothing is promised


def test_a_new_source_is_not_overdue_yet(watched: Catalog) -> None:
    watched.put_source(a_source(address="land", policy="land", first_used_at=START - 89 * DAY))
    backed_up(watched)
    assert alerts_of(watched, NOW, PROMISES_DRILLS) == ()


@pytest.mark.parametrize(("days", "expected"), [(89, []), (91, ["drill_overdue"])])
def test_a_drill_counts_for_as_long_as_promised(watched: Catalog, days: int, expected: list[str]) -> None:
    watched.put_source(a_source(address="land", policy="land", first_used_at=START - 400 * DAY))
    backed_up(watched)
    drilled(watched, START - days * DAY)
    assert codes(alerts_of(watched, START, PROMISES_DRILLS)) == expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"verdict": "fail"}, "drill_failed"),
        ({"verdict": "inconclusive", "objectives": "not_measured"}, "drill_failed"),
        ({"verdict": "pass", "objectives": "missed"}, "rto_missed"),
    ],
)
def test_a_drill_that_proves_too_little_is_told_until_another_passes(
    watched: Catalog, changes: dict[str, Any], code: str
) -> None:
    backed_up(watched)
    drilled(watched, START - DAY)
    drilled(watched, START, summary="1 of 212 tables differs", **changes)
    (found,) = alerts_of(watched, NOW)
    assert (found.code.value, found.details) == (code, "1 of 212 tables differs")
    drilled(watched, START + HOUR)
    assert alerts_of(watched, NOW) == ()


def test_a_drill_that_its_verifier_has_not_signed_for_a_week(watched: Catalog) -> None:
    backed_up(watched)
    drill = drilled(watched, START - 8 * DAY, verifier="verifier1")
    (found,) = alerts_of(watched, NOW)
    assert (found.code, found.remedy) == (
        AlertCode.EVIDENCE_UNSIGNED,
        f"drorch drill sign {drill[:8]} --as verifier1",
    )
    watched.record_drill_signature(DrillSignature(drill=drill, person="verifier1", role="verifier", signed_at=START))
    assert alerts_of(watched, NOW) == ()


# -- content


def test_a_collapse_is_seen_against_a_week_of_snapshots(watched: Catalog) -> None:
    for days in range(7, 1, -1):
        backed_up(watched, START - days * DAY, bytes_read=1_000_000_000)
    backed_up(watched, START - DAY, bytes_read=10_000_000)
    backed_up(watched, START, bytes_read=10_000_000)
    (found,) = alerts_of(watched, NOW)
    assert (found.code, found.text) == (AlertCode.SIZE_COLLAPSED, "read 10 MB, 1 GB on 2026-11-16")


@pytest.mark.parametrize(("before", "after"), [(1_000_000_000, 500_000_000), (900_000, 10), (10, 1_000_000_000)])
def test_growth_half_and_small_databases_are_no_collapse(watched: Catalog, before: int, after: int) -> None:
    backed_up(watched, START - DAY, bytes_read=before)
    backed_up(watched, START, bytes_read=after)
    assert alerts_of(watched, NOW) == ()


def test_what_changed_in_a_schema_is_a_note(watched: Catalog) -> None:
    backed_up(watched)
    seen = Observation(
        kind=ObservationKind.SCHEMA_CHANGED,
        store="",
        lane="0a" * 16,
        source="land",
        text="new: hr.staff",
        seen_at=START,
    )
    watched.note_observations(seen.kind, [seen], stores=[""])
    (found,) = alerts_of(watched, NOW)
    assert (found.code, found.severity, found.subject) == (AlertCode.SCHEMA_CHANGED, Severity.INFO, "land")
    assert (found.text, found.remedy) == ("new: hr.staff", "drorch snapshots land")


# -- the installation


def test_a_disk_below_keep_free(watched: Catalog, tmp_path: Path) -> None:
    backed_up(watched)
    facts = facts_of(watched, NOW, directories={"state": tmp_path}, keep_free_percent=10)

    def with_free(free: int) -> Facts:
        room = DirectoryRoom(label="state", path=Path("/var/lib/drorch"), disk=Disk(free_bytes=free, total_bytes=1000))
        return replace(facts, rooms=(room,))

    assert alerts_of(watched, NOW, facts=with_free(100)) == ()
    (found,) = alerts_of(watched, NOW, facts=with_free(99))
    assert (found.code, found.subject) == (AlertCode.DISK_FULL, "backup1:/var/lib/drorch")
    assert len(facts.rooms) == 1
    assert facts.rooms[0].disk is not None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"heartbeat_at": NOW - timedelta(minutes=11)}, ["daemon_down"]),
        ({"stopped_at": NOW - timedelta(minutes=1)}, ["daemon_down"]),
        ({"trouble": "policies/a.yaml: unknown key"}, ["policy_invalid"]),
        ({"host": "backup2", "heartbeat_at": START - DAY}, ["daemon_down"]),  # one catalog of both
    ],
)
def test_a_daemon_that_is_not_there(watched: Catalog, changes: dict[str, object], expected: list[str]) -> None:
    backed_up(watched)
    watched.put_daemon(a_daemon(**{"host": "backup1", "heartbeat_at": NOW, **changes}))
    assert codes(alerts_of(watched, NOW)) == expected


def test_without_a_daemon_cron_is_enough(watched: Catalog) -> None:
    backed_up(watched)
    assert alerts_of(watched, NOW) == ()


def test_a_store_that_was_not_heard_of_for_longer_than_a_night(watched: Catalog) -> None:
    backed_up(watched, START - 9 * DAY)
    for days in (2, 1, 0):
        backed_up(watched, START - days * DAY, stores=("hanoi",))
    found = {alert.code: alert for alert in alerts_of(watched, NOW)}
    assert set(found) == {AlertCode.STORE_AWAY, AlertCode.COPIES_MISSING}
    assert found[AlertCode.STORE_AWAY].subject == "dalat"
    assert found[AlertCode.STORE_AWAY].text == "last contact 9 days ago; 1 snapshot not there"


def test_a_store_that_missed_one_night_is_only_behind(watched: Catalog) -> None:
    backed_up(watched, START - 20 * HOUR)
    backed_up(watched, START, stores=("hanoi",))
    assert codes(alerts_of(watched, NOW)) == ["copies_missing"]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (lambda facts, lost: replace(facts, unsigned=(lost,)), "evidence_unsigned"),
        (lambda facts, lost: replace(facts, short_locks=(lost,)), "lock_short"),
        (lambda facts, lost: replace(facts, withheld=(lost,)), "snapshot_withheld"),
    ],
)
def test_proof_that_is_missing(watched: Catalog, place: Callable[[Facts, LostProof], Facts], code: str) -> None:
    backed_up(watched)
    lost = LostProof(subject="01KB3W0T", text="not signed", remedy="drorch drill sign", since=START)
    facts = place(facts_of(watched, NOW), lost)
    assert codes(alerts_of(watched, NOW, facts=facts)) == [code]


def test_what_is_another_machines_raises_nothing_here(watched: Catalog) -> None:
    backed_up(watched, START - 9 * DAY, bytes_read=10_000_000)
    backed_up(watched, START - 8 * DAY, bytes_read=1_000_000)
    for store in ("hanoi", "dalat"):
        watched.note_contact(store, at=NOW)
    text = PROMISES_DRILLS.replace("90d", "7d")
    assert set(codes(alerts_of(watched, NOW, text))) == {"rpo_missed", "size_collapsed", "drill_overdue"}

    loaded = load(text)
    found = overview(loaded.policies, (), watched, now=NOW, is_running=lambda _claim: True, is_elsewhere=True)
    facts = replace(facts_of(watched, NOW), is_drilling=False)
    assert alerts(found, loaded.policies, facts) == ()

    shown = {one.name: one.values for one in measures(found, (), facts)}
    assert not shown["drorch_source_rpo_seconds"]  # or the rule that compares it would fire for three machines
    assert not shown["drorch_source_inside_rpo"]
    assert shown["drorch_source_restore_point_timestamp_seconds"]
