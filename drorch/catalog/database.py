"""One open database with short transactions for reading and for writing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from drorch.catalog.complaints import translated

WRITING = "drorch_writing"  # the execution option of a transaction that writes

# The pool logs with a traceback what Ctrl-C breaks, and raises it too; without a handler Python would print that on the terminal.
logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())


class Database:
    """An engine and what people call it. Safe to use from several threads: each transaction has its own connection."""

    def __init__(self, engine: Engine, address: str) -> None:
        self._engine = engine
        self._address = address

    @property
    def address(self) -> str:
        """See ``Catalog``."""
        return self._address

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees one state; only our errors leave."""
        with translated(self._address), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that commits, durably, when the block ends without an error.

        In SQLite there is one writer at a time, from the first statement on; in PostgreSQL rows are locked
        as they are touched, so what is read to be changed is read FOR UPDATE.
        """
        with translated(self._address), self._engine.connect() as connection:
            connection.execution_options(**{WRITING: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """See ``Catalog``."""
        self._engine.dispose()


@contextmanager
def disposed_on_error(engine: Engine) -> Iterator[None]:
    """Let the engine go when the block that opens a catalog fails."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise
