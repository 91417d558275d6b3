import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import (
    Bug,
    CaptureFailed,
    SourceLocked,
    SourceMissing,
    SourceRightsMissing,
    SourceUnsupported,
)
from drorch.sources.interface import Level, RowFormat, StreamKind, StreamSpec
from drorch.sources.sqlite.source import IntegrityCheck, SqliteSource
from tests.support.sqlite_zoo import build_zoo
from tests.support.taken_snapshot import names_in, rows_in, take


def source(path, **options):
    return SqliteSource(path, clock=SystemClock(), **options)


def filled(path, rows=100, journal_mode="delete", value="'x' || value"):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal_mode}")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b)")
        connection.execute(
            f"WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {rows}) INSERT INTO t SELECT value, {value}, NULL FROM n"
        )
        connection.execute("CREATE INDEX t_a ON t (a)")
        connection.commit()
    return path


def stream_bytes(capture, name):
    (spec,) = [spec for spec in capture.streams() if spec.name == name]
    with capture.open(spec) as pieces:
        return b"".join(pieces)


def test_streams_are_the_schema_and_one_per_table(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    with source(tmp_path / "zoo.db").capture() as capture:
        schema, *tables = capture.streams()
        assert (schema.name, schema.kind, schema.row_format) == ("schema", StreamKind.SCHEMA, RowFormat.NONE)
        assert {spec.kind for spec in tables} == {StreamKind.TABLE}
        assert {spec.row_format for spec in tables} == {RowFormat.PREFIXED}
        assert len({spec.name for spec in tables}) == len(tables)
        assert capture.parallel == 1
        assert capture.facts["tables"] == len(tables)
        assert capture.facts["engine"] == "sqlite"
        assert capture.restore_point.utcoffset() is not None
        assert capture.closing_facts() == {}


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_the_same_content_gives_the_same_bytes(tmp_path, journal_mode):
    build_zoo(tmp_path / "zoo.db", journal_mode=journal_mode)
    with source(tmp_path / "zoo.db").capture() as capture:
        first = take(capture)
    with source(tmp_path / "zoo.db").capture() as capture:
        again = take(capture)
    assert first.stored == again.stored


def test_nothing_is_written_to_the_file_and_its_lock_is_given_back(tmp_path):
    path = filled(tmp_path / "a.db")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with source(path, check=IntegrityCheck.FULL).capture() as capture:
        take(capture)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert names_in(tmp_path) == ["a.db"]
    with closing(sqlite3.connect(path, timeout=0)) as writer:
        writer.execute("INSERT INTO t VALUES (1000, 'y', NULL)")
        writer.commit()


def test_short_and_long_values_side_by_side_are_all_there(tmp_path):
    path = filled(
        tmp_path / "a.db",
        rows=5000,
        value="CASE WHEN value % 1700 = 0 THEN zeroblob(300000) WHEN value = 4001 THEN zeroblob(5000000) ELSE value END",
    )
    with source(path).capture() as capture:
        content = take(capture)
        (spec,) = [spec for spec in capture.streams() if spec.kind is StreamKind.TABLE]
        with capture.open(spec) as pieces:
            largest = max(map(len, pieces))
    assert content.stored["table/t"][0].rows == 5000
    assert len(content.bytes_of("table/t")) > 5_600_000
    assert largest < 7_000_000


def test_a_wide_table_is_captured(tmp_path):
    with closing(sqlite3.connect(tmp_path / "wide.db")) as connection:
        connection.execute(f"CREATE TABLE wide ({', '.join(f'c{i}' for i in range(1600))})")
        connection.executemany(f"INSERT INTO wide VALUES ({', '.join('?' * 1600)})", [[i] * 1600 for i in range(20)])
        connection.commit()
    with source(tmp_path / "wide.db").capture() as capture:
        assert rows_in(capture.streams()[1], stream_bytes(capture, "table/wide")) == 20


def test_an_empty_database_and_an_empty_file_have_only_a_schema(tmp_path):
    (tmp_path / "empty").touch()
    with source(tmp_path / "empty").capture() as capture:
        assert [spec.name for spec in capture.streams()] == ["schema"]
    findings = source(tmp_path / "empty").examine()
    assert [finding.level for finding in findings] == [Level.OK, Level.NOTE]


def test_a_link_to_the_file_is_followed(tmp_path):
    filled(tmp_path / "real.db", journal_mode="wal")
    (tmp_path / "link.db").symlink_to("real.db")
    with source(tmp_path / "link.db").capture() as capture:
        assert capture.ask("SELECT count(*) FROM t") == "100"


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT NULL", ""),
        ("SELECT 12", "12"),
        ("SELECT 0.1", "0.1"),
        ("SELECT 'Đức Trọng'", "Đức Trọng"),
        ("SELECT x'00ff'", "00ff"),
        ("SELECT max(a) FROM t", "x99"),
    ],
)
def test_a_probe_yields_one_value_as_text(tmp_path, sql, answer):
    with source(filled(tmp_path / "a.db")).capture() as capture:
        assert capture.ask(sql) == answer


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1, 2",
        "SELECT a FROM t",
        "SELECT 1 WHERE 0",
        "SELEC",
        "SELECT * FROM missing",
        "DELETE FROM t",
        "SELECT 1; SELECT 2",
        "COMMIT",
        "CREATE TABLE u (a)",
        "",
    ],
)
def test_a_probe_that_is_no_single_value_fails_the_capture(tmp_path, sql):
    with source(filled(tmp_path / "a.db")).capture() as capture, pytest.raises((CaptureFailed, SourceRightsMissing)):
        capture.ask(sql)


def test_a_stream_of_another_capture_is_a_bug(tmp_path):
    with (
        source(filled(tmp_path / "a.db")).capture() as capture,
        pytest.raises(Bug),
        capture.open(StreamSpec(name="table/u", kind=StreamKind.TABLE)),
    ):
        pass


def test_a_missing_file_a_directory_and_another_format_are_told_apart(tmp_path):
    (tmp_path / "notes.txt").write_text("no database at all, only text " * 50)
    (tmp_path / "encrypted.db").write_bytes(os.urandom(8192))
    for name, error in (
        ("gone.db", SourceMissing),
        ("", SourceMissing),
        ("notes.txt", SourceUnsupported),
        ("encrypted.db", SourceUnsupported),
    ):
        with pytest.raises(error) as caught, source(tmp_path / name).capture():
            pass
        assert caught.value.hint or name == ""
        assert source(tmp_path / name).examine()[0].level is Level.FAIL


def test_a_locked_database_is_locked_and_not_damaged(tmp_path):
    path = filled(tmp_path / "a.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceLocked) as caught, source(path, busy_timeout_seconds=0.05).capture():
            pass
        assert caught.value.retryable
    with source(path, busy_timeout_seconds=0.05).capture():
        pass


@pytest.mark.parametrize("page", range(1, 8))
def test_a_damaged_page_fails_the_capture(tmp_path, page):
    path = filled(tmp_path / "a.db", rows=2000)
    content = bytearray(path.read_bytes())
    content[page * 4096 : page * 4096 + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(CaptureFailed, match="damage"), source(path).capture() as capture:
        take(capture)


def test_a_file_cut_short_fails_the_capture(tmp_path):
    path = filled(tmp_path / "a.db", rows=20000)
    os.truncate(path, path.stat().st_size // 4096 // 2 * 4096)
    with pytest.raises(CaptureFailed), source(path).capture() as capture:
        take(capture)


def test_damage_that_only_an_index_shows_is_found_on_request(tmp_path):
    path = filled(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT pageno FROM dbstat WHERE name = 't_a' AND pagetype = 'leaf'").fetchone()
    content = bytearray(path.read_bytes())
    at = content.index(b"x50", (page - 1) * 4096)
    content[at : at + 3] = b"x5!"
    path.write_bytes(content)
    with source(path, check=IntegrityCheck.QUICK).capture() as capture:
        assert take(capture).stored["table/t"][0].rows == 100
    with (
        pytest.raises(CaptureFailed, match="integrity_check found damage"),
        source(path, check=IntegrityCheck.FULL).capture(),
    ):
        pass


def test_a_hot_journal_is_not_ours_to_roll_back(tmp_path):
    path = filled(tmp_path / "a.db", rows=5000)
    script = f"import sqlite3, os; c = sqlite3.connect({str(path)!r}); c.execute('PRAGMA cache_size=1'); c.execute('UPDATE t SET b = a'); os._exit(1)"
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (tmp_path / "a.db-journal").stat().st_size > 0
    with pytest.raises(SourceRightsMissing) as caught, source(path).capture():
        pass
    assert "open the database once" in caught.value.hint
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("SELECT count(*) FROM t").fetchone()
    with source(path).capture() as capture:
        assert capture.ask("SELECT count(b) FROM t") == "0"


def test_abort_from_another_thread_ends_an_open_stream(tmp_path):
    path = filled(tmp_path / "a.db", rows=200_000)
    with source(path).capture() as capture:
        (_, spec) = capture.streams()
        with capture.open(spec) as pieces:
            next(pieces)
            thread = threading.Thread(target=capture.abort)
            thread.start()
            thread.join()
            with pytest.raises(CaptureFailed, match="stopped"):
                list(pieces)
        with pytest.raises(CaptureFailed, match="stopped"), capture.open(spec) as pieces:
            next(pieces)
        capture.abort()
    capture.abort()  # closed already


def test_abort_ends_a_query_that_runs(tmp_path):
    with source(filled(tmp_path / "a.db")).capture() as capture:
        timer = threading.Timer(0.3, capture.abort)
        timer.start()
        with pytest.raises(CaptureFailed, match="stopped"):
            capture.ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
        timer.join()


@pytest.fixture
def open_directory():
    """A directory that any account can reach: pytest's own is closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextmanager
def another_account():
    """Run the block as nobody where the tests run as root, and as ourselves elsewhere."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def as_stranger(path):
    with another_account(), source(path).capture() as capture:
        return capture.ask("SELECT count(*) FROM t")


def test_a_file_that_may_not_be_read_is_a_matter_of_rights(open_directory):
    path = filled(open_directory / "a.db")
    path.chmod(0o000)
    with pytest.raises(SourceRightsMissing):
        as_stranger(path)


def test_wal_companions_are_never_made_under_another_owner(open_directory):
    path = filled(open_directory / "a.db", journal_mode="wal")
    path.chmod(0o644)
    if os.geteuid() != 0:
        assert as_stranger(path) == "100"
        return
    with pytest.raises(SourceRightsMissing) as caught:
        as_stranger(path)
    assert "run drorch as the file's owner" in caught.value.hint
    assert names_in(open_directory) == ["a.db"]


def test_root_leaves_companions_to_the_owner_of_the_database(open_directory):
    path = filled(open_directory / "a.db", journal_mode="wal")
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    owner = path.stat().st_uid
    with source(path).capture() as capture:
        assert capture.ask("SELECT count(*) FROM t") == "100"
    assert {entry.stat().st_uid for entry in open_directory.iterdir()} == {owner}


def test_a_reader_without_rights_to_the_directory_reads_beside_a_live_application(open_directory):
    path = filled(open_directory / "a.db", journal_mode="wal")
    path.chmod(0o644)
    open_directory.chmod(0o755)
    with closing(sqlite3.connect(path)) as application:
        application.execute("INSERT INTO t VALUES (101, 'y', NULL)")
        application.commit()
        assert as_stranger(path) == "101"
