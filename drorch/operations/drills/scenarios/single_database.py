"""A database is lost, and brought back from one copy."""

from __future__ import annotations

from dataclasses import replace

from drorch.operations.choose import choose
from drorch.operations.drills.place import DRILL_CHOICES
from drorch.operations.drills.scenarios.reached import Asked, Reached, from_one_store, selection_of


def single_database(asked: Asked) -> Reached:
    """Return the snapshot that is wanted, in the store that was said; the latest is the latest of all stores, wherever it is read.

    Raises what ``choose`` raises, and ``SnapshotUnknown`` when that store has not this very snapshot.
    """
    chosen = choose(asked.repository, asked.wanted)
    repository, store = from_one_store(asked.repository, chosen, asked.store)
    return Reached(repository=repository, snapshot=chosen, store=store, selection=selection_of(asked.wanted))


def one_table(asked: Asked, tables: tuple[str, ...]) -> Reached:
    """Return the same for some tables alone, ``SCHEMA.TABLE``."""
    return replace(single_database(asked), choices=replace(DRILL_CHOICES, tables=tables))
