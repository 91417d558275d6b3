"""Catalogs to be watched: sources with a past, and what a look at them finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.catalog.interface import Catalog, RunState
from drorch.catalog.sqlite import open_sqlite
from drorch.operations.overview import overview
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.facts import Facts, gather
from tests.support.catalogs import START, a_copy, a_drill, a_run, a_snapshot, an_id, an_outcome
from tests.support.policies import POSTGRESQL, load

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog."""
    found = open_sqlite(tmp_path / "watched.sqlite")
    yield found
    found.close()


def backed_up(
    catalog: Catalog,
    at: datetime = START,
    *,
    source: str = "land",
    stores: tuple[str, ...] = ("hanoi", "dalat"),
    **changes: object,
) -> str:
    """Record a good backup and what each store holds of it."""
    run, policy = an_id(), source.partition("/")[0]
    catalog.begin_run(a_run(run_id=run, source=source, policy=policy, started_at=at))
    snapshot = a_snapshot(
        snapshot=run, source=source, policy=policy, restore_point=at, started_at=at, ended_at=at, **changes
    )
    catalog.record_snapshot(snapshot, [replace(a_copy(snapshot, store), stored_at=at) for store in stores])
    catalog.end_run(run, an_outcome(RunState.COMPLETE, ended_at=at, snapshot=run))
    return run


def drilled(catalog: Catalog, at: datetime, *, source: str = "land", **changes: object) -> str:
    """Record a restore drill and how it ended; it passed, unless told otherwise."""
    drill = a_drill(
        source=source, policy=source.partition("/")[0], drill=an_id(), declared_at=at, ended_at=at, **changes
    )
    catalog.record_drill(drill)
    return drill.drill


def facts_of(
    catalog: Catalog, now: datetime, *, directories: Mapping[str, Path] | None = None, keep_free_percent: int = 0
) -> Facts:
    """Return the facts of a machine called backup1."""
    return gather(
        catalog,
        now=now,
        host="backup1",
        is_alive=lambda _pid, _started: True,
        directories=directories or {},
        keep_free_percent=keep_free_percent,
    )


def alerts_of(catalog: Catalog, now: datetime, *texts: str, facts: Facts | None = None) -> tuple[Alert, ...]:
    """Return what a look finds."""
    loaded = load(*(texts or (POSTGRESQL,)))
    found = overview(loaded.policies, loaded.problems, catalog, now=now, is_running=lambda _claim: True)
    return alerts(found, loaded.policies, facts or facts_of(catalog, now))


def codes(found: tuple[Alert, ...]) -> list[str]:
    """Return the codes, the worst first."""
    return [alert.code.value for alert in found]
