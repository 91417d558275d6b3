"""A PostgreSQL database as the place of a restore."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from drorch.clock import Clock
from drorch.errors import DecisionNeeded, DrorchError, Interrupted, TargetError, TargetRefused, TargetUnreachable
from drorch.sources.interface import Content, Finding, Level, Observer, RestoreChoices, RestoreOutcome
from drorch.sources.postgresql import databases, facts
from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.connecting import connect
from drorch.sources.postgresql.databases import Occupation
from drorch.sources.postgresql.failures import ConnectionLost, StatementRefused
from drorch.sources.postgresql.into_schema import moved_entries
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.naming import COMPLETE, before_name, marker, side_name
from drorch.sources.postgresql.options import session_settings
from drorch.sources.postgresql.preflight import findings
from drorch.sources.postgresql.preflight_roles import roles_plan
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.quoting import identifier, literal
from drorch.sources.postgresql.replay import ReplayRules
from drorch.sources.postgresql.restore_database import DatabaseRestore, Restored
from drorch.sources.postgresql.restore_roles import make_roles
from drorch.sources.postgresql.restore_tables import TablesRestore, existing_tables, has_schema, selected_entries
from drorch.sources.postgresql.role_names import named_roles
from drorch.sources.postgresql.session import Session

_INDEX_MEMORY_KB = 256 * 1024  # what pg_restore's users set by hand; only ever raised
_MAINTENANCE = ("postgres", "template1")


class PostgresqlTarget:
    """See ``Target``. The database named by ``location`` is created if it does not exist."""

    def __init__(
        self,
        location: PostgresqlLocation,
        clock: Clock,
        *,
        application: str = "drorch",
        connect_timeout_seconds: int = 10,
    ) -> None:
        self._location = location.with_one_question()
        self._clock = clock
        self._application = application
        self._connect_timeout_seconds = connect_timeout_seconds
        if not location.database:
            raise TargetRefused(
                "the address names no database", hint="postgresql://host/NAME; NAME is created if it is not there"
            )

    @property
    def address(self) -> str:
        """See ``Target``."""
        return self._location.address

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``."""
        lifeline = Lifeline()
        with self._server(lifeline) as server, mapped_target("the preflight"):
            return self._findings(server, content, choices, lifeline)[0]

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``."""
        lifeline = Lifeline()
        progress = Progress(observer)
        with self._server(lifeline) as server:
            with mapped_target("the preflight"):
                found, occupied, needed = self._findings(server, content, choices, lifeline)
            _require_decided(found)
            with mapped_target("creating roles"):
                plan = roles_plan(server, content, needed, choices)
                told = make_roles(server, plan)
            try:
                outcome = self._one_way(server, content, choices, occupied, lifeline, progress)
            except BaseException:
                lifeline.end(Interrupted("the restore was stopped"))
                self._drop_roles(plan.created)
                raise
            return replace(outcome, by_hand=(*told, *outcome.by_hand))

    def _one_way(
        self,
        server: Session,
        content: Content,
        choices: RestoreChoices,
        occupied: Occupation,
        lifeline: Lifeline,
        progress: Progress,
    ) -> RestoreOutcome:
        if choices.tables and occupied.exists:
            return self._tables(content, choices, self._location.database, lifeline, progress, server)
        if occupied.exists and not choices.replace:
            return self._in_place(server, content, choices, lifeline, progress)
        return self._beside(server, content, choices, occupied, lifeline, progress)

    # -- preparation

    def _findings(
        self, server: Session, content: Content, choices: RestoreChoices, lifeline: Lifeline
    ) -> tuple[list[Finding], Occupation, list[str]]:
        if content.facts.get("engine") != facts.ENGINE:
            raise TargetRefused(
                "the snapshot is not of PostgreSQL", expected=facts.ENGINE, found=str(content.facts.get("engine"))
            )
        name = self._location.database
        present: list[Finding] = []
        needed = [str(role) for role in _sequence(content.facts.get("roles"))]
        extensions: frozenset[str] | None = None
        if choices.tables:
            chosen = selected_entries(content, choices.tables).entries
            moved_entries(chosen, choices.into_schema)  # whether they can be together in one schema
            needed = sorted({role for entry in chosen for role in named_roles(entry)})
            extensions = frozenset(entry.name for entry in chosen if entry.kind == "EXTENSION")
        if databases.exists(server, name):
            occupied, present = self._inside(server, choices, lifeline)
        else:
            occupied = databases.occupation(server, None, name)
        local = self._location.is_local
        found = findings(server, content, choices, occupied, needed, extensions=extensions, is_local=local)
        found += present
        return found, occupied, needed

    def _inside(self, server: Session, choices: RestoreChoices, lifeline: Lifeline) -> tuple[Occupation, list[Finding]]:
        """Look into the database; one that cannot be opened can still be replaced, for its name is the server's."""
        name = self._location.database
        try:
            inside = self._session(name, lifeline)
        except TargetError as error:
            if choices.tables:
                raise
            return databases.unopened(server, name, error.found or error.message), []
        with contextlib.closing(inside):
            return databases.occupation(server, inside, name), list(_in_the_way(inside, choices))

    # -- the three ways

    def _in_place(
        self, server: Session, content: Content, choices: RestoreChoices, lifeline: Lifeline, progress: Progress
    ) -> RestoreOutcome:
        """Fill an empty database that exists; until the end its comment says that it is not finished."""
        name = self._location.database
        with mapped_target("marking the database"):
            server.run(f"comment on database {identifier(name)} is {literal(marker(content.short_id))}")
        restored = self._fill(name, content, choices, lifeline, progress, server)
        comment = "null" if restored.comment is None else literal(restored.comment)
        with mapped_target("the comment of the database"):
            server.run(f"comment on database {identifier(name)} is {comment}")
        return self._outcome(restored, progress, ())

    def _beside(
        self,
        server: Session,
        content: Content,
        choices: RestoreChoices,
        occupied: Occupation,
        lifeline: Lifeline,
        progress: Progress,
    ) -> RestoreOutcome:
        """Fill a side database, then give it the name: whoever looks sees the old content or the new."""
        name = self._location.database
        side = side_name(name, content.short_id)
        with mapped_target("making the database"):
            databases.drop_leftovers(server, name, lambda side: self._is_empty(side, lifeline))
            databases.require_absent(server, side)
            databases.create_database(server, side, content.facts, choices, content.short_id)
        try:
            if choices.tables:
                outcome = self._tables(content, choices, side, lifeline, progress, server)
                restored = Restored(by_hand=list(outcome.by_hand), tables=outcome.tables)
            else:
                restored = self._fill(side, content, choices, lifeline, progress, server)
        except BaseException:
            self._drop(side)
            raise
        before = None
        if occupied.exists:
            with mapped_target("naming the old database"):
                before = databases.free_name(server, before_name(name, choices.started_at or self._clock.now()))
        self._swap(server, side, before, restored, choices)
        return self._outcome(restored, progress, databases.undo_statements(name, before) if before else ())

    def _swap(
        self, server: Session, side: str, before: str | None, restored: Restored, choices: RestoreChoices
    ) -> None:
        name = self._location.database
        try:
            databases.swap(
                server,
                name=name,
                side=side,
                before=before,
                comment=restored.comment,
                terminate=choices.terminate_sessions,
            )
        except (StatementRefused, ConnectionLost) as error:
            found = str(error)
            with contextlib.suppress(StatementRefused, ConnectionLost):
                server.run("rollback")
                server.run(f"comment on database {identifier(side)} is {literal(COMPLETE)}")
                found = ", ".join(databases.sessions_in(server, name)) or found
            raise TargetRefused(
                "the restored database could not take its name",
                expected=f"nobody in {name}",
                found=found,
                hint=f"--terminate-sessions ends them; the restored database is complete and is called {side}",
                still_good=f"{name} is as it was",
            ) from error

    def _fill(
        self,
        name: str,
        content: Content,
        choices: RestoreChoices,
        lifeline: Lifeline,
        progress: Progress,
        server: Session,
    ) -> Restored:
        with mapped_target("asking for roles"):
            roles = frozenset(row[0] or "" for row in server.run("select rolname from pg_catalog.pg_roles"))
        return DatabaseRestore(
            content,
            choices,
            self._rules(server, name, choices),
            name=name,
            make=lambda: self._session(name, lifeline),
            lifeline=lifeline,
            progress=progress,
            known_roles=roles,
        ).run()

    def _tables(
        self,
        content: Content,
        choices: RestoreChoices,
        name: str,
        lifeline: Lifeline,
        progress: Progress,
        server: Session,
    ) -> RestoreOutcome:
        rules = self._rules(server, name, choices)
        session = self._session(name, lifeline)
        try:
            restored = TablesRestore(content, choices, rules, session, progress).run()
        finally:
            session.close()
        return self._outcome(restored, progress, ())

    def _rules(self, server: Session, name: str, choices: RestoreChoices) -> ReplayRules:
        with mapped_target("asking for tablespaces"):
            default = databases.default_tablespace(server, name)
        return ReplayRules(
            mapping=choices.map_roles,
            no_owner=choices.no_owner,
            # The server refuses the default by its name for partitioned tables; unnamed it is the same place.
            tablespaces={old: new for old, new in choices.map_tablespaces.items() if new != default},
        )

    def _outcome(self, restored: Restored, progress: Progress, lines: tuple[str, ...]) -> RestoreOutcome:
        return RestoreOutcome(
            place=self.address,
            tables=restored.tables,
            rows=progress.rows,
            statements=progress.statements,
            lines=lines,
            by_hand=tuple(restored.by_hand),
        )

    # -- sessions

    @contextlib.contextmanager
    def _server(self, lifeline: Lifeline) -> Iterator[Session]:
        """Log in to a database that is not the target, so that the target can be renamed."""
        failure: DrorchError | None = None
        for name in _MAINTENANCE:
            try:
                session = self._session(name, lifeline)
            except TargetUnreachable as error:
                failure = failure or error
                continue
            try:
                yield session
            finally:
                session.close()
            return
        raise failure or TargetUnreachable("no database to log in to")

    def _session(self, database: str, lifeline: Lifeline) -> Session:
        with mapped_target(f"logging in to {self.address}"):
            session = connect(
                self._location.of_database(database),
                application=self._application,
                connect_timeout_seconds=self._connect_timeout_seconds,
                clock=self._clock,
                lifeline=lifeline,
            )
            try:
                session.run(
                    session_settings(session.server_version, lock_timeout_seconds=0) + "; set synchronous_commit = off"
                )
                _end_with_us(session)
                if (
                    int(
                        session.value("select setting from pg_catalog.pg_settings where name = 'maintenance_work_mem'")
                        or 0
                    )
                    < _INDEX_MEMORY_KB
                ):
                    session.run(f"set maintenance_work_mem = '{_INDEX_MEMORY_KB}kB'")
            except BaseException:
                session.close()
                raise
            return session

    def _is_empty(self, name: str, lifeline: Lifeline) -> bool:
        with contextlib.closing(self._session(name, lifeline)) as inside:
            return facts.user_objects(inside) == 0

    def _drop_roles(self, created: Sequence[str]) -> None:
        """Take back the roles of a restore that failed: the next one shall tell of them again. Who owns something stays."""
        if not created:
            return
        with contextlib.suppress(Exception), self._server(Lifeline()) as server:
            for role in created:
                with contextlib.suppress(StatementRefused):
                    server.run(f"drop role {identifier(role)}")

    def _drop(self, side: str) -> None:
        """Drop a side database that will not be finished; what cannot be dropped now carries the marker for later."""
        lifeline = Lifeline()  # the other one may have been cut
        with contextlib.suppress(Exception), self._server(lifeline) as server:
            databases.terminate_sessions(server, side)
            server.run(f"drop database if exists {identifier(side)}")


def _end_with_us(session: Session) -> None:
    """Have the server end a statement whose program is gone: an index that is being built keeps its database from being dropped."""
    if session.server_version >= 140_000:
        with contextlib.suppress(StatementRefused):  # its system cannot look
            session.run("set client_connection_check_interval = '1s'")


def _in_the_way(inside: Session, choices: RestoreChoices) -> Iterator[Finding]:
    """Yield what has the name of what is to come; only with ``--table``, for else the whole database is."""
    if choices.tables and choices.into_schema is None:
        for table in existing_tables(inside, choices.tables):
            remedy = "--into-schema NAME puts it beside; or rename it first"
            yield Finding(level=Level.STOP, text=f"table {table} exists already", remedy=remedy)
    elif choices.tables and has_schema(inside, choices.into_schema or ""):
        yield Finding(level=Level.STOP, text=f"schema {choices.into_schema} exists already", remedy="name a new one")


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _require_decided(found: Sequence[Finding]) -> None:
    stops = [finding for finding in found if finding.level in (Level.STOP, Level.FAIL)]
    if stops:
        raise DecisionNeeded(
            f"{len(stops)} {'thing stands' if len(stops) == 1 else 'things stand'} in the way of the restore",
            found="; ".join(finding.text for finding in stops),
            hint="; ".join(dict.fromkeys(finding.remedy for finding in stops if finding.remedy)),
            still_good="nothing was changed",
        )
