"""No route to production: in a sandbox not even who tries reaches anybody. A listener counts who comes, and nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pymysql
import pytest

from drorch.operations.drills.place import DRILL_CHOICES
from drorch.sandbox.interface import SandboxLimits
from drorch.settings import default_settings
from drorch.wiring import Wiring
from tests.support.mariadb import MariadbServer
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.talkative import LAUNCHER_SECONDS, listening, silence, talkative

FEDERATED = "create table far_{n} (a int) engine=federated connection='mysql://u:p@127.0.0.1:{port}/x/t'"


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    with Wiring(default_settings({"HOME": str(tmp_path)})) as made:
        yield made


def test_postgresql_in_a_sandbox_reaches_nobody_however_it_tries(
    postgresql_15: Server, private: Path, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the environment of whoever drills lead there: it names a server, as that of an administrator does."""
    with listening() as listener:
        name = talkative(postgresql_15, listener)
        with postgresql_15.source(postgresql_15.location(name), private).capture() as capture:
            content = read_capture(capture)
        silence(postgresql_15, name)
        listener.visits = 0
        with wiring.sandbox(content.facts, SandboxLimits()) as place:
            assert place.lacks(content) == ()
            with monkeypatch.context() as patch:
                patch.setenv("PGHOSTADDR", "127.0.0.1")
                patch.setenv("PGPORT", str(listener.port))
                place.target.restore(content, DRILL_CHOICES, SilentObserver())
            assert listener.visits == 0
            socket = parse_qs(urlsplit(place.sandbox.url).query)["host"][0]
            with psycopg.connect(host=socket, user="postgres", dbname="drill", autocommit=True) as session:
                assert session.execute("select count(*) from fires").fetchone() == (1000,)
                session.execute("set session_replication_role = replica")  # or the event trigger stands in the way
                session.execute("alter subscription sub set (slot_name = 'sub'); alter subscription sub enable")
                session.execute("set session_replication_role = origin")
                for sql in ("select from remote", "insert into fires values (1)", "create table x ()"):
                    with pytest.raises(psycopg.Error, match=r"connect"):
                        session.execute(sql)
                port = listener.port
                with pytest.raises(psycopg.Error, match="connect"):
                    session.execute(
                        f"copy fires to program 'exec 3<>/dev/tcp/127.0.0.1/{port} || echo connect >&2; false'"
                    )
            threading.Event().wait(LAUNCHER_SECONDS)
        assert listener.visits == 0


def test_mariadb_in_a_sandbox_reaches_nobody_and_runs_no_event(mariadb: MariadbServer, wiring: Wiring) -> None:
    name = mariadb.new_database(
        "create table log (a int)", "create event nightly on schedule every 1 second do insert into log values (1)"
    )
    with mariadb.source(mariadb.location(name)).capture() as capture:
        content = read_capture(capture)
    with listening() as listener, wiring.sandbox(content.facts, SandboxLimits()) as place:
        place.target.restore(content, DRILL_CHOICES, SilentObserver())
        socket = parse_qs(urlsplit(place.sandbox.url).query)["socket"][0]
        session = pymysql.connect(unix_socket=socket, user="root", database="drill", autocommit=True)
        with session, session.cursor() as cursor:
            cursor.execute("alter event nightly enable")
            cursor.execute("install soname 'ha_federatedx'")
            with pytest.raises(pymysql.Error):
                cursor.execute(FEDERATED.format(n=1, port=listener.port))
            threading.Event().wait(LAUNCHER_SECONDS)
            cursor.execute("select count(*) from log")
            assert cursor.fetchone() == (0,)
        assert listener.visits == 0
        # The listener would have heard it: a server that is not cut off does reach it.
        mariadb.run("install soname 'ha_federatedx'")
        try:
            with pytest.raises(pymysql.Error):
                mariadb.run(FEDERATED.format(n=2, port=listener.port), database=name)
            assert listener.visits > 0
        finally:
            mariadb.run("uninstall soname 'ha_federatedx'")
