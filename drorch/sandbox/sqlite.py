"""Fill a throw-away SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from drorch.errors import TargetRefused


def execute_steps(path: Path, steps: Iterable[tuple[str, Iterable[Any]]]) -> None:
    """Run each statement, once for every row of its parameters, or once when it has none; raise ``TargetRefused``."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement, rows in steps:
                parameters = iter(rows)
                first = next(parameters, None)
                if first is None:
                    connection.execute(statement)
                else:
                    connection.execute(statement, first)
                    connection.executemany(statement, parameters)
    except sqlite3.Error as error:
        raise TargetRefused(f"a statement failed in {path}", found=str(error)) from error
