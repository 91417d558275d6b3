"""A restored database talks to nobody by itself: everything in this one points at a listener that counts who comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.sources.interface import RestoreChoices
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.talkative import LAUNCHER_SECONDS, Listener, listening, silence, talkative


@pytest.fixture
def silent(server: Server, private: Path) -> Iterator[tuple[Listener, MemoryContent]]:
    """What was captured of such a database, and the listener once the original is gone."""
    with listening() as listener:
        name = talkative(server, listener)
        with server.source(server.location(name), private).capture() as capture:
            content = read_capture(capture)
        silence(server, name)
        listener.visits = 0
        yield listener, content


def test_nothing_reaches_out(server: Server, silent: tuple[Listener, MemoryContent]) -> None:
    listener, content = silent
    outcome = server.target(server.location("talks_back")).restore(content, RestoreChoices(), SilentObserver())
    threading.Event().wait(LAUNCHER_SECONDS)
    assert listener.visits == 0
    enabled = (
        "select subenabled from pg_subscription s join pg_database d on d.oid = subdbid where datname = 'talks_back'"
    )
    assert server.run(enabled) == [(False,)]
    assert server.run("select count(*) from fires", "talks_back") == [(1000,)]
    populated = "select relname from pg_class where relkind = 'm' and relispopulated"
    assert server.run(populated, "talks_back") == [("own",)]
    told = "\n".join(outcome.by_hand)
    for part in (
        "subscription sub: disabled",
        "user mapping postgres SERVER far: without its password",
        'another server: REFRESH MATERIALIZED VIEW "public"."seen";',
        'another server: REFRESH MATERIALIZED VIEW "public"."called_seen";',
        'another server: REFRESH MATERIALIZED VIEW "public"."straight";',
        'another server: REFRESH MATERIALIZED VIEW "public"."of_parts";',
    ):
        assert part in told, part
    assert "event trigger on_ddl: on as at backup" in told
    assert len(outcome.by_hand) == 7
    # The listener would have heard it: whoever asks now does reach it.
    for sql in ("select from remote", "insert into fires values (1)", "create table x ()"):
        before = listener.visits
        with pytest.raises(Exception, match=r"connect|server"):
            server.run(sql, "talks_back")
        assert listener.visits > before
    server.run("drop event trigger on_ddl; drop subscription sub", "talks_back")
    server.run("drop database talks_back")
