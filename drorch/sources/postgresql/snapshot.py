"""The exported snapshot and the sessions that read it.

The exporting session first locks every table (ACCESS SHARE, what any reader takes) and only then takes its snapshot: a
TRUNCATE or a rewrite is then wholly before or wholly after, never half seen. It holds the locks to the end, so reading sessions
can give theirs back after a few tables.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from drorch.errors import SourceLocked
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.inventory import lockable_relations
from drorch.sources.postgresql.session import Session

BEGIN = "begin transaction isolation level repeatable read, read only"
_TABLES_AT_ONCE = 200
_LENT_IN_A_TRANSACTION = 16  # to begin and end one for each of fifty thousand tables takes as long as reading them
_ATTEMPTS = 5  # while somebody creates tables faster than they can be locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An exported snapshot: its identifier, its moment, and how many tables are held."""

    identifier: str
    taken_at: datetime
    locked_tables: int


def take_snapshot(session: Session) -> Snapshot:
    """Lock all tables, take and export the snapshot; raise ``StatementRefused`` or ``SourceLocked``.

    ``taken_at`` is the start of the statement that took the snapshot: whatever was committed before is in it.
    """
    for _attempt in range(_ATTEMPTS):
        wanted = lockable_relations(session)
        session.run(BEGIN)
        if _lock(session, [name for _oid, name in wanted]):
            identifier, moment = session.run(
                "select pg_catalog.pg_export_snapshot(), extract(epoch from pg_catalog.statement_timestamp())::text"
            )[0]
            if _all_held(session):
                return Snapshot(
                    identifier=identifier or "", taken_at=moment_of(moment or "0"), locked_tables=len(wanted)
                )
        session.run("rollback")
    raise SourceLocked(
        "tables come and go faster than they can be locked",
        found=f"{_ATTEMPTS} attempts",
        hint="run again when fewer tables are created or dropped",
    )


def moment_of(epoch_seconds: str) -> datetime:
    """Return the aware UTC time of a PostgreSQL ``extract(epoch ...)``, to the microsecond."""
    whole, _, fraction = epoch_seconds.partition(".")
    return datetime.fromtimestamp(int(whole), UTC).replace(microsecond=int(fraction[:6].ljust(6, "0") or 0))


def _lock(session: Session, names: list[str]) -> bool:
    """Lock the tables; return whether all still existed."""
    for start in range(0, len(names), _TABLES_AT_ONCE):
        some = ", ".join(f"only {name}" for name in names[start : start + _TABLES_AT_ONCE])
        try:
            session.run(f"lock table {some} in access share mode")
        except StatementRefused as error:
            if error.state in ("42P01", "3F000"):
                return False
            raise
    return True


def _all_held(session: Session) -> bool:
    held = {
        row[0]
        for row in session.run(
            "select relation from pg_catalog.pg_locks where pid = pg_catalog.pg_backend_pid() and locktype = 'relation' and granted"
        )
    }
    return all(str(oid) in held for oid, _name in lockable_relations(session))


@dataclass(slots=True)
class _Reader:
    """A session, and how often it was lent since its transaction began."""

    session: Session
    lent: int = 0


class Readers:
    """Sessions that import the snapshot; each is lent to one thread at a time and made when none is free.

    Whoever needs a session gets one; ``most`` is how many should be at work at once, which those that could do without keep to.
    """

    def __init__(self, make: Callable[[], Session], identifier: str, most: int) -> None:
        self.most = most
        self._make = make
        self._identifier = identifier
        self._lock = threading.Lock()
        self._lent = 0
        self._free: list[_Reader] = []
        self._all: list[_Reader] = []

    @property
    def has_spare(self) -> bool:
        """Whether one more may be at work."""
        return self._lent < self.most

    @contextlib.contextmanager
    def lend(self) -> Iterator[Session]:
        """Lend a session in a transaction of the snapshot. One that was left in the middle is not lent again."""
        with self._lock:
            self._lent += 1
        try:
            reader = self._take()
            try:
                if reader.lent == 0:
                    reader.session.run(f"{BEGIN}; set transaction snapshot '{self._identifier}'")
                yield reader.session
                reader.lent = (reader.lent + 1) % _LENT_IN_A_TRANSACTION
                if reader.lent == 0:
                    reader.session.run("commit")  # gives the tables' locks back
            except BaseException:
                with self._lock:
                    self._all.remove(reader)
                reader.session.close()
                raise
            with self._lock:
                self._free.append(reader)
        finally:
            with self._lock:
                self._lent -= 1

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            for reader in self._all:
                reader.session.close()
            self._all, self._free = [], []

    def _take(self) -> _Reader:
        with self._lock:
            if self._free:
                return self._free.pop()
        reader = _Reader(self._make())
        with self._lock:
            self._all.append(reader)
        return reader
