"""The environment of this process: read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

# What libpq passes on to every session: meant for psql, and it would change what is read, written or asked. What leads to a server and logs in there counts.
_OF_SESSIONS = ("PGOPTIONS", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGTARGETSESSIONATTRS")


def process_environment() -> Mapping[str, str]:
    """Return the environment of this process as it is now."""
    return MappingProxyType(dict(os.environ))


def wants_traceback() -> bool:
    """Whether a developer asked for Python's own words on a fault of ours (``DRORCH_TRACEBACK`` is set)."""
    return "DRORCH_TRACEBACK" in os.environ


def forget_session_variables() -> None:
    """Take from this process what nobody asked drorch for and what would reach its sessions of PostgreSQL; before there are threads."""
    for name in _OF_SESSIONS:
        os.environ.pop(name, None)
