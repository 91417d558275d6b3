"""The formulas of docs/SIZING.md: what they give, and that the page and its constants agree with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.policy import sizing
from drorch.policy.model import Keep, Retention
from drorch.policy.sizing import SeenRun, SourceSize, ages_kept, size_of, store_bytes

PAGE = Path(__file__).resolve().parents[3] / "docs/SIZING.md"
START = datetime(2026, 11, 1, 1, 30, tzinfo=UTC)


def run(day: float, stored: int, read: int = 1_000_000) -> SeenRun:
    return SeenRun(read_bytes=read, stored_bytes=stored, taken_at=START + timedelta(days=day), duration_seconds=10)


def size(whole: int = 400_000_000, new: float = 1_000_000) -> SourceSize:
    return SourceSize(
        read_bytes=1_000_000_000,
        whole_bytes=whole,
        new_bytes_per_day=new,
        backup_bytes_per_second=50_000_000,
        runs_seen=9,
    )


def test_nothing_is_said_of_what_was_never_seen() -> None:
    assert size_of([], 1) is None


def test_the_first_run_is_told_from_those_after_it() -> None:
    seen = size_of([run(0, 400_000), run(1, 5_000), run(2, 7_000), run(4, 8_000)], 1)
    assert seen is not None
    assert seen.whole_bytes == 400_000
    assert seen.new_bytes_per_day == 20_000 / 4
    assert seen.runs_seen == 4


def test_a_database_that_grew_would_store_more_at_first() -> None:
    seen = size_of([run(0, 400_000), run(10, 100_000, read=2_000_000)], 1)
    assert seen is not None
    assert seen.whole_bytes == 800_000


def test_runs_of_one_afternoon_are_taken_one_by_one() -> None:
    seen = size_of([run(0, 400_000), run(0.01, 6_000)], 24)
    assert seen is not None
    assert seen.new_bytes_per_day == 24 * 6_000


def test_one_run_alone_promises_little_change() -> None:
    seen = size_of([run(0, 400_000)], 2)
    assert seen is not None
    assert seen.new_bytes_per_day == 2 * sizing.RUN_BYTES


def test_ages_are_those_of_the_rule() -> None:
    rule = Retention(keep_daily=3, keep_weekly=2, keep_yearly=Keep.FOREVER)
    assert ages_kept(rule, 1, 800) == (0.0, 1.0, 2.0, 7.0, 365.25, 730.5)
    assert ages_kept(rule, 1, 1.5) == (0.0, 1.0)
    assert ages_kept(Retention(keep_hourly=3), 1, 30) == (0.0, 1.0, 2.0)  # once a day: an hour's slot is a day's


def test_a_store_grows_with_every_day_while_nothing_is_deleted() -> None:
    assert store_bytes(size(), None, 1, 365) == 400_000_000 + 365_000_000


@pytest.mark.parametrize("days", [30, 365, 3650])
def test_a_rule_never_needs_more_than_all_of_it(days: float) -> None:
    rule = Retention(keep_daily=30, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER)
    kept = store_bytes(size(), rule, 1, days)
    most = store_bytes(size(), None, 1, days) + len(ages_kept(rule, 1, days)) * sizing.RUN_BYTES
    assert size().whole_bytes < kept <= most


def test_what_changes_wholly_costs_a_whole_for_each_that_is_kept() -> None:
    assert store_bytes(size(new=400_000_000), Retention(keep_daily=7), 1, 365) == 7 * (400_000_000 + sizing.RUN_BYTES)


def test_times_follow_the_slower_of_disk_and_link() -> None:
    assert sizing.backup_seconds(size(), 400_000_000, 1e9) == 20
    assert sizing.backup_seconds(size(), 400_000_000, 10e6) == 320
    assert sizing.restore_seconds(size()) == pytest.approx(1_000_000_000 / sizing.RESTORE_BYTES_PER_SECOND)
    assert sizing.restore_seconds(size(), 10e6) == 320


def test_bases_fill_the_cache_only_up_to_its_limit() -> None:
    small = sizing.cache_bytes(1_000, 10_000, 0, 20_000)
    assert sizing.cache_bytes(10**12, 10_000, 0, 20_000) == small - 1_000 + 20_000


def test_every_constant_stands_on_the_page_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| ([\d,.]+) ", page, re.MULTILINE))
    constants = {name: value for name, value in vars(sizing).items() if name.isupper() and name[0] != "_"}
    del constants["DAY_SECONDS"]
    assert {name: float(value.replace(",", "")) for name, value in told.items()} == constants
