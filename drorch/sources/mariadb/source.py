"""A MariaDB database as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager

from drorch.clock import Clock
from drorch.errors import SourceError, SourceUnsupported
from drorch.quantities import counted, format_size
from drorch.sources.interface import Finding, Json, Level
from drorch.sources.mariadb.accounts import encode_accounts, read_accounts
from drorch.sources.mariadb.capture import MariadbCapture, Opened
from drorch.sources.mariadb.databases import occupation
from drorch.sources.mariadb.definitions import Kind
from drorch.sources.mariadb.failures import mapped
from drorch.sources.mariadb.inventory import Table, fits, read_tables
from drorch.sources.mariadb.location import MariadbLocation
from drorch.sources.mariadb.options import CaptureOptions, NonTransactional, RolesChoice, reading_settings
from drorch.sources.mariadb.quoting import PUBLIC, identifier, shown
from drorch.sources.mariadb.replica import findings as replica_findings
from drorch.sources.mariadb.replica import require_fresh
from drorch.sources.mariadb.rights import lacks, require_rights, version_of
from drorch.sources.mariadb.session import Session, connect
from drorch.sources.mariadb.snapshot import Snapshot, take_snapshot

ENGINE = "mariadb"
OLDEST_VERSION = (10, 6)
_SHOWN = 8


_OWN_SESSIONS = """
select count(*) from information_schema.processlist where command <> 'Sleep' and user = substring_index(user(), '@', 1)
"""


class MariadbSource:
    """See ``Source``. Nothing is written; redefining a table (ALTER, DROP, TRUNCATE) waits until the capture ends."""

    def __init__(self, location: MariadbLocation, options: CaptureOptions, clock: Clock) -> None:
        self._location = location.with_one_question()
        self._options = options
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``Source``."""
        return self._location.address

    @contextmanager
    def capture(self) -> Iterator[MariadbCapture]:
        """See ``Source``."""
        with ExitStack() as sessions:
            with mapped(f"logging in to {self.address}"):
                session = self._connect(sessions)
            with mapped("taking the snapshot"):
                opened = self._open(session, sessions)
            yield MariadbCapture(
                opened,
                address=self.address,
                clock=self._clock,
                max_age_seconds=self._options.max_snapshot_age_seconds,
            )

    def examine(self) -> Sequence[Finding]:
        """See ``Source``."""
        try:
            with ExitStack() as sessions, mapped(f"logging in to {self.address}"):
                session = self._connect(sessions)
                return [*self._about_server(session), *self._about_rights(session), *self._about_tables(session)]
        except SourceError as error:
            return [Finding(level=Level.FAIL, text=error.message + _found(error), remedy=error.hint)]

    def too_busy(self) -> str:
        """See ``SaysWhenBusy``; sessions of our own account are ours."""
        most = self._options.max_active_sessions
        if most is None:
            return ""
        with ExitStack() as sessions, mapped(f"asking {self.address} for its load"):
            session = self._connect(sessions)
            running = int(session.texts("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1])
            active = running - int(session.value(_OWN_SESSIONS))
        return f"{counted(active, 'session')} at work, at most {most}" if active > most else ""

    # -- capture

    def _connect(self, sessions: ExitStack) -> Session:
        options = self._options
        session = connect(
            self._location,
            settings=reading_settings(options.lock_timeout_seconds),
            connect_timeout_seconds=options.connect_timeout_seconds,
            stall_timeout_seconds=options.stall_timeout_seconds,
        )
        sessions.callback(session.close)
        require_version(session.server_version)
        return session

    def _enter(self, session: Session) -> None:
        """Use the database; an account without rights in it is told which, before the server just says no."""
        options, database = self._options, self._location.database
        require_rights(session, database, version_of(session.server_version), options.roles, options.non_transactional)
        session.run(f"USE {identifier(database)}")

    def _open(self, session: Session, sessions: ExitStack) -> Opened:
        options, database = self._options, self._location.database
        self._enter(session)
        require_fresh(session, options.max_lag_seconds)
        uncovered = self._uncovered(read_tables(session, database))
        locks = self._lock(uncovered, sessions)
        began = self._clock.monotonic_seconds()
        snapshot = take_snapshot(session, database)
        taken = [table for table in snapshot.tables if table.has_rows and not self._is_excluded(table)]
        _refuse_unlocked(taken, {table.name for table in uncovered})
        _refuse_transaction_numbers(taken)
        accounts, grantees = None, set[str]()
        if options.roles is not RolesChoice.NONE:
            documents, grants = read_accounts(session, database, snapshot.schema.definers(), options.roles)
            accounts = encode_accounts(documents)
            grantees = {grant.to for grant in grants} - {PUBLIC}
        return Opened(
            session=session,
            locks=locks,
            snapshot=snapshot,
            taken=taken,
            accounts=accounts,
            facts=self._facts(session, snapshot, sorted(grantees)),
            began_seconds=began,
        )

    def _is_excluded(self, table: Table) -> bool:
        return fits(table, self._location.database, self._options.exclude_data)

    def _uncovered(self, tables: Sequence[Table]) -> list[Table]:
        return [table for table in tables if table.has_rows and not table.is_covered and not self._is_excluded(table)]

    def _lock(self, uncovered: Sequence[Table], sessions: ExitStack) -> Session | None:
        """Keep writers from the tables that no snapshot covers, from now until they are read; refuse unless the policy says so."""
        if not uncovered:
            return None
        if self._options.non_transactional is NonTransactional.REFUSE:
            raise _not_covered(uncovered)
        session = self._connect(sessions)
        self._enter(session)
        session.run("LOCK TABLES " + ", ".join(f"{identifier(table.name)} READ" for table in uncovered))
        return session

    def _facts(self, session: Session, snapshot: Snapshot, grantees: list[str]) -> Mapping[str, Json]:
        options, database = self._options, self._location.database
        excluded = [table for table in snapshot.tables if table.has_rows and self._is_excluded(table)]
        unused = [
            pattern
            for pattern in options.exclude_data
            if not any(fits(table, database, [pattern]) for table in snapshot.tables)
        ]
        schema = snapshot.schema
        return {
            "engine": ENGINE,
            "server_version": session.server_version,
            "database": database,
            "encoding": schema.charset,
            "collation": schema.collation,
            "tables": sum(not table.is_sequence for table in snapshot.tables),
            "database_bytes": sum(table.size_bytes for table in snapshot.tables),
            "excluded_data": [table.name for table in excluded],
            "exclude_data_unused": unused,
            "binary_log": snapshot.position,
            "definers": schema.definers(),
            "grantees": grantees,
            "left_out": [f"rows of {one.name}: they are another server's" for one in schema.of(Kind.REMOTE_TABLE)],
            "locked_tables": [table.name for table in snapshot.tables if table in self._uncovered(snapshot.tables)],
            "tls": session.tls,
        }

    # -- doctor

    def _about_server(self, session: Session) -> Iterator[Finding]:
        encrypted = session.tls or ("a local socket" if self._location.is_local else "no TLS")
        yield Finding(level=Level.OK, text=f"{self.address}: server {session.server_version}, {encrypted}")
        if session.value("SELECT @@log_bin") != "1":
            yield Finding(level=Level.NOTE, text="the server keeps no binary log: no GTID is stored with snapshots")
        yield from replica_findings(session, self._options.max_lag_seconds)

    def _about_rights(self, session: Session) -> Iterator[Finding]:
        options = self._options
        found = lacks(
            session,
            self._location.database,
            version_of(session.server_version),
            options.roles,
            options.non_transactional,
        )
        for lack in found:
            yield Finding(level=Level.FAIL, text=lack.text, remedy=f"{lack.grant} TO the account")
        name = self._location.database
        if not found and not occupation(session, name).exists:
            yield Finding(level=Level.FAIL, text=f"database {shown(name)} does not exist", remedy="check its name")
        elif not found:
            yield Finding(level=Level.OK, text="the account may read everything that is captured")

    def _about_tables(self, session: Session) -> Iterator[Finding]:
        tables = read_tables(session, self._location.database)
        size = format_size(sum(table.size_bytes for table in tables))
        yield Finding(level=Level.OK, text=f"{self._location.database}: {_counted(tables)}, {size}")
        uncovered = self._uncovered(tables)
        if uncovered:
            is_locking = self._options.non_transactional is NonTransactional.LOCK
            told = f"not transactional: {_listed(uncovered)}"
            if is_locking:
                yield Finding(level=Level.NOTE, text=f"{told}; nobody can write to them until they are read")
            else:
                yield Finding(level=Level.FAIL, text=told, remedy=_REMEDY)
        for table in tables:
            if table.is_remote:
                text = f"{table.name} ({table.engine}) shows another server's rows: they are not captured"
                yield Finding(level=Level.NOTE, text=text)
            if table.by_transaction and not self._is_excluded(table):
                yield Finding(level=Level.FAIL, text=f"{table.name}: history by transaction number", remedy=_BY_NUMBER)


_REMEDY = (
    "ALTER TABLE ... ENGINE=InnoDB; or `non_transactional: lock` in the policy (writers wait until they are read);"
    " or `exclude_data`"
)
_BY_NUMBER = (
    "numbers of transactions mean nothing on another server: version the table by TIMESTAMP(6), or `exclude_data`"
)


def require_version(text: str) -> None:
    """Raise ``SourceUnsupported`` for a server that is too old, or is no MariaDB."""
    if "mariadb" not in text.lower():
        raise SourceUnsupported("the server is not MariaDB", expected="MariaDB 10.6 or newer", found=text[:60])
    if version_of(text) < OLDEST_VERSION:
        raise SourceUnsupported("the server is too old", expected="MariaDB 10.6 or newer", found=text[:60])


def _refuse_unlocked(taken: Sequence[Table], locked: AbstractSet[str]) -> None:
    new = [table for table in taken if not table.is_covered and table.name not in locked]
    if new:  # made between the first look and the snapshot
        raise _not_covered(new)


def _refuse_transaction_numbers(tables: Sequence[Table]) -> None:
    found = [table for table in tables if table.by_transaction]
    if found:
        raise SourceUnsupported(
            f"the history of {_listed(found)} is kept by transaction number", expected="TIMESTAMP(6)", hint=_BY_NUMBER
        )


def _not_covered(tables: Sequence[Table]) -> SourceUnsupported:
    return SourceUnsupported(
        f"{len(tables)} {'table is' if len(tables) == 1 else 'tables are'} not transactional: {_listed(tables)}",
        expected="InnoDB: a snapshot shows its rows as of one moment",
        found=", ".join(sorted({table.engine for table in tables})),
        hint=_REMEDY,
    )


def _counted(tables: Sequence[Table]) -> str:
    return "1 table" if len(tables) == 1 else f"{len(tables)} tables"


def _listed(tables: Sequence[Table]) -> str:
    named = ", ".join(shown(table.name) for table in tables[:_SHOWN])
    return named + (f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else "")


def _found(error: SourceError) -> str:
    return f": {error.found}" if error.found else ""
