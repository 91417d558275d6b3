"""The composition root: settings -> stores, sources, targets, catalog, keys. The only importer of implementations.

Implementations are imported where they are made, so that a command loads only what it uses (boto3 takes a third of a second).
Entry points import from here; what is made of what stands in ``stores``, ``engines``, ``targets``, ``keys``, ``catalogs``.
"""

from __future__ import annotations

from drorch.wiring.drills import Drills
from drorch.wiring.machine import (
    claim_lives,
    host_name,
    is_terminal,
    liveness,
    machine_id,
    random_bytes,
    room_for_drills,
    this_machine,
)
from drorch.wiring.messages import Messages
from drorch.wiring.shipped import bucket_policy, evidence_helpers, help_files, independent_comparer
from drorch.wiring.stores import nothing_named
from drorch.wiring.throw_away import (
    fill_sqlite,
    make_firebird,
    throw_away_mariadb,
    throw_away_postgresql,
    write_tree,
)

__all__ = [
    "Wiring",
    "bucket_policy",
    "claim_lives",
    "evidence_helpers",
    "fill_sqlite",
    "help_files",
    "host_name",
    "independent_comparer",
    "is_terminal",
    "liveness",
    "machine_id",
    "make_firebird",
    "nothing_named",
    "random_bytes",
    "room_for_drills",
    "this_machine",
    "throw_away_mariadb",
    "throw_away_postgresql",
    "write_tree",
]


class Wiring(Drills, Messages):
    """Everything that one command uses, made on demand and closed at the end (it is a context manager)."""
