"""One screen, whatever is wrong with however many sources; what has one cause is told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, RunOutcome, RunState
from drorch.catalog.sqlite import open_sqlite
from drorch.cli.status.view import View
from drorch.errors import SourceLoginFailed, SourceUnreachable
from drorch.operations.occurrences.standing import DaemonStanding, DaemonState
from drorch.operations.overview import overview
from drorch.settings import default_settings
from tests.support.catalogs import START, a_copy, a_run, a_snapshot, an_id, an_outcome
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import facts_of

HOUR = timedelta(hours=1)
FAN_OUT = """\
name: district-land
source:
  postgresql:
    host: legacy.example
    user: drorch_backup
    databases: {match: ["land_d*"]}
schedule: "30 1 * * *"
"""
SERVER = "postgresql://legacy.example/"
NAMES = [f"land_d{number:03d}" for number in range(484)]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = open_sqlite(tmp_path / "catalog.sqlite")
    yield found
    found.close()


def screen(catalog: Catalog, *texts: str, most_lines: int | None = 23, only: str | None = None) -> list[str]:
    loaded = load(*texts)
    now = START + 30 * HOUR
    found = overview(loaded.policies, loaded.problems, catalog, now=now, is_running=lambda _claim: True)
    daemon = DaemonStanding(state=DaemonState.ABSENT)
    return View(found, daemon, default_settings({}), "backup1", most_lines=most_lines).lines(only=only)


def backed_up(catalog: Catalog, address: str, *, hours: int) -> None:
    at = START + hours * HOUR
    run = an_id()
    policy = address.partition("/")[0]
    catalog.begin_run(a_run(run_id=run, source=address, policy=policy, started_at=at))
    snapshot = a_snapshot(snapshot=run, source=address, policy=policy, restore_point=at, started_at=at, ended_at=at)
    catalog.record_snapshot(snapshot, [a_copy(snapshot, store) for store in ("hanoi", "dalat")])
    catalog.end_run(run, an_outcome(RunState.COMPLETE, ended_at=at, snapshot=run))


def failed(catalog: Catalog, address: str, error: SourceUnreachable | SourceLoginFailed, *, hours: int) -> None:
    run = an_id()
    policy = address.partition("/")[0]
    catalog.begin_run(a_run(run_id=run, source=address, policy=policy, started_at=START + hours * HOUR))
    catalog.end_run(run, RunOutcome.of_error(error, ended_at=START + hours * HOUR))


def refused(address: str) -> SourceUnreachable:
    hint = "is the server running, and listening at that address and port?"
    return SourceUnreachable(f"{address}: no connection to the server", hint=hint)


@pytest.fixture
def half_is_late(catalog: Catalog) -> Catalog:
    """484 databases: the first half backed up today, the second yesterday, its server refusing since; one password is wrong."""
    catalog.record_databases("district-land", SERVER, NAMES, at=START)
    for number, name in enumerate(NAMES[::12]):  # every twelfth: the view is about rolling up, not about the number
        address = f"district-land/{name}"
        if number % 2:
            backed_up(catalog, address, hours=25)
            continue
        backed_up(catalog, address, hours=0)
        failed(catalog, address, refused(address), hours=28)
    rejected = SourceLoginFailed("district-land/land_d000: the server rejected the password")
    failed(catalog, "district-land/land_d000", rejected, hours=29)
    return catalog


def test_what_has_one_cause_is_one_problem(half_is_late: Catalog) -> None:
    lines = screen(half_is_late, FAN_OUT)
    text = "\n".join(lines)
    assert "LATE  district-land   20 of 484 sources: oldest 30h ago, promised 24h" in text
    assert "connection refused: land_d024 land_d048 land_d072" in text
    assert "LATE  district-land/land_d000   last good 30h ago, promised 24h" in text
    assert "try: drorch backup district-land --failed" in text
    assert any(line.startswith("district-land") and "20/484" in line for line in lines)


@pytest.mark.parametrize("policies", [1, 6, 40])
def test_it_fits_on_a_screen_until_all_is_asked_for(half_is_late: Catalog, policies: int) -> None:
    texts = [FAN_OUT] + [
        POSTGRESQL.replace("name: land", f"name: a-long-name-of-an-office-{n}") for n in range(policies)
    ]
    lines = screen(half_is_late, *texts[:8])
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    assert not any("--all" in line for line in screen(half_is_late, *texts[:8], most_lines=None))


def test_one_policy_with_all_its_sources_stays_on_the_screen(half_is_late: Catalog) -> None:
    lines = screen(half_is_late, FAN_OUT, only="district-land")
    assert len(lines) <= 23
    assert any("more: drorch status district-land --all" in line for line in lines)
    assert len(screen(half_is_late, FAN_OUT, only="district-land", most_lines=None)) > 484


def test_gone_and_open_are_told_as_people_say_it(catalog: Catalog) -> None:
    catalog.record_databases("district-land", SERVER, ["land_d1", "land_d2", "hr", "kttc_2019"], at=START)
    catalog.record_databases("district-land", SERVER, ["land_d1", "hr", "kttc_2019"], at=START + 29 * HOUR)
    backed_up(catalog, "district-land/land_d1", hours=25)
    text = "\n".join(screen(catalog, FAN_OUT))
    assert "  GONE  district-land/land_d2   on the server until 22/11, not since\n" in text
    assert "        try: drorch source retire district-land/land_d2 --reason TEXT\n" in text
    assert "  OPEN  legacy.example   2 databases in no policy: hr, kttc_2019\n" in text
    assert "(1 gone)" in text


def test_a_machine_that_makes_no_backups_says_on_whose_word_it_stands(catalog: Catalog) -> None:
    loaded, now, daemon = load(POSTGRESQL), START + 30 * HOUR, DaemonStanding(state=DaemonState.ABSENT)
    facts = replace(facts_of(catalog, now), is_drilling=False)

    def told() -> str:
        found = overview(loaded.policies, (), catalog, now=now, is_running=lambda _claim: True, is_elsewhere=True)
        view = View(found, daemon, default_settings({}), "drill1", most_lines=None, facts=facts)
        assert "PROBLEMS" not in view.lines(only=None)
        assert all(len(line) <= 80 for line in view.lines(only=None))
        return " ".join(" ".join(view.lines(only=None)).split())

    unread = told()
    assert "land 0/1 not read 24h ? 0 of 2 elsewhere" in unread
    assert "0 of 1 sources are inside their RPO (1 not read)" in unread
    assert "1 of 1 are backed up by other machines" in unread
    assert "`drorch catalog rebuild`" in unread
    backed_up(catalog, "land", hours=28)
    assert "24h ok 2 of 2 elsewhere" in told()
    assert "catalog rebuild" not in told()
