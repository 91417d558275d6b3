"""A server that replays what another one does: how far it is behind, and whether it replays at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from drorch.errors import SourceRightsMissing, StandbyLag
from drorch.quantities import format_span
from drorch.sources.interface import Finding, Level
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.session import Session

_REFUSED = 1227


def require_fresh(session: Session, max_lag_seconds: int | None) -> None:
    """Raise ``StandbyLag`` if the server is a replica that is later than the policy allows; raise what a session raises.

    ``None``: the policy does not ask, and the account needs no right for it.
    """
    if max_lag_seconds is None:
        return
    problem = lateness(_states(session), max_lag_seconds)
    if problem:
        raise StandbyLag(
            "the replica is too far behind",
            expected=f"at most {format_span(max_lag_seconds)} (max_lag)",
            found=problem,
            hint="let it catch up (SHOW ALL SLAVES STATUS says why it does not), raise max_lag, or capture from the primary",
        )


def findings(session: Session, max_lag_seconds: int | None) -> Iterator[Finding]:
    """Yield what a doctor says about it; raise what a session raises."""
    if max_lag_seconds is None:
        return
    try:
        states = _states(session)
    except SourceRightsMissing as error:
        yield Finding(level=Level.FAIL, text=error.message, remedy=error.hint)
        return
    if not states:
        return
    problem = lateness(states, max_lag_seconds)
    if problem:
        yield Finding(level=Level.FAIL, text=f"a replica that is late: {problem}", remedy="see max_lag")
    else:
        yield Finding(level=Level.OK, text=f"a replica, {_worst(states)} behind")


def lateness(states: Sequence[Mapping[str, str]], max_lag_seconds: int) -> str:
    """Return what is wrong with the freshness of a server that replays ``states``, in words; empty when nothing is, or it is no replica."""
    for state in states:
        lag = state.get("Seconds_Behind_Master", "")
        if not lag.isdecimal():  # NULL: nobody knows how much is missing
            reading, replaying = state.get("Slave_IO_Running", "?"), state.get("Slave_SQL_Running", "?")
            return f"replication has stopped{_of(state)} (reading: {reading}, replaying: {replaying})"
        if int(lag) > max_lag_seconds:
            return f"{format_span(int(lag))}{_of(state)}"
    return ""


def _states(session: Session) -> list[dict[str, str]]:
    try:
        return session.named_texts("SHOW ALL SLAVES STATUS")
    except ServerRefused as error:
        if error.number != _REFUSED:
            raise
        raise SourceRightsMissing(
            "the account may not see how late the server is as a replica, and `max_lag` asks for it",
            hint="GRANT REPLICA MONITOR ON *.* TO the account, or leave `max_lag` out of the policy",
        ) from error


def _worst(states: Sequence[Mapping[str, str]]) -> str:
    return format_span(max(int(state["Seconds_Behind_Master"]) for state in states))


def _of(state: Mapping[str, str]) -> str:
    name = state.get("Connection_name", "")
    return f" on connection {name}" if name else ""
