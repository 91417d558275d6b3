"""The reader of COPY rows that works in C, for connections that psycopg's own copy of libpq has made."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from psycopg import pq
from psycopg.pq.abc import PGconn

from drorch.native.rows import LIBRARY, Libpq, RowReader, libpq_functions

_BUNDLED = "psycopg_binary"


def row_reader(connection: PGconn) -> RowReader | None:
    """Return a reader for the COPY that has begun on ``connection``; ``None`` when this installation has none."""
    libpq = _libpq()
    address = getattr(connection, "pgconn_ptr", None)
    if LIBRARY is None or libpq is None or address is None:
        return None
    return RowReader(LIBRARY, libpq, address)


@cache
def _libpq() -> Libpq | None:
    spec = find_spec(_BUNDLED) if pq.__impl__ == "binary" else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent.with_name(f"{_BUNDLED}.libs")
    found = [libpq_functions(path, os.RTLD_NOW | os.RTLD_NOLOAD) for path in folder.glob("libpq-*")]
    return found[0] if len(found) == 1 else None
