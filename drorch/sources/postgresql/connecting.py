"""Log in to a server without blocking: the wait has a limit, and can be ended from another thread."""

from __future__ import annotations

import select

from psycopg import pq
from psycopg.pq.abc import PGconn

from drorch.clock import Clock
from drorch.sources.postgresql.failures import ConnectionLost
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation, connection_string
from drorch.sources.postgresql.session import Session


def connect(
    location: PostgresqlLocation,
    *,
    application: str,
    connect_timeout_seconds: int,
    clock: Clock,
    lifeline: Lifeline,
    stall_seconds: float | None = None,
) -> Session:
    """Log in; raise ``ConnectionLost`` with libpq's words, or the lifeline's reason."""
    keywords = location.keywords(application=application, connect_timeout_seconds=connect_timeout_seconds)
    if location.password is not None:
        keywords["password"] = location.password()
    deadline = clock.monotonic_seconds() + connect_timeout_seconds
    connection = pq.PGconn.connect_start(connection_string(keywords).encode())
    try:
        _complete(connection, clock, deadline, lifeline)
    except BaseException:
        connection.finish()
        raise
    session = Session(connection, lifeline=lifeline, stall_seconds=stall_seconds)
    try:
        session.adopt_encoding()
    except BaseException:
        session.close()
        raise
    return session


def _complete(connection: PGconn, clock: Clock, deadline: float, lifeline: Lifeline) -> None:
    if connection.status == pq.ConnStatus.BAD:
        raise ConnectionLost(connection.get_error_message())
    events = select.POLLOUT
    while True:
        poll = select.poll()
        poll.register(connection.socket, events)
        left = deadline - clock.monotonic_seconds()
        # A quarter of a second at a time: the socket is libpq's own until login and may change with the address.
        poll.poll(max(0.0, min(left, 0.25)) * 1_000)
        if lifeline.reason is not None:
            raise lifeline.reason
        status = connection.connect_poll() if poll.poll(0) else None
        if status == pq.PollingStatus.OK:
            return
        if status == pq.PollingStatus.FAILED:
            raise ConnectionLost(connection.get_error_message())
        if status is not None:
            events = select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT
        elif left <= 0:
            raise ConnectionLost("timeout expired: no answer within the connect timeout")
