"""Makes, finds, renames and drops databases on the target server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drorch.errors import TargetRefused
from drorch.sources.interface import Json, RestoreChoices
from drorch.sources.postgresql import facts as facts_module
from drorch.sources.postgresql.naming import MARKER, marker, side_prefix
from drorch.sources.postgresql.quoting import identifier, literal
from drorch.sources.postgresql.session import Session

_SHOWN = 5
_ATTEMPTS = 30  # of a tenth of a second each
_SHORT_ID = re.compile(r"[0-9a-z]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """What a database of the wanted name is: whether it exists, holds objects, and who uses it.

    ``problem`` says why it cannot be opened; what it holds is then not known.
    """

    exists: bool
    objects: int = 0
    sessions: tuple[str, ...] = ()
    encoding: str = ""
    collate: str = ""
    ctype: str = ""
    is_unfinished: bool = False
    problem: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nobody's objects are in it."""
        return self.objects == 0 and not self.problem


def exists(server: Session, name: str) -> bool:
    """Whether the server has a database called ``name``."""
    return server.value("select 1 from pg_catalog.pg_database where datname = $1", name) is not None


def occupation(server: Session, inside: Session | None, name: str) -> Occupation:
    """Return what is known of database ``name``; ``inside`` is a session in it, if it exists."""
    if inside is None:
        return Occupation(exists=False)
    encoding, collate, ctype, comment = server.run(
        """select pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, pg_catalog.shobj_description(oid, 'pg_database')
        from pg_catalog.pg_database where datname = $1""",
        name,
    )[0]
    return Occupation(
        exists=True,
        objects=facts_module.user_objects(inside),
        sessions=tuple(sessions_in(server, name, but=inside)),
        encoding=encoding or "",
        collate=collate or "",
        ctype=ctype or "",
        is_unfinished=(comment or "").startswith(MARKER),
    )


def unopened(server: Session, name: str, problem: str) -> Occupation:
    """Return what is known of a database that nobody can log in to: it may be broken, and is why somebody restores."""
    return Occupation(exists=True, sessions=tuple(sessions_in(server, name)), problem=problem)


def sessions_in(server: Session, name: str, *, but: Session | None = None) -> list[str]:
    """Return the sessions in database ``name`` as ``pid 17 (psql)``, without ours."""
    ours = but.value("select pg_catalog.pg_backend_pid()") if but is not None else "0"
    rows = server.run(
        """select pid, application_name from pg_catalog.pg_stat_activity where datname = $1 and pid::text <> $2
        and pid <> pg_catalog.pg_backend_pid() and coalesce(backend_type, 'client backend') = 'client backend' order by pid""",
        name,
        ours,
    )
    return [f"pid {pid} ({application or 'unnamed'})" for pid, application in rows]


def create_database(
    server: Session, name: str, facts: Mapping[str, Json], choices: RestoreChoices, short_id: str
) -> None:
    """Create ``name`` from ``template0`` with the encoding and locale of the source, or with those that were chosen."""
    options = ["template template0", f"encoding {literal(str(facts['encoding']))}"]
    options += _locale_options(server.server_version, facts, choices.locale)
    tablespace = choices.map_tablespaces.get(str(facts.get("tablespace")))
    if tablespace is not None:
        options.append(f"tablespace {identifier(tablespace)}")
    server.run(f"create database {identifier(name)} {' '.join(options)}")
    server.run(f"comment on database {identifier(name)} is {literal(marker(short_id))}")


def _locale_options(version: int, facts: Mapping[str, Json], locale: str | None) -> list[str]:
    collate, ctype = (locale, locale) if locale is not None else (str(facts["collate"]), str(facts["ctype"]))
    options = [f"lc_collate {literal(collate)}", f"lc_ctype {literal(ctype)}"]
    provider = "libc" if locale is not None else str(facts.get("locale_provider") or "libc")
    if version < 150_000:
        return options
    options.append(f"locale_provider {provider}")
    if provider == "icu":
        options.append(f"icu_locale {literal(str(facts['locale']))}")
        if facts.get("icu_rules") and version >= 160_000:
            options.append(f"icu_rules {literal(str(facts['icu_rules']))}")
    if provider == "builtin":
        options.append(f"builtin_locale {literal(str(facts['locale']))}")
    return options


def default_tablespace(server: Session, name: str) -> str | None:
    """Return where database ``name`` puts what is put nowhere else."""
    return server.value(
        "select t.spcname from pg_catalog.pg_database d join pg_catalog.pg_tablespace t on t.oid = d.dattablespace where d.datname = $1",
        name,
    )


def drop_leftovers(server: Session, name: str, is_empty: Callable[[str], bool]) -> list[str]:
    """Drop side databases of earlier restores of ``name`` that carry drorch's own comment; return their names.

    CREATE DATABASE cannot share a transaction with COMMENT: a restore killed between them leaves an empty side database
    without a comment, which is dropped too.
    """
    prefix = side_prefix(name)
    rows = server.run(
        """select datname, pg_catalog.shobj_description(oid, 'pg_database') from pg_catalog.pg_database
        where pg_catalog.left(datname, pg_catalog.length($1)) = $1 order by 1""",
        prefix,
    )
    found = [
        side or ""
        for side, comment in rows
        if (comment or "").startswith(MARKER)
        or (comment is None and _SHORT_ID.fullmatch((side or "")[len(prefix) :]) and is_empty(side or ""))
    ]
    for leftover in found:
        busy = _sessions_that_stay(server, leftover)
        if busy:
            raise TargetRefused(
                "another restore into the same place is at work",
                expected=f"nobody in {leftover}",
                found=", ".join(busy[:_SHOWN]),
                hint="wait for its end, or end those sessions",
            )
        server.run(f"drop database {identifier(leftover)}")
    return found


def _sessions_that_stay(server: Session, name: str) -> list[str]:
    """Return the sessions in ``name`` that are there for longer than it takes to leave."""
    for _attempt in range(_ATTEMPTS):
        found = sessions_in(server, name)
        if not found:
            return []
        server.run("select pg_catalog.pg_sleep(0.1)")
    return found


def require_absent(server: Session, side: str) -> None:
    """Raise ``TargetRefused`` if a side database is there that is not ours to drop."""
    if exists(server, side):
        raise TargetRefused(
            "a database of the name that the restore needs is there already",
            expected=f"no database {side}",
            hint="if it is a complete restore that could not take its name: rename it, else drop it",
        )


def free_name(server: Session, name: str) -> str:
    """Return ``name``, or ``name_2``, ``name_3``, ... if two restores fall into one minute."""
    found, number = name, 1
    while exists(server, found):
        number += 1
        found = f"{name}_{number}"
    return found


def terminate_sessions(server: Session, name: str) -> None:
    """End every session in database ``name`` but ours."""
    server.run(
        "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1 and pid <> pg_catalog.pg_backend_pid()",
        name,
    )


def swap(server: Session, *, name: str, side: str, before: str | None, comment: str | None, terminate: bool) -> None:
    """Make ``side`` the database ``name``; the one that had the name becomes ``before``. All in one transaction."""
    statements = ["begin"]
    if before is not None:
        if terminate:
            terminate_sessions(server, name)
        statements.append(f"alter database {identifier(name)} rename to {identifier(before)}")
    statements.append(f"alter database {identifier(side)} rename to {identifier(name)}")
    statements.append(f"comment on database {identifier(name)} is {'null' if comment is None else literal(comment)}")
    for sql in statements:
        server.run(sql)
    server.run("commit")


def undo_statements(name: str, before: str) -> tuple[str, ...]:
    """Return the SQL that brings the old database back, and the SQL that gives it up."""
    rejected = f"{name}__rejected"
    return (
        "to go back to the old database:",
        f"  ALTER DATABASE {identifier(name)} RENAME TO {identifier(rejected)};",
        f"  ALTER DATABASE {identifier(before)} RENAME TO {identifier(name)};",
        "to give the old database up:",
        f"  DROP DATABASE {identifier(before)};",
    )
