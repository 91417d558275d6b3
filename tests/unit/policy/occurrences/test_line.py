from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.occurrences.line import Job, Places, Waiting, jobs_to_start
from drorch.policy.occurrences.retrying import next_try
from drorch.policy.schedule import parse_schedule
from drorch.policy.window import parse_window
from tests.support.manual_clock import START as NOW

PLACES = Places(in_all=3, per_server=2, per_store=8)


def waiting(subject: str, *, minutes_ago: float = 0, not_before: float = 0, **changes: Any) -> Waiting:
    values: dict[str, Any] = {
        "kind": DutyKind.BACKUP,
        "subject": subject,
        "policy": subject,
        "schedule": parse_schedule("0 * * * *", ZoneInfo("UTC")),
        "since": NOW,
    }
    duty = Duty(**values | changes)
    return Waiting(duty=duty, slot=NOW - timedelta(minutes=minutes_ago), not_before=NOW + timedelta(minutes=not_before))


def job(*members: Waiting, unit: str = "") -> Job:
    return Job(unit=unit or f"{members[0].duty.kind.value}:{members[0].duty.subject}", members=members)


def started(line: Iterable[Waiting], running: Iterable[Job] = (), places: Places = PLACES) -> list[list[str]]:
    jobs = jobs_to_start(line, tuple(running), places, NOW)
    return [[member.duty.subject for member in one.members] for one in jobs]


def test_what_was_due_first_starts_first_and_only_as_many_as_there_are_places() -> None:
    line = [waiting(name, minutes_ago=ago) for name, ago in (("a", 1), ("b", 4), ("c", 3), ("d", 2))]
    assert started(line) == [["b"], ["c"], ["d"]]
    assert started(line, [job(waiting("x")), job(waiting("y"))]) == [["b"]]
    assert started(line, [job(waiting(name)) for name in "xyz"]) == []


def test_a_server_bears_so_many_and_lets_others_pass() -> None:
    line = [waiting(name, server="db1", minutes_ago=ago) for name, ago in (("a", 3), ("b", 2), ("c", 1))]
    assert started([*line, waiting("d", server="db2")]) == [["a"], ["b"], ["d"]]
    assert started(line, [job(waiting("x", server="db1"))]) == [["a"]]


def test_a_store_takes_so_many() -> None:
    places = Places(in_all=9, per_server=9, per_store=1)
    line = [waiting("a", stores=("hanoi", "dalat")), waiting("b", stores=("dalat",)), waiting("c", stores=("hue",))]
    assert started(line, places=places) == [["a"], ["c"]]


def test_a_source_runs_once_at_a_time() -> None:
    assert started([waiting("a")], [job(waiting("a", minutes_ago=60))]) == []


def test_what_waits_for_its_window_or_for_the_next_try_holds_up_nobody() -> None:
    closed = waiting("a", minutes_ago=5, window=parse_window("22:00-05:30"))
    assert started([closed, waiting("b", not_before=1), waiting("c")]) == [["c"]]


def test_after_waits_for_what_is_due_or_runs_of_those_policies() -> None:
    files = waiting("files", minutes_ago=9, after=frozenset({"land"}))
    assert started([files]) == [["files"]]
    assert started([files, waiting("land")]) == [["land"]]
    assert started([files, waiting("land", not_before=5)]) == []
    assert started([files], [job(waiting("land"))]) == []


def test_a_group_starts_as_one_and_only_whole() -> None:
    one, two = waiting("one", unit="group:g"), waiting("two", unit="group:g", minutes_ago=3)
    assert started([one, waiting("z"), two]) == [["two", "one"], ["z"]]
    assert started([one, waiting("two", unit="group:g", not_before=1)]) == []


def test_what_falls_due_of_a_group_that_runs_waits_for_its_end() -> None:
    running = job(waiting("one", unit="group:g"), unit="group:g")
    assert started([waiting("two", unit="group:g"), waiting("z")], [running]) == [["z"]]


def test_only_one_prune_and_one_drill_at_a_time() -> None:
    drills = [waiting(name, kind=DutyKind.DRILL) for name in ("d1", "d2")]
    assert started([*drills, waiting("", kind=DutyKind.PRUNE)]) == [["d1"], [""]]


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 30), (40, 30)])
def test_pauses_double_up_to_half_an_hour(attempts: int, minutes: float) -> None:
    duty = waiting("a").duty
    again = next_try(duty, queued_at=NOW, attempts=attempts, failed_at=NOW, next_due=None)
    assert again == NOW + timedelta(minutes=minutes)


def test_nothing_is_tried_again_when_the_next_is_due_the_window_is_over_or_patience_ends() -> None:
    duty = waiting("a").duty
    in_a_minute = NOW + timedelta(minutes=1)
    assert next_try(duty, queued_at=NOW, attempts=1, failed_at=NOW, next_due=in_a_minute) is None
    long_ago = NOW - timedelta(hours=6)
    assert next_try(duty, queued_at=long_ago, attempts=9, failed_at=NOW, next_due=None) is None
    closing = waiting("a", window=parse_window("07:00-08:01")).duty
    assert next_try(closing, queued_at=NOW, attempts=1, failed_at=NOW, next_due=None) is None
    assert next_try(closing, queued_at=long_ago, attempts=1, failed_at=NOW - timedelta(minutes=9), next_due=None)
