"""What is asked before a capture begins: rights, row security, locks, the standby's lag. All of it, then one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import SourceLocked, SourceRightsMissing, StandbyLag
from drorch.quantities import counted, format_duration
from drorch.sources.postgresql.inventory import USER_SCHEMAS, display_name
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.snapshot import moment_of

_SHOWN = 100  # names in one error; a message of 50,000 lines helps nobody
_NOT_OF_EXTENSION = """(not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.objid = c.oid and d.deptype = 'e') or exists (select 1 from pg_catalog.pg_extension e where c.oid = any (e.extconfig)))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyState:
    """Where a standby stands: the last replayed commit on the primary's clock, and how late that is."""

    replayed_at: datetime
    lag_seconds: float


def unreadable_relations(session: Session) -> list[str]:
    """Return tables and sequences that the account may not read, each with the right that is missing."""
    rows = session.run(
        f"""select n.nspname, c.relname, pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't' and {USER_SCHEMAS} and {_NOT_OF_EXTENSION}
          and (not pg_catalog.has_schema_privilege(n.oid, 'USAGE') or not case c.relkind
            when 'S' then pg_catalog.has_sequence_privilege(c.oid, 'SELECT') else pg_catalog.has_table_privilege(c.oid, 'SELECT') end)"""
    )
    return sorted(
        display_name(schema or "", name or "") + ("" if usable == "t" else " (usage of its schema)")
        for schema, name, usable in rows
    )


def filtered_tables(session: Session) -> list[str]:
    """Return the tables of which row security would show the account only a part."""
    rows = session.run(
        f"""select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and c.relrowsecurity and {USER_SCHEMAS} and pg_catalog.row_security_active(c.oid)"""
    )
    return sorted(display_name(schema or "", name or "") for schema, name in rows)


def reads_large_objects_by_table(session: Session) -> bool:
    """Whether the account may read ``pg_largeobject`` itself (superusers and ``pg_read_all_data``)."""
    return session.value("select pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')") == "t"


def unreadable_large_objects(session: Session) -> list[str]:
    """Return the numbers of large objects that the account may not read."""
    if reads_large_objects_by_table(session) or session.value("show lo_compat_privileges") == "on":
        return []
    rows = session.run(
        """select l.oid from pg_catalog.pg_largeobject_metadata l
        where not pg_catalog.pg_has_role(l.lomowner, 'USAGE') and not exists (
          select 1 from pg_catalog.aclexplode(l.lomacl) a where a.privilege_type = 'SELECT'
          and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'USAGE'))) order by 1"""
    )
    return [f"large object {oid}" for (oid,) in rows]


def require_rights(session: Session) -> None:
    """Raise ``SourceRightsMissing`` that names everything the account cannot read in full."""
    missing = unreadable_relations(session) + unreadable_large_objects(session)
    if missing:
        raise SourceRightsMissing(
            f"the account may not read {len(missing)} of the objects of the database",
            expected="SELECT on every table, sequence and large object",
            found=_listed(missing),
            hint="`drorch policy grants POLICY` prints the SQL that gives the rights",
        )
    filtered = filtered_tables(session)
    if filtered:
        raise SourceRightsMissing(
            f"row security hides rows of {counted(len(filtered), 'table')} from the account",
            expected="an account that sees every row",
            found=_listed(filtered),
            hint="give the account BYPASSRLS; `drorch policy grants POLICY` prints the SQL",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def lock_shortage(session: Session) -> tuple[int, int, int] | None:
    """Return (tables, locks, value to set) if the server has fewer locks than there are tables, else ``None``.

    Only the guaranteed number counts: a capture that uses up the slack takes locks away from everybody else.
    """
    tables, per_transaction, connections, prepared = (
        int(value or 0)
        for value in session.run(
            f"""select (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'p') and c.relpersistence <> 't' and {USER_SCHEMAS}),
              pg_catalog.current_setting('max_locks_per_transaction'), pg_catalog.current_setting('max_connections'),
              pg_catalog.current_setting('max_prepared_transactions')"""
        )[0]
    )
    slots = connections + prepared
    if tables <= per_transaction * slots:
        return None
    needed = -(-(tables + tables // 10 + 1_000) // slots)
    return tables, per_transaction * slots, -(-needed // 64) * 64


def require_locks(session: Session) -> None:
    """Raise ``SourceLocked`` with the value to set if the server has too few locks."""
    shortage = lock_shortage(session)
    if shortage is not None:
        tables, locks, value = shortage
        raise SourceLocked(
            "the server has too few locks for so many tables",
            expected=f"at least {tables} locks",
            found=f"{locks} (max_locks_per_transaction x (max_connections + max_prepared_transactions))",
            hint=f"set max_locks_per_transaction = {value} on the server and restart it",
        )


def standby_state(session: Session) -> StandbyState | None:
    """Return where a standby stands; ``None`` on a primary.

    A standby that has replayed all that a streaming primary sent is not late, however long ago the last commit was.
    """
    if session.value("select pg_catalog.pg_is_in_recovery()") != "t":
        return None
    replayed, lag, is_current = session.run(
        """select extract(epoch from pg_catalog.pg_last_xact_replay_timestamp())::text,
          extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::text,
          exists (select 1 from pg_catalog.pg_stat_wal_receiver where status = 'streaming')
          and pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()"""
    )[0]
    if replayed is None:
        raise StandbyLag(
            "the standby has replayed no transaction yet",
            expected="a known restore point",
            hint="wait until it has replayed a commit of the primary",
        )
    return StandbyState(
        replayed_at=moment_of(replayed), lag_seconds=0.0 if is_current == "t" else max(0.0, float(lag or 0))
    )


def require_fresh(state: StandbyState | None, max_lag_seconds: int) -> None:
    """Raise ``StandbyLag`` if a standby is later than the policy allows."""
    if state is not None and state.lag_seconds > max_lag_seconds:
        raise StandbyLag(
            "the standby is too far behind",
            expected=f"at most {format_duration(max_lag_seconds)} (max_lag)",
            found=format_duration(state.lag_seconds),
            hint="let it catch up, raise max_lag, or capture from the primary",
        )


def blockers(session: Session) -> str:
    """Return who holds locks that stop a reader: ``public.parcel by pid 17 (psql)``; the account need not see the rest."""
    rows = session.run(
        """select n.nspname, c.relname, l.pid, a.application_name from pg_catalog.pg_locks l
        join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_stat_activity a on a.pid = l.pid
        where l.granted and l.mode = 'AccessExclusiveLock' and l.locktype = 'relation' and c.relkind in ('r', 'p')
          and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) order by 1, 2 limit 5"""
    )
    return ", ".join(
        f"{display_name(schema or '', name or '')} by pid {pid} ({who or 'unnamed'})" for schema, name, pid, who in rows
    )
