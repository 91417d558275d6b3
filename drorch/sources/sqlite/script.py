"""Running statements on a SQLite file that is ours to write: the demonstration's legacy database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from drorch.sources.sqlite.faults import writing


def run_steps(path: Path, steps: Iterable[tuple[str, Iterable[tuple[object, ...]]]]) -> None:
    """Run each statement once, or with each of its rows; transactions are those that the steps say.

    Raises:
        TargetError: SQLite or the disk refused something.
    """
    with writing(str(path)), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement, rows in steps:
            if rows == ():
                connection.execute(statement).fetchall()
            else:
                connection.executemany(statement, rows)
