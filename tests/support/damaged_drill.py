"""drorch with one fault: a program that is given the fault, its argument, and then drorch's own words.

``sql`` runs statements in the database right after it was restored; ``rolled-back`` writes nothing and says that all was restored;
``swapped`` restores another snapshot than the one that was asked for; ``left-over`` deletes nothing at the end; ``no-tools``
finds no pg_dump; ``no-room`` sees a disk that is nearly full.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from typing import Any

sys.path.pop(0)  # this folder's names are not for drorch to find

import psycopg

from drorch.cli.drill import one_drill
from drorch.cli.main import main
from drorch.operations.choose import choose
from drorch.operations.content import SnapshotContent
from drorch.operations.drills.restoring import Restoring
from drorch.operations.room import Disk
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import RestoreOutcome, StreamKind
from drorch.sources.postgresql.target import PostgresqlTarget
from drorch.sources.postgresql.tools import PostgresqlTools
from drorch.sources.sqlite.target import SqliteTarget


def damage_postgresql(statements: str) -> None:
    restore = PostgresqlTarget.restore

    def damaged(self: Any, *words: Any) -> RestoreOutcome:
        outcome = restore(self, *words)
        place = self._location
        if place.database.endswith("__reference"):  # what is compared with is not what was damaged
            return outcome
        with psycopg.connect(host=place.host, dbname=place.database, user=place.user, autocommit=True) as session:
            session.execute(statements.encode())
        return outcome

    PostgresqlTarget.restore = damaged  # type: ignore[method-assign,assignment]


def damage_sqlite(statements: str) -> None:
    restore = SqliteTarget.restore

    def damaged(self: Any, *words: Any) -> RestoreOutcome:
        outcome = restore(self, *words)
        with closing(sqlite3.connect(self._file)) as connection:
            connection.executescript(statements)
        return outcome

    SqliteTarget.restore = damaged  # type: ignore[method-assign,assignment]


def roll_back() -> None:
    def pretended(self: Any, content: Any, *words: Any) -> RestoreOutcome:
        tables = [stream for stream in content.streams() if stream.spec.kind is StreamKind.TABLE]
        rows = sum(stream.rows or 0 for stream in tables)
        return RestoreOutcome(place=self.address, tables=len(tables), rows=rows, statements=1)

    PostgresqlTarget.restore = SqliteTarget.restore = pretended  # type: ignore[method-assign,assignment]


def swap(snapshot: str) -> None:
    def bring(self: Any, choices: Any) -> RestoreOutcome:
        located = self.located
        listed = choose(located.reached.repository, snapshot)
        reader = SnapshotReader(located.reached.repository, listed.link, [located.recipient])
        with closing(reader):
            outcome: RestoreOutcome = self.place.target.restore(SnapshotContent(reader), choices, self.means.observer)
            return outcome

    Restoring._bring = bring  # type: ignore[method-assign]


def leave_over() -> None:
    shutil.rmtree = lambda *words, **more: None  # type: ignore[assignment]


def take_tools_away() -> None:
    PostgresqlTools.candidates = lambda self: iter(())  # type: ignore[method-assign]


def fill_the_disk() -> None:
    vars(one_drill)["disk_of"] = lambda _path: Disk(free_bytes=1_000_000, total_bytes=10**12)


FAULTS = {
    "postgresql": damage_postgresql,
    "sqlite": damage_sqlite,
    "rolled-back": lambda _argument: roll_back(),
    "swapped": swap,
    "left-over": lambda _argument: leave_over(),
    "no-tools": lambda _argument: take_tools_away(),
    "no-room": lambda _argument: fill_the_disk(),
    "none": lambda _argument: None,
}

if __name__ == "__main__":
    fault, argument = sys.argv[1:3]
    sys.argv[1:3] = []
    FAULTS[fault](argument)
    main()
