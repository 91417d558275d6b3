"""What else a server is doing: whether a run should wait."""

from __future__ import annotations

from drorch.errors import SourceRightsMissing
from drorch.quantities import counted, format_duration
from drorch.sources.postgresql.session import Session

_UNSEEN = "select count(*) from pg_stat_activity where query = '<insufficient privilege>'"
_ACTIVE = """
select count(*) from pg_stat_activity where backend_type = 'client backend' and state = 'active' and application_name not like 'drorch%'
"""
_LAG = "select coalesce(ceil(extract(epoch from max(replay_lag))), 0)::bigint from pg_stat_replication"


def over_limit(session: Session, max_active_sessions: int | None, max_replication_lag_seconds: int | None) -> str:
    """Return what is over its limit, in words; ``''`` when nothing is. Raises ``SourceRightsMissing`` where others cannot be seen."""
    if session.value(_UNSEEN) != "0":
        raise SourceRightsMissing(
            "the account may not see what other sessions do, and `source_load` asks for it",
            hint="GRANT pg_read_all_stats TO the account, or leave `source_load` out of the policy",
        )
    active, lag = int(session.value(_ACTIVE) or 0), int(session.value(_LAG) or 0)
    if max_active_sessions is not None and active > max_active_sessions:
        return f"{counted(active, 'session')} at work, at most {max_active_sessions}"
    if max_replication_lag_seconds is not None and lag > max_replication_lag_seconds:
        return f"a standby is {format_duration(lag)} behind, at most {format_duration(max_replication_lag_seconds)}"
    return ""
