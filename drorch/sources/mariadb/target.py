"""A MariaDB database as the place of a restore."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from drorch.clock import Clock
from drorch.errors import DecisionNeeded, TargetRefused
from drorch.quantities import counted
from drorch.sources.interface import Content, Finding, Level, Observer, RestoreChoices, RestoreOutcome
from drorch.sources.mariadb import databases
from drorch.sources.mariadb.databases import Occupation, before_name, free_name, occupation, side_name
from drorch.sources.mariadb.definitions import PROGRAMS, Kind, Schema
from drorch.sources.mariadb.failures import mapped_target
from drorch.sources.mariadb.load import Loader
from drorch.sources.mariadb.location import MariadbLocation
from drorch.sources.mariadb.options import writing_settings
from drorch.sources.mariadb.preflight import ask, by_hand, existing_accounts, findings, missing_accounts, refuse_foreign
from drorch.sources.mariadb.programs import drop_statement, make_programs
from drorch.sources.mariadb.quoting import account, identifier
from drorch.sources.mariadb.selection import Selection, select
from drorch.sources.mariadb.session import Session, connect
from drorch.sources.mariadb.source import require_version
from drorch.sources.mariadb.switch import Plan, give_rights, old_schema, recover, switch


class MariadbTarget:
    """See ``Target``. The database named by ``location`` is made if it does not exist.

    Everything is restored into a side database first and compared there. Tables take their names by one statement, whole
    or not at all; ``switch`` says what happens to the rest, and what a killed restore leaves. ``RestoreChoices`` about locales
    and jobs mean nothing here.
    """

    def __init__(
        self,
        location: MariadbLocation,
        clock: Clock,
        *,
        connect_timeout_seconds: int = 10,
        stall_timeout_seconds: int = 3_600,
        lock_timeout_seconds: int = 30,
    ) -> None:
        self._location = location.with_one_question()
        self._clock = clock
        self._connect_timeout_seconds = connect_timeout_seconds
        self._stall_timeout_seconds = stall_timeout_seconds
        self._lock_timeout_seconds = lock_timeout_seconds
        if not location.database:
            raise TargetRefused(
                "the address names no database", hint="mariadb://host/NAME; NAME is made if it is not there"
            )

    @property
    def address(self) -> str:
        """See ``Target``."""
        return self._location.address

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``."""
        refuse_foreign(content)
        selection = select(content, choices.tables)
        with self._session() as session, mapped_target("the preflight"):
            return self._findings(session, content, selection, choices)

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``."""
        refuse_foreign(content)
        selection = select(content, choices.tables)
        name = self._location.database
        with self._session() as session:
            with mapped_target("the preflight"):
                _require_decided(self._findings(session, content, selection, choices))
            with mapped_target("finishing an earlier restore"):
                told = [
                    line for side in databases.our_leftovers(session, name) for line in recover(session, side, name)
                ]
                _require_decided(self._findings(session, content, selection, choices))
            with mapped_target("making accounts"):
                told += self._make_accounts(session, selection, choices)
            side = side_name(name, content.short_id)
            try:
                loader = self._fill(session, side, content, selection, choices, observer)
                with mapped_target("looking at the old database"):
                    if choices.terminate_sessions:
                        databases.end_sessions(session, name)
                    plan = self._plan(session, side, selection, choices)
                with mapped_target(f"giving the restored tables the name {name}"):
                    told += switch(session, plan, terminate=choices.terminate_sessions)
                    told += self._give_rights(session, selection, choices)
            except BaseException:
                session.close()  # it may hold what it was writing to, and the cleaning would wait for it until it gives up
                self._clean(side)
                raise
        return RestoreOutcome(
            place=self.address,
            tables=len(selection.schema.of(Kind.TABLE)),
            rows=loader.rows,
            statements=loader.statements,
            lines=_lines(plan),
            by_hand=(*by_hand(selection, choices), *told),
        )

    # -- preparation

    def _findings(
        self, session: Session, content: Content, selection: Selection, choices: RestoreChoices
    ) -> list[Finding]:
        name = self._location.database
        server = ask(session, name, occupation(session, name))
        return findings(session, content, selection, choices, name, server)

    def _make_accounts(self, session: Session, selection: Selection, choices: RestoreChoices) -> list[str]:
        if not choices.create_roles and not choices.create_logins:
            return []
        told = []
        there = existing_accounts(session)
        for name in missing_accounts(selection, choices, there):
            login = selection.accounts.logins.get(name) if choices.create_logins else None
            if name in selection.accounts.roles:
                session.run(f"CREATE ROLE {account(name)}")
            elif login is not None:
                session.run(f"CREATE USER {account(name)} {login}")
            else:
                session.run(f"CREATE USER {account(name)} ACCOUNT LOCK")
                told.append(f"account {name} was made without a password and is locked")
        there = existing_accounts(session) or frozenset()
        for role, member, is_admin in selection.accounts.memberships:
            if {role, member} <= there:
                option = " WITH ADMIN OPTION" if is_admin else ""
                session.run(f"GRANT {account(role)} TO {account(member)}{option}")
        return told

    # -- the side database

    def _fill(
        self,
        session: Session,
        side: str,
        content: Content,
        selection: Selection,
        choices: RestoreChoices,
        observer: Observer,
    ) -> Loader:
        """Make, fill and compare everything beside the target, and prove that its programs can be made."""
        with mapped_target("making the side database"):
            if occupation(session, side).exists:
                raise TargetRefused(
                    f"a database {side} exists, and it is not drorch's",
                    expected="that name to be free",
                    hint="drop or rename it",
                    still_good=f"{self._location.database} is as it was",
                )
            databases.create_side(session, side, selection.schema)
            session.run(f"USE {identifier(side)}")
        loader = Loader(session, content, selection, observer, side)
        loader.run()
        with mapped_target("making views, routines, triggers and events"):
            programs = selection.schema.of(*PROGRAMS)
            definers = _definers(selection, choices)
            made = make_programs(session, side, programs, lambda one: definers.get(one, one))
            loader.statements += made.statements
            observer.advance("programs", made.statements, len(programs), "statements")
            for trigger in selection.schema.of(Kind.TRIGGER):
                session.run(drop_statement(trigger))
        return loader

    def _plan(self, session: Session, side: str, selection: Selection, choices: RestoreChoices) -> Plan:
        name = self._location.database
        occupied = occupation(session, name)
        if not occupied.exists:
            schema = selection.schema
            session.run(f"CREATE DATABASE {identifier(name)} CHARACTER SET {schema.charset} COLLATE {schema.collation}")
        nothing = Schema(database=name, charset="", collation="")
        before = None
        old = nothing
        if selection.is_whole and not occupied.is_empty:
            _require_replace(choices, name, occupied)
            old = old_schema(session, name)
            before = free_name(session, before_name(name, choices.started_at or self._clock.now()))
            session.run(f"CREATE DATABASE {identifier(before)} CHARACTER SET {old.charset} COLLATE {old.collation}")
        return Plan(
            name=name,
            side=side,
            before=before,
            new=selection.schema,
            old=old,
            definers=_definers(selection, choices),
            keeps=not selection.is_whole and occupied.exists,
        )

    def _give_rights(self, session: Session, selection: Selection, choices: RestoreChoices) -> list[str]:
        if choices.no_owner:
            return []
        there = existing_accounts(session)
        to: dict[str, str | None] = {}
        for grant in selection.accounts.grants:
            wanted = choices.map_roles.get(grant.to, grant.to)
            to[grant.to] = wanted if there is None or wanted in there else None
        return give_rights(session, self._location.database, selection.accounts.grants, to)

    def _clean(self, side: str) -> None:
        """Undo or finish what an error left; what cannot be reached now is finished by the next restore."""
        with contextlib.suppress(Exception), self._session() as session:
            recover(session, side, self._location.database)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        with mapped_target(f"logging in to {self.address}"):
            session = connect(
                self._location,
                settings=writing_settings(self._lock_timeout_seconds),
                connect_timeout_seconds=self._connect_timeout_seconds,
                stall_timeout_seconds=self._stall_timeout_seconds,
            )
        try:
            require_version(session.server_version)
            yield session
        finally:
            session.close()


def _definers(selection: Selection, choices: RestoreChoices) -> dict[str, str | None]:
    """Return whom programs shall run as: as before, as mapped, or as whoever restores."""
    return {one: None if choices.no_owner else choices.map_roles.get(one, one) for one in selection.schema.definers()}


def _require_replace(choices: RestoreChoices, name: str, occupied: Occupation) -> None:
    if not choices.replace:  # it filled up while we worked
        raise DecisionNeeded(
            f"{name} is not empty any more",
            found=counted(len(occupied.names), "table"),
            hint="--replace keeps it beside",
        )


def _require_decided(found: Sequence[Finding]) -> None:
    stops = [finding for finding in found if finding.level in (Level.STOP, Level.FAIL)]
    if stops:
        raise DecisionNeeded(
            f"{len(stops)} {'thing stands' if len(stops) == 1 else 'things stand'} in the way of the restore",
            found="; ".join(finding.text for finding in stops),
            hint="; ".join(dict.fromkeys(finding.remedy for finding in stops if finding.remedy)),
            still_good="nothing was changed",
        )


def _lines(plan: Plan) -> tuple[str, ...]:
    """Return how to go back."""
    if plan.before is None:
        return ()
    return (
        f"the old database is {plan.before}, with its views, routines and triggers;",
        "its events are disabled there. MariaDB renames no database: to go back,",
        f"back up {plan.before} and restore it with --replace to {plan.name},",
        "or move its tables by RENAME TABLE, after dropping the triggers of both",
    )
