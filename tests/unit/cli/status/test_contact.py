"""Stores and hosts that were not heard of are said so, and how much of what changed became deltas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.catalog.interface import Catalog, DaemonRecord
from drorch.catalog.sqlite import open_sqlite
from drorch.cli.status.contact import contact_documents, contact_words, host_documents, host_words
from drorch.cli.status.sums import sums
from drorch.operations.occurrences.standing import DaemonStanding, DaemonState
from drorch.operations.overview import overview
from drorch.operations.watch.facts import Facts
from tests.support.catalogs import START
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import DAY, HOUR, backed_up, facts_of

NOW = START + 9 * DAY


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = open_sqlite(tmp_path / "catalog.sqlite")
    yield found
    found.close()


def facts(catalog: Catalog) -> Facts:
    return replace(facts_of(catalog, NOW), stores=("dalat", "hanoi", "saigon"))


def page(catalog: Catalog, of: Facts) -> str:
    loaded = load(POSTGRESQL)
    found = overview(loaded.policies, (), catalog, now=NOW, is_running=lambda _claim: True)
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    return " ".join(" ".join(sums(found, DaemonStanding(state=DaemonState.ABSENT), of, (), zone)).split())


def test_each_store_says_when_it_was_heard_of_last(catalog: Catalog) -> None:
    catalog.note_contact("hanoi", at=NOW - 3 * HOUR)
    catalog.note_contact("dalat", at=START)
    catalog.note_contact("dalat", at=NOW - HOUR, failure="no route to host")
    assert contact_words(facts(catalog)) == "dalat 9d ago (away), hanoi 3h ago, saigon never"
    dalat, hanoi, saigon = contact_documents(facts(catalog))
    assert (dalat["age_s"], dalat["away"], dalat["failure"]) == (9 * 86_400, True, "no route to host")
    assert (hanoi["age_s"], hanoi["away"], hanoi["failure"]) == (3 * 3_600, False, None)
    assert (saigon["last_contact"], saigon["age_s"]) == (None, None)


def test_other_hosts_of_one_catalog_are_told_when_they_are_silent(catalog: Catalog) -> None:
    for host, at in (("backup1", START), ("phú-quý", START), ("tánh-linh", NOW)):
        catalog.put_daemon(
            DaemonRecord(
                host=host, pid=7, process_started="x", epoch=0, started_at=START, accounted_until=at, heartbeat_at=at
            )
        )
    assert host_words(facts(catalog)) == "phú-quý 9d ago"  # this host has a line of its own
    assert [one["host"] for one in host_documents(facts(catalog))] == ["backup1", "phú-quý", "tánh-linh"]


def test_the_share_of_deltas_leaves_first_snapshots_out(catalog: Catalog) -> None:
    backed_up(catalog, NOW - 2 * DAY, delta_bytes=0, new_bytes=10**9, missed_bytes=0)
    assert "Deltas" not in page(catalog, facts(catalog))
    backed_up(catalog, NOW - HOUR, delta_bytes=25_000_000, new_bytes=75_000_000, missed_bytes=50_000_000)
    told = page(catalog, facts(catalog))
    assert "Deltas 25 % of the 100 MB that had changed was stored as deltas; a larger cache: 75 %" in told
    assert "Contact dalat 0 min ago" not in told
