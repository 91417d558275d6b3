"""Everything that stands in the way of a restore, found at once and before the first byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from drorch.quantities import counted
from drorch.sources.interface import Content, Finding, Json, Level, RestoreChoices
from drorch.sources.postgresql.databases import Occupation
from drorch.sources.postgresql.fact_values import items, listed, number
from drorch.sources.postgresql.preflight_extensions import extension_findings
from drorch.sources.postgresql.preflight_locale import encoding_differs, locale_findings, same_locale_findings
from drorch.sources.postgresql.preflight_places import room_findings, tablespace_findings
from drorch.sources.postgresql.preflight_roles import role_findings
from drorch.sources.postgresql.session import Session


def findings(
    server: Session,
    content: Content,
    choices: RestoreChoices,
    occupied: Occupation,
    roles_needed: Sequence[str],
    *,
    extensions: frozenset[str] | None,
    is_local: bool,
) -> list[Finding]:
    """Return the list.

    ``server`` is any session on the target server, ``occupied`` what has the name now, ``extensions`` those that the
    chosen tables need (``None``: all of the snapshot).
    """
    facts = content.facts
    found = [*_version(server, facts, choices)]
    if choices.tables:
        found += _existing_for_tables(occupied)
    else:
        found += _occupied(occupied, choices)
    is_created = not occupied.exists or choices.replace
    found += extension_findings(server, facts, choices, extensions, is_created=is_created)
    if is_created:
        found += [*locale_findings(server, facts, choices), *_may_create(server)]
    elif not choices.tables and not occupied.problem:
        found += same_locale_findings(facts, occupied)
    elif choices.tables and facts.get("encoding") != occupied.encoding:
        found.append(encoding_differs(facts, occupied))
    found += role_findings(server, content, roles_needed, choices)
    found += tablespace_findings(server, facts, choices, is_created=is_created)
    found += room_findings(server, content, choices, is_local=is_local)
    found += _notes(facts)
    return found


def _version(server: Session, facts: Mapping[str, Json], choices: RestoreChoices) -> Iterator[Finding]:
    source, target = number(facts, "server_version_num") // 10_000, server.server_version // 10_000
    text = f"server {server.parameter('server_version').split(' ')[0]}, source {facts.get('server_version')}"
    if target >= source:
        yield Finding(level=Level.OK, text=text)
    elif choices.allow_older:
        yield Finding(level=Level.NOTE, text=f"{text}: older than the source, as allowed")
    else:
        yield Finding(level=Level.STOP, text=f"{text}: older than the source", remedy="--allow-older")


def _occupied(occupied: Occupation, choices: RestoreChoices) -> Iterator[Finding]:
    if not occupied.exists:
        yield Finding(level=Level.OK, text="the database does not exist yet; it is made from template0")
    elif choices.replace:
        holds = "cannot be opened" if occupied.problem else f"holds {counted(occupied.objects, 'object')}"
        yield Finding(level=Level.NOTE, text=f"the database {holds}; it is kept under another name")
        if occupied.sessions and not choices.terminate_sessions:
            yield Finding(
                level=Level.STOP,
                text=f"the database is in use by {listed(occupied.sessions)}",
                remedy="end them, or --terminate-sessions",
            )
    elif occupied.problem:
        text = f"the database cannot be opened: {occupied.problem}"
        yield Finding(level=Level.STOP, text=text, remedy="--replace keeps it under another name")
    elif not occupied.is_empty:
        remedy = "--replace keeps it under another name"
        if occupied.is_unfinished:
            remedy = "it is what is left of a restore that did not end: drop it, or --replace"
        yield Finding(
            level=Level.STOP, text=f"the database is not empty: {counted(occupied.objects, 'object')}", remedy=remedy
        )
    else:
        yield Finding(level=Level.OK, text="the database exists and is empty")


def _existing_for_tables(occupied: Occupation) -> Iterator[Finding]:
    if not occupied.exists:
        yield Finding(level=Level.OK, text="the database does not exist yet; it is made from template0")


def _may_create(server: Session) -> Iterator[Finding]:
    if server.value("select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user") != "t":
        yield Finding(level=Level.STOP, text="the account may not create databases", remedy="ALTER ROLE ... CREATEDB")


_SCHEDULERS = ("pg_cron", "pg_timetable", "pgagent")


def _notes(facts: Mapping[str, Json]) -> Iterator[Finding]:
    for extension in items(facts, "extensions"):
        if extension["name"] in _SCHEDULERS:
            text = f"the jobs of {extension['name']} come back as they were; they run once the server loads it for this database"
            yield Finding(level=Level.NOTE, text=text)
    for text in items(facts, "left_out"):
        yield Finding(level=Level.NOTE, text=f"not in the snapshot: {text}")
    for text in items(facts, "excluded_data"):
        yield Finding(level=Level.NOTE, text=f"comes without rows (exclude_data): {text}")
    for text in items(facts, "unlogged_without_data"):
        yield Finding(level=Level.NOTE, text=f"comes without rows (unlogged, from a standby): {text}")
