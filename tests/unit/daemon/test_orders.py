"""What the daemon asks of a run, so that the run and its evidence say for which occurrence it was."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from drorch.clock import to_milliseconds
from drorch.daemon.orders import words_of
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.occurrences.line import Job, Waiting
from drorch.policy.schedule import parse_schedule
from tests.support.manual_clock import START

SLOT = str(to_milliseconds(START))


def job(kind: DutyKind, *subjects: str) -> Job:
    schedule = parse_schedule("0 5 * * *", ZoneInfo("UTC"))
    duties = [Duty(kind=kind, subject=subject, schedule=schedule, since=START) for subject in subjects]
    late = START + timedelta(minutes=1)
    return Job(unit="unit", members=tuple(Waiting(duty=duty, slot=START, not_before=late) for duty in duties))


@pytest.mark.parametrize(
    ("kind", "subjects", "words"),
    [
        (DutyKind.BACKUP, ("land", "files"), ("backup", "land", "files", "--slot", SLOT, "--json")),
        (DutyKind.DISCOVERY, ("land",), ("backup", "land", "--new", "--slot", SLOT, "--json")),
        (DutyKind.DRILL, ("land",), ("drill", "run", "land", "--slot", SLOT, "--json")),
        (DutyKind.COPY, ("dalat",), ("copy", "--to", "dalat", "--json")),
        (DutyKind.PRUNE, ("",), ("prune", "--json")),
        (DutyKind.LOCK, ("",), ("lock", "extend", "--json")),
    ],
)
def test_each_duty_has_its_command(kind: DutyKind, subjects: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert words_of(job(kind, *subjects), read_percent=2) == words


def test_a_check_that_reads_goes_on_where_the_last_one_ended() -> None:
    verify = job(DutyKind.VERIFY, "")
    assert words_of(verify, read_percent=2) == ("verify", "--read-data", "2", "--rolling", "--json")
    assert words_of(verify, read_percent=0) == ("verify", "--read-data", "0", "--json")
