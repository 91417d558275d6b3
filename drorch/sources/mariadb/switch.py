"""Giving a restored side database its name, and finishing what a killed restore left in the middle of it.

MariaDB cannot rename a database. Tables and sequences change places by one ``RENAME TABLE``, old ones out and new ones in, which
is done whole or not at all, a crash of the server included. It refuses tables with triggers, so the old triggers are dropped
before it; all other programs (views, routines, triggers, events) are made anew after it. Before the first of these
statements everything that is needed to go on, or back, is written into a journal in the side database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from drorch.errors import ObjectCorrupt
from drorch.sources.mariadb.accounts import Grant
from drorch.sources.mariadb.databases import drop_marked, end_sessions, occupation, take_settings
from drorch.sources.mariadb.defaults import point_defaults
from drorch.sources.mariadb.definitions import PROGRAMS, Definition, Kind, Schema, decode_schema, encode_schema
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.inventory import read_names, read_tables
from drorch.sources.mariadb.programs import drop_statement, make_programs
from drorch.sources.mariadb.quoting import identifier, literal, qualified
from drorch.sources.mariadb.reading import read_schema
from drorch.sources.mariadb.session import Session

JOURNAL = "drorch: journal of a restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What changes places. ``before`` is where the old content goes; ``None``: there is none.

    ``definers`` maps the accounts that programs run as; ``None`` is whoever restores. ``keeps``: what is in ``name`` stays
    (single tables come into a database that lives).
    """

    name: str
    side: str
    before: str | None
    new: Schema
    old: Schema
    definers: Mapping[str, str | None] = field(default_factory=dict)
    keeps: bool = False

    def definer(self, account: str) -> str | None:
        """Return whom a program shall run as."""
        return self.definers.get(account, account)


def old_schema(session: Session, name: str) -> Schema:
    """Return the definitions of what stands under ``name`` now; raise what a session raises."""
    session.run(f"USE {identifier(name)}")
    return read_schema(session, name, read_tables(session, name))


def switch(session: Session, plan: Plan, *, terminate: bool) -> list[str]:
    """Let the content of ``side`` take the name; return what could not be made. Raises what a session raises.

    When it raises before the tables have changed places, everything is as it was.
    """
    write_journal(session, plan)
    try:
        _clear_the_way(session, plan)
        if terminate:
            end_sessions(session, plan.name)
        renames = _renames(session, plan)
        if renames:
            session.run("RENAME TABLE " + ", ".join(renames))
    except ServerRefused:
        go_back(session, plan)
        raise
    return go_on(session, plan)


def _renames(session: Session, plan: Plan) -> list[str]:
    moves: list[str] = []
    if plan.before is not None:
        moves += [
            f"{qualified(plan.name, name)} TO {qualified(plan.before, name)}"
            for name, kind, _ in read_names(session, plan.name)
            if kind != "VIEW"
        ]
    return moves + [
        f"{qualified(plan.side, name)} TO {qualified(plan.name, name)}"
        for name, kind, _ in read_names(session, plan.side)
        if kind != "VIEW" and name != JOURNAL
    ]


def _clear_the_way(session: Session, plan: Plan) -> None:
    """Drop what ``RENAME TABLE`` stumbles over: triggers of the old tables, and old views that have the name of a new table."""
    if plan.before is None:
        return
    session.run(f"USE {identifier(plan.name)}")
    for trigger in plan.old.of(Kind.TRIGGER):
        session.run(drop_statement(trigger))
    tables = {one.name for one in plan.new.of(Kind.TABLE, Kind.SEQUENCE)}
    for view in plan.old.of(Kind.VIEW):
        if view.name in tables:
            session.run(drop_statement(view))


def go_back(session: Session, plan: Plan) -> None:
    """Make again what was dropped in ``name`` before the tables changed places; raise what a session raises."""
    if plan.before is None:
        return
    make_programs(session, plan.name, _missing(session, plan), lambda account: account, lenient=True)
    found = occupation(session, plan.before)
    if found.exists and found.is_empty:
        session.run(f"DROP DATABASE {identifier(plan.before)}")


def _missing(session: Session, plan: Plan) -> list[Definition]:
    triggers = session.texts(
        f"SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = {literal(plan.name)}"
    )
    there = {(Kind.TRIGGER, name) for (name,) in triggers}
    there |= {(Kind.VIEW, name) for name, kind, _ in read_names(session, plan.name) if kind == "VIEW"}
    return [one for one in plan.old.of(Kind.VIEW, Kind.TRIGGER) if (one.kind, one.name) not in there]


def go_on(session: Session, plan: Plan) -> list[str]:
    """Make the programs on both sides of the move; return what could not be made. May be done twice. Raises what a session raises."""
    told: list[str] = []
    if not plan.keeps:
        take_settings(session, plan.name, plan.new)
    point_defaults(session, plan.name, plan.side)
    if plan.before is not None:
        point_defaults(session, plan.before, plan.name)
    made = make_programs(session, plan.name, plan.new.of(*PROGRAMS), plan.definer, lenient=True)
    told += [f"{one.kind.value} {one.name} could not be made ({why}): {one.sql}" for one, why in made.refused]
    if plan.before is not None:
        kept = {(one.kind, one.name) for one in plan.new.of(*PROGRAMS)}
        session.run(f"USE {identifier(plan.name)}")
        for one in plan.old.of(*(kind for kind in PROGRAMS if kind is not Kind.TRIGGER)):
            if (one.kind, one.name) not in kept and not _is_taken(plan, one.name, one.kind):
                session.run(drop_statement(one))
        moved = make_programs(session, plan.before, plan.old.of(*PROGRAMS), lambda account: account, lenient=True)
        told += [
            f"{one.kind.value} {one.name} of the old database could not be made in {plan.before} ({why}): {one.sql}"
            for one, why in moved.refused
        ]
    drop_marked(session, plan.side)
    return told


def _is_taken(plan: Plan, name: str, kind: Kind) -> bool:
    """Tell whether a new table has the name of an old view, which then is gone already."""
    return kind is Kind.VIEW and any(one.name == name for one in plan.new.of(Kind.TABLE, Kind.SEQUENCE))


def give_rights(session: Session, database: str, grants: tuple[Grant, ...], to: Mapping[str, str | None]) -> list[str]:
    """Grant what the snapshot says to the accounts in ``to``; return what was refused. Raises ``ConnectionLost``."""
    told = []
    for grant in grants:
        account = to.get(grant.to)
        if account is None:
            continue
        try:
            session.run(grant.statement(database, account))
        except ServerRefused as error:
            told.append(f"{grant.statement(database, account)} was refused ({error})")
    return told


# -- the journal


def write_journal(session: Session, plan: Plan) -> None:
    """Write down everything that is needed to go on or back; raise what a session raises."""
    place = qualified(plan.side, JOURNAL)
    document = {
        "name": plan.name,
        "before": plan.before,
        "definers": dict(plan.definers),
        "keeps": plan.keeps,
        "new": encode_schema(plan.new).decode("ascii"),
        "old": encode_schema(plan.old).decode("ascii"),
    }
    text = json.dumps(document).encode("ascii")
    session.run(f"CREATE TABLE {place} (part INT PRIMARY KEY, text LONGBLOB NOT NULL) ENGINE=InnoDB")
    session.run("START TRANSACTION")  # the journal is there whole or not at all
    for part, start in enumerate(range(0, len(text), 1 << 18)):
        session.run(f"INSERT INTO {place} VALUES ({part}, x'{text[start : start + (1 << 18)].hex()}')")
    session.run("COMMIT")


def read_journal(session: Session, side: str) -> Plan | None:
    """Return the plan that a killed restore had begun to carry out; ``None`` if it had not come so far."""
    if JOURNAL not in {name for name, _, _ in read_names(session, side)}:
        return None
    parts = session.run(f"SELECT text FROM {qualified(side, JOURNAL)} ORDER BY part")
    if not parts:
        return None
    try:
        document = json.loads(b"".join(part for (part,) in parts if part is not None))
        return Plan(
            name=document["name"],
            side=side,
            before=document["before"],
            new=decode_schema([document["new"].encode("ascii")]),
            old=decode_schema([document["old"].encode("ascii")]),
            definers=document["definers"],
            keeps=document["keeps"],
        )
    except (ValueError, KeyError, AttributeError) as error:
        raise ObjectCorrupt(f"the journal in {side} cannot be read") from error


def recover(session: Session, side: str, name: str) -> list[str]:
    """Finish or undo what a killed restore left in ``side``, and drop it; return what could not be made.

    Raises what a session raises.
    """
    plan = read_journal(session, side)
    if plan is None or plan.name != name:
        drop_marked(session, side)
        return []
    if _has_moved(session, plan):
        return go_on(session, plan)
    go_back(session, plan)
    drop_marked(session, side)
    return []


def _has_moved(session: Session, plan: Plan) -> bool:
    """Tell whether the tables have changed places: all of them have, or none."""
    if plan.new.of(Kind.TABLE, Kind.SEQUENCE):
        return not any(kind != "VIEW" and name != JOURNAL for name, kind, _ in read_names(session, plan.side))
    return plan.before is not None and any(kind != "VIEW" for _, kind, _ in read_names(session, plan.before))
