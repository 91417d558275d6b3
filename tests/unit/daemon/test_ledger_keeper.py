"""Occurrences come into the ledger once, whoever dies between the ledger and the catalog, and when a store was away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.catalog.interface import OccurrenceState
from drorch.catalog.sql import SqlCatalog
from drorch.catalog.sqlite import open_sqlite
from drorch.daemon.ledger_keeper import LedgerKeeper
from drorch.errors import CatalogError, StoreUnavailable
from drorch.evidence.ledger_entry import EntryKind
from drorch.storage.interface import ObjectStore
from tests.support.catalogs import after, an_occurrence
from tests.support.ledgers import read, repository, two_stores, writer

OK = an_occurrence(state=OccurrenceState.OK, ended_at=after(9))
MISSED = replace(OK, subject="scans", state=OccurrenceState.MISSED, reason="the daemon was stopped")
NEXT_HOUR = after(0) + timedelta(hours=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_sqlite(tmp_path / "catalog.sqlite")
    opened.put_occurrences([OK, MISSED])
    yield opened
    opened.close()


def keeper(catalog: SqlCatalog, *stores: ObjectStore) -> LedgerKeeper:
    return LedgerKeeper(catalog, OK.host, lambda: nullcontext(writer(repository(*stores))))


def kinds(*stores: ObjectStore) -> list[EntryKind]:
    ledger = read(*stores)
    assert ledger.problems == ()
    return [one.entry.kind for one in ledger.entries()]


def test_an_exception_is_entered_at_once_and_the_rest_when_its_hour_is_over(catalog: SqlCatalog) -> None:
    stores = two_stores()
    kept = keeper(catalog, *stores)
    kept.beat(after(30))
    kept.beat(after(60))
    assert kinds(*stores) == [EntryKind.OCCURRENCE]
    kept.beat(NEXT_HOUR)
    kept.beat(NEXT_HOUR + timedelta(minutes=1))
    assert kinds(*stores) == [EntryKind.OCCURRENCE, EntryKind.OCCURRENCES]
    assert catalog.occurrences_not_entered(OK.host) == ()


def test_whoever_dies_before_the_catalog_knows_enters_nothing_twice(
    catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = two_stores()
    with monkeypatch.context() as broken:
        broken.setattr(SqlCatalog, "mark_entered", _refuse)
        with pytest.raises(CatalogError):
            keeper(catalog, *stores).beat(NEXT_HOUR)
    assert len(kinds(*stores)) == 2
    keeper(catalog, *stores).beat(NEXT_HOUR)
    assert len(kinds(*stores)) == 2
    assert catalog.occurrences_not_entered(OK.host) == ()


def test_a_ledger_that_is_away_is_asked_again_after_a_while(catalog: SqlCatalog) -> None:
    tries = 0

    def away() -> None:
        nonlocal tries
        tries += 1
        raise StoreUnavailable("no route")

    kept = LedgerKeeper(catalog, OK.host, away)  # type: ignore[arg-type]
    for minute, so_often in ((0, 1), (1, 1), (4, 1), (6, 2)):
        moment = NEXT_HOUR + timedelta(minutes=minute)
        if so_often > tries:
            with pytest.raises(StoreUnavailable):
                kept.beat(moment)
        else:
            kept.beat(moment)
        assert tries == so_often
    assert len(catalog.occurrences_not_entered(OK.host)) == 2


def _refuse(*_: object) -> None:
    raise CatalogError("the disk is full")
