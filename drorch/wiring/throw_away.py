"""Throw-away servers and files; see ``sandbox``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drorch.clock import Clock

if TYPE_CHECKING:
    from drorch.sandbox.interface import ThrowAwayMariadb, ThrowAwayServer, TreeEntry


def fill_sqlite(path: Path, steps: Iterable[tuple[str, Iterable[Any]]]) -> None:
    """Run statements in a throw-away SQLite file; see ``sandbox.sqlite``."""
    from drorch.sandbox.sqlite import execute_steps

    execute_steps(path, steps)


def throw_away_postgresql(parent: Path) -> AbstractContextManager[ThrowAwayServer]:
    """Return a throw-away server below ``parent``, not started yet; see ``sandbox.postgresql``."""
    from drorch.sandbox.postgresql import throw_away_postgresql as server

    return server(parent)


def throw_away_mariadb(parent: Path, clock: Clock) -> AbstractContextManager[ThrowAwayMariadb]:
    """Return a throw-away server below ``parent``, not started yet; see ``sandbox.mariadb``."""
    from drorch.sandbox.mariadb import throw_away_mariadb as server

    return server(parent, clock)


def make_firebird(database: Path, script: bytes, locks: Path) -> None:
    """Make a throw-away Firebird database; see ``sandbox.firebird``."""
    from drorch.sandbox.firebird import make_firebird as make

    make(database, script, locks)


def write_tree(root: Path, entries: Iterable[TreeEntry]) -> None:
    """Write a throw-away tree of files; see ``sandbox.tree``."""
    from drorch.sandbox.tree import write_tree as write

    write(root, entries)
