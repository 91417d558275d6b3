"""Checks that go on where the last one ended: everything is read once a round, whatever comes meanwhile or is away."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.catalog.sql import SqlCatalog
from drorch.catalog.sqlite import open_sqlite
from drorch.operations.rolling import remember, rolling_depth
from drorch.repository.data_checker import Depth
from drorch.repository.findings import CheckReport, Counts, Finding, Kind, Level
from tests.support.manual_clock import START

OBJECTS = [number.to_bytes(32, "big") for number in range(400)]
STORES = ("hanoi", "dalat")


def seed(count: int) -> bytes:
    return bytes(count)


def report(*unreadable: str) -> CheckReport:
    findings = tuple(
        Finding(level=Level.ERROR, kind=Kind.UNREADABLE, store=store, name="", text="away") for store in unreadable
    )
    return CheckReport(findings=findings, left_out=0, counts=Counts(), good=(), harmed=())


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_sqlite(tmp_path / "catalog.sqlite")
    yield opened
    opened.close()


def check(catalog: SqlCatalog, day: int, percent: float, *away: str) -> dict[str, set[bytes]]:
    now = START + timedelta(days=day)
    depth, places = rolling_depth(catalog, STORES, percent, seed, now)
    remember(catalog, places, report(*away), percent, now)
    return {store: {one for one in OBJECTS if depth.takes(one, store)} for store in STORES}


@pytest.mark.parametrize("percent", [7, 30, 100])
def test_every_object_is_read_within_a_round_and_none_much_oftener(catalog: SqlCatalog, percent: float) -> None:
    rounds = math.ceil(100 / percent)
    days = [check(catalog, day, percent)["hanoi"] for day in range(2 * rounds)]
    for first in range(rounds + 1):  # whichever check is the first after it came
        assert set().union(*days[first : first + rounds]) == set(OBJECTS)
    assert sum(map(len, days)) <= len(OBJECTS) * (2 * rounds * percent / 100 + 1)


def test_a_store_that_was_away_is_read_from_where_it_was(catalog: SqlCatalog) -> None:
    first = check(catalog, 0, 25, "dalat")
    second = check(catalog, 1, 25)
    assert second["dalat"] == first["dalat"] == first["hanoi"]
    assert not second["hanoi"] & first["hanoi"]
    hanoi = next(one for one in catalog.rolling_checks() if one.store == "hanoi")
    assert (hanoi.percent, hanoi.ended_at) == (50.0, None)
    for day in (2, 3):
        check(catalog, day, 25)
    hanoi = next(one for one in catalog.rolling_checks() if one.store == "hanoi")
    assert (hanoi.percent, hanoi.ended_at, hanoi.began_at) == (
        0.0,
        START + timedelta(days=3),
        START + timedelta(days=3),
    )


@given(st.floats(0, 1, exclude_max=True), st.floats(0.1, 100))
def test_an_arc_is_as_long_as_it_says_wherever_it_begins(start: float, percent: float) -> None:
    depth = Depth(read_data_percent=percent, starts={"hanoi": start})
    share = sum(depth.takes(one, "hanoi") for one in OBJECTS) / len(OBJECTS)
    assert abs(share - percent / 100) < 0.15
