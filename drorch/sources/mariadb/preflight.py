"""Everything that stands in the way of a restore, found at once and before the first byte."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drorch.errors import TargetRefused
from drorch.quantities import counted
from drorch.sources.interface import Content, Finding, Level, RestoreChoices
from drorch.sources.mariadb.databases import Occupation, our_leftovers, side_name
from drorch.sources.mariadb.definitions import Kind
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.quoting import PUBLIC, literal, shown
from drorch.sources.mariadb.rights import held_globally, held_rights, version_of
from drorch.sources.mariadb.selection import Selection
from drorch.sources.mariadb.session import Session

HISTORY_FROM = (10, 11)
_SHOWN = 8
_NAMED_BY_FILES = (Kind.SEQUENCE, Kind.TABLE, Kind.VIEW)
_ENGINE = re.compile(r"\) ENGINE=(\w+)")
_NEEDED = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER", "CREATE VIEW", "SHOW VIEW",
    "CREATE ROUTINE", "ALTER ROUTINE", "EVENT", "TRIGGER",
)  # fmt: skip
_PACKAGES = {
    "ROCKSDB": "mariadb-plugin-rocksdb",
    "MROONGA": "mariadb-plugin-mroonga",
    "COLUMNSTORE": "mariadb-plugin-columnstore",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What was asked of the target. ``accounts`` is ``None`` when the account may not see them."""

    version: str
    accounts: frozenset[str] | None
    occupied: Occupation
    leftovers: tuple[str, ...]
    lowers_names: bool = False


def ask(session: Session, name: str, occupied: Occupation) -> Server:
    """Return what a preflight needs to know; raise what a session raises."""
    return Server(
        version=session.server_version,
        accounts=existing_accounts(session),
        occupied=occupied,
        leftovers=tuple(our_leftovers(session, name)),
        lowers_names=session.value("SELECT @@lower_case_table_names") == "1",
    )


def existing_accounts(session: Session) -> frozenset[str] | None:
    """Return every account and role of the server; ``None`` if they may not be seen."""
    try:
        rows = session.texts("SELECT User, Host FROM mysql.user")
    except ServerRefused as error:
        if error.number in (1142, 1143, 1044):
            return None
        raise
    return frozenset(f"{user}@{host}" if host else user for user, host in rows) | {PUBLIC}


def missing_accounts(selection: Selection, choices: RestoreChoices, there: frozenset[str] | None) -> list[str]:
    """Return the accounts that are needed, mapped as chosen, and do not exist."""
    if there is None or choices.no_owner:
        return []
    needed = {choices.map_roles.get(one, one) for one in selection.needed_accounts}
    if choices.create_logins:
        needed |= {member for _, member, _ in selection.accounts.memberships}
    return sorted(one for one in needed - there)


def findings(
    session: Session, content: Content, selection: Selection, choices: RestoreChoices, name: str, server: Server
) -> list[Finding]:
    """Return every finding; raise what a session raises."""
    return [
        *_about_server(content, selection, choices, server),
        *_about_rights(session, content, name),
        *_about_engines(session, selection),
        *_about_place(selection, choices, name, server),
        *_about_accounts(session, selection, choices, server),
        *_about_left_out(content, selection, choices),
    ]


def refuse_foreign(content: Content) -> None:
    """Raise ``TargetRefused`` for a snapshot of another engine."""
    engine = content.facts.get("engine")
    if engine != "mariadb":
        raise TargetRefused("the snapshot is not of MariaDB", expected="mariadb", found=str(engine))


def _about_server(content: Content, selection: Selection, choices: RestoreChoices, server: Server) -> Iterator[Finding]:
    source = str(content.facts.get("server_version", ""))
    here, there = version_of(server.version), version_of(source)
    shown = f"server {server.version.split('-')[0]}, source {source.split('-', maxsplit=1)[0]}"
    if here < there and not choices.allow_older:
        yield _stop(f"the server is older than the source: {shown}", "--allow-older tries it")
    else:
        yield Finding(level=Level.OK if here >= there else Level.NOTE, text=shown)
    with_history = [stream for stream in selection.streams if stream.spec.attributes.get("period")]
    if with_history and here < HISTORY_FROM:
        yield _stop("the server cannot take the history of system-versioned tables", "MariaDB 10.11 or newer can")


def _about_rights(session: Session, content: Content, name: str) -> Iterator[Finding]:
    for database in (name, side_name(name, content.short_id)):
        held = held_rights(session, database)
        lacking = [right for right in _NEEDED if not held & {right, "ALL PRIVILEGES"}]
        if lacking:
            yield _stop(
                f"the account lacks {', '.join(lacking)} on {shown(database)}",
                "restore as an administrator: it works beside the database, under other names",
            )
            return


def _about_engines(session: Session, selection: Selection) -> Iterator[Finding]:
    usable = {
        engine.upper()
        for (engine,) in session.texts(
            "SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')"
        )
    }
    wanted = {found[1].upper() for one in selection.schema.of(Kind.TABLE) for found in _ENGINE.finditer(one.sql)}
    for engine in sorted(wanted - usable):
        package = _PACKAGES.get(engine)
        yield _stop(
            f"the server lacks the storage engine {engine}",
            f"apt-get install {package}" if package else "install its plugin",
        )
    collation = selection.schema.collation
    if not session.run(f"SELECT 1 FROM information_schema.collations WHERE collation_name = {literal(collation)}"):
        yield _stop(f"the server lacks the collation {collation}", "restore on a server that has it")


def _about_place(selection: Selection, choices: RestoreChoices, name: str, server: Server) -> Iterator[Finding]:
    for asked, hint in selection.unknown:
        yield _stop(f"the snapshot has no table {asked}", hint)
    capitals = sorted(one.name for one in selection.schema.of(*_NAMED_BY_FILES) if one.name != one.name.lower())
    if server.lowers_names and capitals:
        text = f"the server writes names of tables in small letters (lower_case_table_names=1): {_listed(capitals)}"
        yield _stop(text, "restore to a server with lower_case_table_names=0, as the source's")
    for side in server.leftovers:
        text = f"an earlier restore left {side}: it is finished or undone first"
        yield Finding(level=Level.NOTE, text=text)
    occupied = server.occupied
    if not selection.is_whole:
        wanted = {one.name for one in selection.schema.of(Kind.TABLE, Kind.SEQUENCE)}
        for table in sorted(wanted & set(occupied.names)):
            yield _stop(f"table {table} exists already", "rename it first, or restore into another database")
        return
    if occupied.is_empty:
        text = f"database {name} exists and is empty" if occupied.exists else f"database {name} will be made"
        yield Finding(level=Level.OK, text=text)
    elif choices.replace:
        yield Finding(
            level=Level.NOTE, text=f"{name} is kept beside it, with its {counted(len(occupied.names), 'table')}"
        )
    else:
        moment = f"{choices.started_at:%Y%m%d_%H%M}" if choices.started_at else "YYYYMMDD_HHMM"
        yield _stop(
            f"database {name} exists and has {counted(len(occupied.names), 'table')}",
            f"--replace  restore beside it, check, then swap; the old one stays as {name}__before_{moment}",
        )


def _about_accounts(
    session: Session, selection: Selection, choices: RestoreChoices, server: Server
) -> Iterator[Finding]:
    if server.accounts is None:
        yield Finding(level=Level.NOTE, text="this account may not see whether the accounts that are needed exist")
    missing = missing_accounts(selection, choices, server.accounts)
    if missing and (choices.create_roles or choices.create_logins):
        how = "as they log in" if choices.create_logins else "locked"
        yield Finding(level=Level.NOTE, text=f"accounts will be made, {how}: {_listed(missing)}")
    elif missing:
        yield _stop(
            f"accounts that run or may use objects are missing: {_listed(missing)}",
            f"--create-roles | --map-role {missing[0]}=NAME | --no-owner",
        )
    if not choices.no_owner and set(selection.schema.definers()) - {session.value("SELECT CURRENT_USER()")}:
        held = held_globally(session)
        if not held & {"SUPER", "SET USER", "ALL PRIVILEGES"}:
            yield _stop("the account may not make what others run (SET USER)", "--no-owner, or an account that may")


def _about_left_out(content: Content, selection: Selection, choices: RestoreChoices) -> Iterator[Finding]:
    chosen = {one.name for one in selection.schema.of(Kind.TABLE)}
    excluded = content.facts.get("excluded_data")
    for name in excluded if isinstance(excluded, list | tuple) else ():
        if name in chosen:
            yield Finding(level=Level.NOTE, text=f"comes without rows (exclude_data): {name}")
    for line in by_hand(selection, choices):
        yield Finding(level=Level.NOTE, text=line)


def by_hand(selection: Selection, choices: RestoreChoices) -> list[str]:
    """Return what a restore leaves switched off or out: nothing of it shall reach another server by itself."""
    told = [
        f"event {one.name} comes disabled: ALTER EVENT {one.name} ENABLE"
        for one in selection.schema.of(Kind.EVENT)
        if one.was_enabled
    ]
    told += [
        f"{one.name} shows another server's rows and is not made; its definition, without a password: {one.sql}"
        for one in selection.schema.of(Kind.REMOTE_TABLE)
    ]
    told += [
        f"table {one.name} lay in a directory of its own (DATA DIRECTORY) and is made in the usual place"
        for one in selection.schema.of(Kind.TABLE)
        if " DATA DIRECTORY='" in one.sql
    ]
    if choices.no_owner:
        told += [
            f"{one.kind.value} {one.name} runs with the rights of the account that restores (--no-owner): look at it"
            for one in selection.schema.of(Kind.TRIGGER, Kind.EVENT, Kind.PACKAGE, Kind.PACKAGE_BODY)
            if one.definer is not None
        ]
    if choices.no_owner and selection.accounts.grants:
        told.append(f"left out: {counted(len(selection.accounts.grants), 'grant')} (--no-owner)")
    return told


def _stop(text: str, remedy: str) -> Finding:
    return Finding(level=Level.STOP, text=text, remedy=remedy)


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(map(shown, names[:_SHOWN]))
    return told + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
