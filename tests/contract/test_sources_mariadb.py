"""What an engine promises, by MariaDB: under the account of ``policy grants``, over TLS with the certificate checked."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql
import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices, RowFormat, StreamKind
from drorch.sources.mariadb.options import NonTransactional, RolesChoice
from tests.support.mariadb import BACKUP_PASSWORD, MariadbServer, grants_of
from tests.support.mariadb_zoo import EVERY_BYTE, TCVN3, build
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture

SWITCHED_OFF = ("^event nightly$",)  # events come back disabled
BROKEN = (
    "broken$",
    "^rights of b_",
)  # a view that was broken at the source cannot be made again, and is listed; other tests make accounts


@pytest.fixture(scope="module")
def zoo(mariadb: MariadbServer) -> str:
    name = mariadb.new_database(prefix="zoo")
    mariadb.run(*build(name), database=name)
    return name


@pytest.fixture(scope="module")
def content(mariadb: MariadbServer, zoo: str) -> MemoryContent:
    with mariadb.backup_source(zoo).capture() as capture:
        return read_capture(capture)


@pytest.fixture(scope="module")
def back(mariadb: MariadbServer, zoo: str, content: MemoryContent) -> str:
    name = f"{zoo}_back"
    mariadb.target(mariadb.tcp(name)).restore(content, RestoreChoices(), SilentObserver())
    return name


def take(source: Any) -> MemoryContent:
    with source.capture() as capture:
        return read_capture(capture)


def test_everything_comes_back_as_it_was(mariadb: MariadbServer, zoo: str, back: str) -> None:
    told = mariadb.compare(zoo, back, *SWITCHED_OFF, *BROKEN)
    assert told.startswith("equal: 17 tables"), told


def test_the_comparer_sees_what_was_left_out_on_purpose(mariadb: MariadbServer, zoo: str, back: str) -> None:
    told = mariadb.compare(zoo, back)
    assert "event nightly" in told
    assert "view broken: only in the first" in told


def test_bytes_in_columns_of_another_character_set(mariadb: MariadbServer, back: str) -> None:
    assert mariadb.run("select hex(latin) from bytes where id in (1, 4) order by id", database=back) == [
        (TCVN3.hex().upper(),),
        (EVERY_BYTE.hex().upper(),),
    ]


def test_history_comes_back_with_its_moments(mariadb: MariadbServer, zoo: str, back: str) -> None:
    query = "select id, name, share, row_start, row_end from owner for system_time all order by id, row_end"
    before = mariadb.run(query, database=zoo)
    assert len(before) == 5 - 1
    assert mariadb.run(query, database=back) == before
    moment = f"select name from owner for system_time as of timestamp'{before[0][3] + timedelta(microseconds=1)}' where id = 1"
    assert mariadb.run(moment, database=back) == [("Bà Lan",)]


def test_defaults_ask_the_sequence_of_their_own_database(
    mariadb: MariadbServer, zoo: str, content: MemoryContent
) -> None:
    back = f"{zoo}_asking"
    mariadb.target(mariadb.location(back)).restore(content, RestoreChoices(), SilentObserver())
    before = mariadb.run("select next_not_cached_value from receipt", database=zoo)
    mariadb.run("insert into parcel (unit) values ('00678')", database=back)
    assert mariadb.run("select next_not_cached_value from receipt", database=zoo) == before
    ((highest,),) = mariadb.run("select max(ticket) from parcel", database=zoo)
    ((number, ticket, note),) = mariadb.run(
        "select id, ticket, note from parcel order by id desc limit 1", database=back
    )
    assert ticket > highest
    assert (number, note) == (90001, "Ừ ☺!")  # the next number, and both triggers in their order


def test_the_same_content_is_the_same_bytes(mariadb: MariadbServer, zoo: str, content: MemoryContent) -> None:
    again = take(mariadb.source(mariadb.location(zoo)))
    names = [name for name in content.blobs if name != "roles"]  # an account was made in between
    assert {name: again.blobs[name] for name in names} == {name: content.blobs[name] for name in names}


def test_streams_and_facts(mariadb: MariadbServer, zoo: str) -> None:
    mariadb.run("flush binary logs")
    before = datetime.now(UTC)
    with mariadb.backup_source(zoo).capture() as capture:
        streams = capture.streams()
        assert [stream.name for stream in streams[:2]] == ["schema", "roles"]
        assert [stream.kind for stream in streams[:2]] == [StreamKind.SCHEMA, StreamKind.ROLES]
        tables = streams[2:]
        assert all(stream.kind is StreamKind.TABLE and stream.row_format is RowFormat.PREFIXED for stream in tables)
        assert all(stream.name.isprintable() for stream in tables)
        assert capture.parallel == 1
        assert before - timedelta(seconds=5) < capture.restore_point < datetime.now(UTC) + timedelta(seconds=5)
        facts = dict(capture.facts)
        assert capture.ask("select count(*) from unit") == "3"
        assert capture.ask("select null") == ""
        assert capture.ask("select x'00ff'") == "00ff"
        with pytest.raises(errors.CaptureFailed, match="one value"):
            capture.ask("select 1, 2")
        with pytest.raises(errors.CaptureFailed, match="refused the probe"):
            capture.ask("select nothing_of_the_kind")
        with pytest.raises(errors.CaptureFailed, match="refused the probe"):
            capture.ask("delete from unit")
        assert capture.closing_facts()["snapshot_held_seconds"] == 0
    assert facts["engine"] == "mariadb"
    assert facts["tls"] == "TLSv1.3"
    position = facts["binary_log"]
    assert isinstance(position, dict)
    assert str(position["gtid"]).startswith("0-7-")
    ((file, offset, *_),) = mariadb.run("show master status")
    assert position["file"] == file
    assert position["position"] <= offset


def test_a_probe_that_ends_the_snapshot_is_refused(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)")
    with (
        mariadb.backup_source(name).capture() as capture,
        pytest.raises(errors.CaptureFailed, match="ended the snapshot"),
    ):
        capture.ask("commit")


def test_the_account_needs_every_one_of_its_rights(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)")
    statements = grants_of(name, "needs")
    grants = [one for one in statements if one.startswith("GRANT")]
    assert len(grants) == 8
    for left_out in grants:
        mariadb.run(*(one for one in statements if one != left_out))
        source = mariadb.source(mariadb.tcp(name, user="needs", password=BACKUP_PASSWORD))
        with pytest.raises(errors.SourceRightsMissing) as caught, source.capture():
            pass
        told = left_out.split(" TO ")[0].replace("\n ", "").replace("\\_", "_")
        assert told in caught.value.hint
        failures = [finding for finding in source.examine() if finding.level is Level.FAIL]
        assert failures
        assert any(told in finding.remedy for finding in failures)
        mariadb.run("drop user needs@'%'")


def test_rights_by_a_role_and_by_a_pattern_are_rights(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)", prefix="by_role")
    statements = [
        one.replace("TO 'through'@'%'", "TO reader_of_all").replace("by\\_role", "by\\_%")
        for one in grants_of(name, "through")
    ]
    made = [one for one in statements if not one.startswith("GRANT")]
    given = [one for one in statements if one.startswith("GRANT")]
    role = ("grant reader_of_all to through@'%'", "set default role reader_of_all for through@'%'")
    mariadb.run(*made, "create role reader_of_all", *given, *role)
    content = take(mariadb.source(mariadb.tcp(name, user="through", password=BACKUP_PASSWORD)))
    assert "table/t" in content.blobs
    mariadb.run("drop user through@'%'", "drop role reader_of_all")


def test_accounts_come_without_hashes_unless_asked_for(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)")
    mariadb.run(
        "create user clerk@'%' identified by 'clerk-canary'",
        f"grant select, insert on `{name}`.* to clerk@'%' with grant option",
        "create user stranger@'%' identified by 'x'",
    )
    ((digest,),) = mariadb.run("select password('clerk-canary')")
    without = take(mariadb.backup_source(name))
    assert b"clerk@%" in without.blobs["roles"]
    assert b"stranger" not in without.blobs["roles"]
    assert not any(digest.encode() in blob for blob in without.blobs.values())
    with_hashes = take(mariadb.backup_source(name, roles=RolesChoice.WITH_PASSWORDS))
    assert digest.encode() in with_hashes.blobs["roles"]
    assert "roles" not in take(mariadb.backup_source(name, roles=RolesChoice.NONE)).blobs
    mariadb.run("drop user clerk@'%'", "drop user stranger@'%'")


def test_tables_that_no_snapshot_covers_are_refused_by_name(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(
        "create table good (a int)",
        "create table old (a int) engine=MyISAM",
        "create table other (a int) engine=Aria",
        "create table passing (a int) engine=MEMORY",
    )
    source = mariadb.backup_source(name)
    with pytest.raises(errors.SourceUnsupported, match="3 tables are not transactional: old, other, passing") as caught:
        take(source)
    assert "non_transactional: lock" in caught.value.hint
    assert any(finding.level is Level.FAIL and "old, other" in finding.text for finding in source.examine())
    left_out = take(mariadb.backup_source(name, exclude_data=("old", f"{name}.other", "pass*", "none*")))
    assert [stream for stream in left_out.blobs if stream.startswith("table/")] == ["table/good"]
    assert left_out.facts["excluded_data"] == ["old", "other", "passing"]
    assert left_out.facts["exclude_data_unused"] == ["none*"]


def test_a_lock_keeps_writers_out_until_the_last_such_table_is_read(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(
        "create table a_good (a int)", "create table z_old (a int) engine=MyISAM", "insert into z_old values (1)"
    )
    waiting = "set session lock_wait_timeout = 1", "insert into z_old values (2)"
    with mariadb.backup_source(name, non_transactional=NonTransactional.LOCK).capture() as capture:
        with pytest.raises(Exception, match="Lock wait timeout"):
            mariadb.run(*waiting, database=name)
        mariadb.run("insert into a_good values (1)", database=name)  # others go on
        (old, good) = capture.streams()[2:]
        assert old.name == "table/z_old"  # first, so that writers wait no longer than they must
        with capture.open(old) as pieces:
            assert b"".join(pieces) == b"\0\0\0\2\x011"
        mariadb.run(*waiting, database=name)
        with capture.open(good) as pieces:
            assert b"".join(pieces) == b""
        assert capture.facts["locked_tables"] == ["z_old"]


def test_remote_tables_are_not_read_and_lose_their_password(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table here (a int)")
    mariadb.run("install soname 'ha_federatedx'")
    try:
        mariadb.run(
            "create user far@'127.0.0.1' identified by 'far-canary'",
            f"grant select on `{name}`.* to far@'127.0.0.1'",
            f"create table `{name}`.there (a int) engine=FEDERATED"
            f" connection='mysql://far:far-canary@127.0.0.1:{mariadb.port}/{name}/here'",
        )
        # Whoever asks that server from now on is refused, and counted.
        mariadb.run("drop user far@'127.0.0.1'", "flush tables")
        before = mariadb.run("show global status like 'Access_denied_errors'")
        source = mariadb.backup_source(name)
        content = take(source)
        assert not any(finding.level is Level.FAIL for finding in source.examine())
        assert [stream for stream in content.blobs if stream.startswith("table/")] == ["table/here"]
        assert not any(b"far-canary" in blob for blob in content.blobs.values())
        assert b"far:drorch-left-out@127.0.0.1" in content.blobs["schema"]
        assert content.facts["left_out"] == ["rows of there: they are another server's"]
        outcome = mariadb.target(mariadb.location(f"{name}_back")).restore(
            content, RestoreChoices(no_owner=True), SilentObserver()
        )
        assert mariadb.run("show global status like 'Access_denied_errors'") == before
        assert any(line.startswith("there shows another server's rows and is not made") for line in outcome.by_hand)
        assert mariadb.run(f"show tables from `{name}_back`") == [("here",)]
    finally:
        mariadb.run(f"drop database `{name}`", "uninstall soname 'ha_federatedx'")


def test_history_by_transaction_number_is_refused(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(
        "create table deed (a int, s bigint unsigned generated always as row start,"
        " e bigint unsigned generated always as row end, period for system_time (s, e)) with system versioning"
    )
    with pytest.raises(errors.SourceUnsupported, match="history of deed is kept by transaction number"):
        take(mariadb.backup_source(name))
    take(mariadb.backup_source(name, exclude_data=("deed",)))


def test_an_empty_database(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(options="character set latin1 collate latin1_bin comment 'nothing ''yet'''")
    content = take(mariadb.backup_source(name))
    assert list(content.blobs) == ["schema", "roles"]
    mariadb.target(mariadb.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    assert mariadb.compare(name, f"{name}_back").startswith("equal: 0 tables")


def test_large_values_and_many_rows(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(
        "create table t (id int primary key, v longblob)",
        "insert into t values (1, repeat(x'00275c0affe1bb', 1000000)), (2, repeat('x', 16777215 - 12))",
        "create table many (id bigint primary key auto_increment, a varchar(20), d double)",
        "insert into many (a, d) select concat('Nguyễn ', seq), sqrt(seq) from seq_1_to_50000",
    )
    mariadb.run("set global max_allowed_packet = 67108864")
    try:
        content = take(mariadb.backup_source(name))
        mariadb.target(mariadb.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
        assert mariadb.compare(name, f"{name}_back").startswith("equal: 2 tables, 50002 rows")
        mariadb.run("set global max_allowed_packet = 8388608")
        with pytest.raises(errors.TargetError, match="writing table t") as refused:
            mariadb.target(mariadb.location(f"{name}_again")).restore(content, RestoreChoices(), SilentObserver())
        assert "max_allowed_packet" in refused.value.hint
        assert mariadb.databases(f"{name}_again") == []
    finally:
        mariadb.run("set global max_allowed_packet = 16777216")


def test_a_capture_grows_too_old(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)", "insert into t select seq from seq_1_to_100000")
    with mariadb.backup_source(name, max_snapshot_age_seconds=1).capture() as capture:
        stream = capture.streams()[-1]
        time.sleep(1.1)
        with pytest.raises(errors.SourceStalled, match="older than it may become"), capture.open(stream) as pieces:
            for _ in pieces:
                pass


def test_digests_do_not_depend_on_the_order_of_rows(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int, key (a))", "insert into t values (3), (1), (2)")
    blob = take(mariadb.backup_source(name)).blobs["table/t"]
    assert (
        hashlib.sha256(blob).digest() == hashlib.sha256(b"\0\0\0\2\x013\0\0\0\2\x011\0\0\0\2\x012").digest()
    )  # as they lie


def sleep_in(connection: Any) -> None:
    with suppress(pymysql.err.OperationalError):  # interrupted
        connection.query("select sleep(600)")


def test_a_server_with_more_work_than_the_policy_allows_is_said_to_be_busy(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)")
    location = mariadb.backup_location(name)
    source = mariadb.source(location, max_active_sessions=2)
    sleepers = [mariadb.connect() for _ in range(3)]
    threads = [threading.Thread(target=sleep_in, args=(one,)) for one in sleepers]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 60
        # until all three are at work: none of them escapes the end
        while not source.too_busy() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "sessions at work, at most 2" in source.too_busy()
        assert mariadb.source(location).too_busy() == ""
        assert mariadb.source(location, max_active_sessions=1_000).too_busy() == ""
    finally:
        mariadb.run(*(f"kill query {one.thread_id()}" for one in sleepers))
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        for one in sleepers:
            one.close()
