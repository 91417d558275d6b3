"""All that a capture needs works for the account that ``policy grants`` makes, over TCP with verify-full."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from drorch.errors import SourceRightsMissing
from drorch.policy.postgresql_grants import PostgresqlFacts, postgresql_grants
from drorch.sources.interface import Level, RestoreChoices
from drorch.sources.postgresql.location import PostgresqlLocation
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.postgresql import BACKUP_PASSWORD, Server
from tests.support.postgresql_zoo import assert_same_contents, make_zoo, psql, schema_difference

ACCOUNT = "drorch_reader"  # dropping what it owns takes its grants on every database of the server


def make_account(server: Server, database: str, private: Path) -> PostgresqlLocation:
    """Do what an administrator does with the text of ``policy grants``."""
    server.run(f"drop owned by {ACCOUNT}; drop role {ACCOUNT}" if has_account(server) else "", database)
    facts: Any = server.source(server.location(database), private).account_facts(ACCOUNT)
    promise: Any = SimpleNamespace(database=database, user=ACCOUNT, databases=None, roles="without")
    script = "\n".join(postgresql_grants(promise, PostgresqlFacts(**facts)))
    # What the facts say of the large objects is true for the superuser who asked; the account can read none of them.
    psql(server, database, script + f"\nalter role {ACCOUNT} password '{BACKUP_PASSWORD}';")
    return server.tcp_location(database, user=ACCOUNT, password=BACKUP_PASSWORD)


def has_account(server: Server) -> bool:
    return bool(server.run(f"select 1 from pg_roles where rolname = '{ACCOUNT}'"))


@pytest.fixture
def zoo(server: Server) -> Iterator[str]:
    name = make_zoo(server)
    yield name
    if has_account(server):
        server.run(f"drop owned by {ACCOUNT}", name)


def test_the_account_reads_everything(server: Server, zoo: str, private: Path) -> None:
    location = make_account(server, zoo, private)
    source = server.source(location, private)
    before = [finding for finding in source.examine() if finding.level is Level.FAIL]
    facts: Any = source.account_facts()
    if before:  # large objects are granted by number, as the second look of an administrator says
        assert server.major < 14 or facts["large_objects"]
        psql(
            server,
            zoo,
            "\n".join(f"grant select on large object {number} to {ACCOUNT};" for number in facts["large_objects"]),
        )
    assert [finding for finding in source.examine() if finding.level is Level.FAIL] == []
    with source.capture() as capture:
        content = read_capture(capture)
    server.target(server.location(f"{zoo}_back")).restore(content, RestoreChoices(), SilentObserver())
    # Only a superuser can read these two, and the snapshot says so; without them all must be equal.
    assert content.facts["left_out"] == ["subscription sub", "the options of the user mapping of zoo_reader on far"]
    server.run("alter user mapping for zoo_reader server far options (drop user, drop password)", zoo)
    psql(server, zoo, "alter subscription sub set (slot_name = none); drop subscription sub;")
    for name in (zoo, f"{zoo}_back"):
        server.run(f"drop owned by {ACCOUNT}", name)
    assert schema_difference(server, zoo, f"{zoo}_back") == ""
    # Without pg_read_all_data nobody sees where a large object has holes: they come back smaller.
    assert_same_contents(server, zoo, f"{zoo}_back", but="" if server.major >= 14 else "pages")


def test_an_administrator_learns_what_an_account_that_is_not_there_yet_needs(server: Server, private: Path) -> None:
    name = server.new_database(
        "select lo_create(778); create table mine (i int); alter table mine enable row level security"
    )
    source = server.source(server.location(name), private)
    facts = source.account_facts("nobody_of_that_name")
    assert facts["account_exists"] is False
    assert facts["large_objects"] == ([778] if server.major < 14 else [])  # pg_read_all_data reads them all
    assert facts["row_security_tables"] == ["public.mine"]
    assert source.account_facts("postgres")["account_exists"] is True
    assert source.account_facts("postgres")["large_objects"] == []


def test_missing_rights_are_named_all_at_once(server: Server, private: Path) -> None:
    sql = "create schema a; create table a.one (i int); create table a.two (i int); create sequence three; create table seen (i int);"
    name = server.new_database(sql)
    if not has_account(server):
        server.run(f"create role {ACCOUNT} login")
    server.run(f"alter role {ACCOUNT} nobypassrls password '{BACKUP_PASSWORD}'")
    if server.major >= 14:
        server.run(f"revoke pg_read_all_data from {ACCOUNT}")
    server.run(f"grant select on seen to {ACCOUNT}; select lo_create(777)", name)
    source = server.source(server.tcp_location(name, user=ACCOUNT, password=BACKUP_PASSWORD), private)
    with pytest.raises(SourceRightsMissing) as caught, source.capture():
        pass
    for part in ("a.one", "a.two", "public.three", "large object 777"):
        assert part in caught.value.found
    assert "seen" not in caught.value.found
    server.run(f"drop owned by {ACCOUNT}", name)


def test_row_security_never_gives_a_part(server: Server, private: Path) -> None:
    sql = """create table mine (i int, who text); insert into mine values (1, 'x'), (2, 'y');
    alter table mine enable row level security; create policy p on mine using (who = 'x');"""
    name = server.new_database(sql)
    if not has_account(server):
        server.run(f"create role {ACCOUNT} login")
    server.run(f"alter role {ACCOUNT} nobypassrls password '{BACKUP_PASSWORD}'")
    server.run(f"grant select on mine to {ACCOUNT}", name)
    location = server.tcp_location(name, user=ACCOUNT, password=BACKUP_PASSWORD)
    with pytest.raises(SourceRightsMissing) as caught, server.source(location, private).capture():
        pass
    assert "public.mine" in caught.value.found
    server.run(f"alter role {ACCOUNT} bypassrls")
    with server.source(location, private).capture() as capture:
        assert read_capture(capture).blobs["table/public.mine"].count(b"\n") == 2
    server.run(f"drop owned by {ACCOUNT}", name)


def sleep_in(connection: Any) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(600)")


def test_a_server_with_more_work_than_the_policy_allows_is_said_to_be_busy(
    postgresql_15: Server, tmp_path: Path
) -> None:
    server = postgresql_15
    name = server.new_database()
    limited = server.source(server.location(name), tmp_path, max_active_sessions=1)
    deadline = time.monotonic() + 120  # statements that other tests left alone end by themselves
    while limited.too_busy() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert limited.too_busy() == ""
    with ExitStack() as stack:
        working = [stack.enter_context(server.connect(name)) for _ in range(2)]
        running = [threading.Thread(target=sleep_in, args=(one,)) for one in working]
        for thread in running:
            thread.start()
        try:
            deadline = time.monotonic() + 60
            while not (told := limited.too_busy()) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert told.startswith(("2 sessions at work, at most 1", "3 sessions", "4 sessions"))
            assert server.source(server.location(name), tmp_path).too_busy() == "", "no limit, no question"
            make_account(server, name, tmp_path)
            blind = server.tcp_location(name, user=ACCOUNT, password=BACKUP_PASSWORD)
            with pytest.raises(SourceRightsMissing, match="may not see"):
                server.source(blind, tmp_path, max_active_sessions=1).too_busy()
            server.run(f"grant pg_read_all_stats to {ACCOUNT}")
            assert server.source(blind, tmp_path, max_active_sessions=1).too_busy() != ""
        finally:
            for one in working:
                one.cancel()
            for thread in running:
                thread.join(60)
