"""What `doctor` is told about a source: everything that would stop or weaken a capture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drorch.errors import SourceError
from drorch.quantities import counted, format_duration, format_size
from drorch.sources.interface import Finding, Level
from drorch.sources.postgresql import checks, facts
from drorch.sources.postgresql.options import CaptureOptions
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.tools import PostgresqlTools, find_pg_dump

_SHOWN = 5
_GRANTS = "`drorch policy grants POLICY` prints the SQL that gives the rights"
_NEWEST_TESTED_MAJOR = 18


def examine(session: Session, options: CaptureOptions, tools: PostgresqlTools) -> Sequence[Finding]:
    """Return one finding a subject, in the order in which a capture would meet them."""
    return [
        _login(session),
        _tool(session, tools),
        *_rights(session),
        *_locks(session),
        *_standby(session, options),
        *_left_out(session),
        _size(session),
    ]


def _login(session: Session) -> Finding:
    major = session.server_version // 10_000
    text = f"PostgreSQL {session.parameter('server_version').split(' ')[0]}, {session.encoding.server_name}"
    text += ", encrypted" if session.is_encrypted else ", not encrypted"
    if major > _NEWEST_TESTED_MAJOR:
        return Finding(level=Level.NOTE, text=f"{text}; newer than any version drorch was tested with")
    return Finding(level=Level.OK, text=text)


def _tool(session: Session, tools: PostgresqlTools) -> Finding:
    try:
        return Finding(level=Level.OK, text=f"{find_pg_dump(tools, session.server_version)}")
    except SourceError as error:
        return Finding(level=Level.FAIL, text=f"{error.message}: {error.found}", remedy=error.hint)


def _rights(session: Session) -> Iterator[Finding]:
    missing = checks.unreadable_relations(session) + checks.unreadable_large_objects(session)
    filtered = checks.filtered_tables(session)
    if missing:
        yield Finding(level=Level.FAIL, text=f"the account cannot read {_listed(missing)}", remedy=_GRANTS)
    if filtered:
        yield Finding(
            level=Level.FAIL, text=f"row security hides rows of {_listed(filtered)}", remedy=f"BYPASSRLS; {_GRANTS}"
        )
    if not missing and not filtered:
        yield Finding(level=Level.OK, text="the account can read everything")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _locks(session: Session) -> Iterator[Finding]:
    shortage = checks.lock_shortage(session)
    if shortage is not None:
        tables, locks, value = shortage
        yield Finding(
            level=Level.FAIL,
            text=f"{counted(tables, 'table')}, but {counted(locks, 'lock')}",
            remedy=f"set max_locks_per_transaction = {value} and restart",
        )


def _standby(session: Session, options: CaptureOptions) -> Iterator[Finding]:
    try:
        state = checks.standby_state(session)
    except SourceError as error:
        yield Finding(level=Level.FAIL, text=error.message, remedy=error.hint)
        return
    if state is None:
        return
    late = state.lag_seconds > options.max_lag_seconds
    text = f"a standby, {format_duration(state.lag_seconds)} behind"
    yield Finding(level=Level.FAIL if late else Level.OK, text=text, remedy="see max_lag" if late else "")
    if session.value("show hot_standby_feedback") != "on":
        yield Finding(
            level=Level.NOTE,
            text="the primary may cancel a long capture on this standby",
            remedy="set hot_standby_feedback = on, or raise max_standby_streaming_delay",
        )


def _left_out(session: Session) -> Iterator[Finding]:
    for name in facts.left_out(session):
        yield Finding(level=Level.NOTE, text=f"{name} is not captured: only a superuser may read it")


def _size(session: Session) -> Finding:
    size = int(session.value("select pg_catalog.pg_database_size(pg_catalog.current_database())") or 0)
    query = "select pg_catalog.count(*) from pg_catalog.pg_class where relkind in ('r', 'p') and oid >= 16384"
    count = int(session.value(query) or 0)
    return Finding(
        level=Level.OK,
        text=f"{format_size(size)}, {counted(count, 'table')}, {counted(len(facts.switched_off(session)), 'part')} to switch on by hand",
    )
