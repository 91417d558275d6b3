"""The daemon of a machine that never drilled knows what others drilled: it reads the ledger, and of it later only what is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog
from drorch.catalog.sqlite import open_sqlite
from drorch.daemon.drill_reader import EVERY, DrillReader
from drorch.errors import EvidenceBroken, StoreDenied
from drorch.evidence.drill_report import DrillReport
from drorch.ids import drill_id
from drorch.operations.proof.ledger_news import WHOLE_EVERY
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.evidence import Bench, undrawn
from tests.support.manual_clock import START
from tests.support.repositories import ManualClock
from tests.support.statements import OPERATOR, OPERATOR_PERSON, passing_report


class ReadStore(MemoryStore):
    """Notes what was read; ``is_denied``: it shows nobody its ledger."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.reads: list[str] = []
        self.is_denied = False

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        self.reads.append(name)
        return super().read(name, limit_bytes=limit_bytes)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        if self.is_denied and prefix.startswith("ledger"):
            raise StoreDenied("the store refused the call")
        return super().list_folders(prefix)


class Machine:
    """One that only reads: its catalog and its reader."""

    def __init__(self, catalog: Catalog) -> None:
        self.store = ReadStore()
        self.catalog = catalog
        self.others = Bench(self.store)
        self.reader = DrillReader(catalog, self._opened, lambda: (OPERATOR_PERSON,))

    @contextmanager
    def _opened(self) -> Iterator[Repository]:
        yield self.others.repository

    def knows(self, now: datetime) -> list[str]:
        """Return the drills that it knows after it was its turn."""
        self.reader.beat(now)
        return sorted(one.drill for one in self.catalog.drills())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield Machine(catalog)


def another(number: int) -> DrillReport:
    return replace(undrawn(passing_report()), drill=drill_id(number, bytes(10)))


def test_drills_of_others_are_known_and_only_news_are_read(machine: Machine) -> None:
    first, second = machine.others.drill(another(1)).drill, another(2)
    assert machine.knows(START) == [first]
    machine.others.drill(second)
    machine.store.reads.clear()
    assert machine.knows(START + EVERY / 2) == [first]  # not yet
    assert machine.knows(START + EVERY) == [first, second.drill]
    segments = [name.rpartition("/")[2] for name in machine.store.reads if name.startswith("ledger/")]
    assert segments == [f"{2:012d}", f"{3:012d}"]  # the new one, and that there is no other


def test_a_word_that_comes_later_is_known_later(machine: Machine) -> None:
    drilled = machine.others.drill().drill
    assert machine.knows(START) == [drilled]
    machine.others.sign(OPERATOR_PERSON, OPERATOR)
    machine.knows(START + EVERY)
    assert [(one.person, one.role) for one in machine.catalog.drill_signatures([drilled])] == [
        (OPERATOR_PERSON.identifier, "operator")
    ]


def test_what_cannot_be_verified_is_named_and_counts_for_nothing(machine: Machine) -> None:
    whole = machine.others.drill(another(1)).drill
    hidden = machine.others.drill(another(2)).drill
    (statement,) = [one.name for one in machine.store.list_objects("evidence/") if hidden.lower() in one.name]
    content = machine.store.read(statement, limit_bytes=1 << 20)
    machine.store.delete([statement])
    with pytest.raises(EvidenceBroken, match=f"the statement of drill {hidden} is missing or altered"):
        machine.knows(START)
    assert [one.drill for one in machine.catalog.drills()] == [whole]
    machine.store.put_if_absent(statement, content)
    assert machine.knows(START + WHOLE_EVERY + timedelta(minutes=1)) == [whole, hidden]


def test_a_credential_that_may_only_add_is_no_trouble(machine: Machine) -> None:
    drilled = machine.others.drill().drill
    machine.store.is_denied = True
    assert machine.knows(START) == []
    machine.store.is_denied = False
    assert machine.knows(START + EVERY) == [drilled]
