"""What every catalog promises of daemons and occurrences, tried on SQLite and on a real PostgreSQL."""

from dataclasses import replace

import pytest

from drorch.catalog.interface import Catalog, OccurrenceState
from drorch.errors import Bug
from tests.support.catalogs import a_daemon, a_duty_record, after, an_occurrence


def test_a_daemon_is_recorded_in_place_of_what_was_known_of_its_host(catalog: Catalog) -> None:
    catalog.put_daemon(a_daemon())
    later = a_daemon(pid=4712, stopped_at=after(60), next_at=after(90), trouble="một tệp hỏng")
    catalog.put_daemon(later)
    other = a_daemon(host="backup2")
    catalog.put_daemon(other)
    assert catalog.daemons() == (later, other)


def test_duties_hold_until_they_are_ended_and_may_begin_again(catalog: Catalog) -> None:
    land, scans = a_duty_record(), a_duty_record(subject="scans", policy="scans")
    catalog.change_duties("backup1", ended=(), begun=(land, scans))
    ended = replace(land, ended_at=after(10), reason="another schedule")
    again = a_duty_record(schedule="0 2 * * *", since=after(10))
    catalog.change_duties("backup1", ended=(ended,), begun=(again,))
    assert catalog.duties(host="backup1") == (scans, again)
    assert catalog.duties(in_force=False) == (ended, scans, again)
    assert catalog.duties(host="backup2") == ()


def test_occurrences_and_how_far_they_are_accounted_for_are_recorded_together(catalog: Catalog) -> None:
    daemon = a_daemon(accounted_until=after(60))
    waiting, other = an_occurrence(), an_occurrence(subject="scans", policy="scans", slot=after(30))
    catalog.account(daemon, [waiting, other])
    assert catalog.daemons() == (daemon,)
    assert catalog.open_occurrences("backup1") == (waiting, other)
    assert catalog.open_occurrences("backup2") == ()


def test_an_occurrence_ends_once(catalog: Catalog) -> None:
    waiting = an_occurrence()
    running = replace(waiting, state=OccurrenceState.RUNNING, started_at=after(1), attempts=1)
    ended = replace(running, state=OccurrenceState.OK, ended_at=after(9), run_id="r")
    for record in (waiting, running, ended):
        catalog.put_occurrences([record])
    assert catalog.open_occurrences("backup1") == ()
    for changed in (ended, replace(ended, state=OccurrenceState.FAILED), waiting):
        with pytest.raises(Bug, match="ends once"):
            catalog.put_occurrences([an_occurrence(subject="another"), changed])
        with pytest.raises(Bug, match="ends once"):
            catalog.account(a_daemon(), [changed])
    assert catalog.occurrences() == (ended,)
    assert catalog.daemons() == ()  # all or nothing


def test_the_same_hour_of_another_epoch_is_another_occurrence(catalog: Catalog) -> None:
    first = an_occurrence(state=OccurrenceState.OK, ended_at=after(9))
    again = an_occurrence(epoch=1)
    catalog.put_occurrences([first, again])
    assert catalog.occurrences() == (again, first)


def test_occurrences_are_found_by_what_they_are(catalog: Catalog) -> None:
    ok = an_occurrence(state=OccurrenceState.OK, ended_at=after(9), slot=after(-60))
    missed = an_occurrence(state=OccurrenceState.MISSED, slot=after(-600), last_slot=after(-300), count=6)
    drill = an_occurrence(kind="drill", subject="land-test", policy="land-test", state=OccurrenceState.FAILED)
    catalog.put_occurrences([ok, missed, drill])
    assert catalog.occurrences() == (drill, ok, missed)
    assert catalog.occurrences(subject="lamdong-land") == (ok, missed)
    assert catalog.occurrences(policy="land-test") == (drill,)
    assert catalog.occurrences(kinds=["backup"], limit=1) == (ok,)
    assert catalog.occurrences(states=[OccurrenceState.MISSED]) == (missed,)
    assert catalog.occurrences(since=after(-400)) == (drill, ok, missed)
    assert catalog.occurrences(since=after(-100)) == (drill, ok)


def test_ended_occurrences_are_forgotten_with_the_history(catalog: Catalog) -> None:
    old = an_occurrence(state=OccurrenceState.OK, ended_at=after(0))
    kept = an_occurrence(slot=after(5), state=OccurrenceState.OK, ended_at=after(10))
    waiting = an_occurrence(slot=after(-5))
    catalog.put_occurrences([old, kept, waiting])
    catalog.purge_history(after(5))
    assert set(catalog.occurrences()) == {kept, waiting}


def test_what_has_ended_is_not_entered_until_somebody_says_so(catalog: Catalog) -> None:
    first = an_occurrence(state=OccurrenceState.OK, ended_at=after(9))
    second = an_occurrence(state=OccurrenceState.MISSED, slot=after(60), last_slot=after(60), ended_at=after(5))
    catalog.put_occurrences([first, second, an_occurrence(slot=after(120))])
    catalog.put_occurrences([an_occurrence(host="backup2", state=OccurrenceState.OK, ended_at=after(1))])
    assert catalog.occurrences_not_entered("backup1") == (second, first)
    catalog.mark_entered([second])
    assert catalog.occurrences_not_entered("backup1") == (first,)
    assert second in catalog.occurrences()
