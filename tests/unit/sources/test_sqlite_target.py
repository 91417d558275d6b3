import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import DecisionNeeded, DrorchError, ObjectCorrupt, RestoreDiffers, TargetRefused
from drorch.sources.interface import Level, RestoreChoices
from drorch.sources.sqlite.source import IntegrityCheck, SqliteSource
from drorch.sources.sqlite.target import SqliteTarget
from tests.support.sqlite_zoo import build_zoo
from tests.support.taken_snapshot import SilentObserver, names_in, take

STARTED = datetime(2026, 11, 22, 10, 9, tzinfo=UTC)
REPLACE = RestoreChoices(replace=True, started_at=STARTED)
ROOT = Path(__file__).parents[3]


def capture_of(path, **options):
    with SqliteSource(path, clock=SystemClock(), **options).capture() as capture:
        return take(capture)


EVERYTHING = RestoreChoices()


def restore(content, path, choices=EVERYTHING):
    return SqliteTarget(path, clock=SystemClock()).restore(content, choices, SilentObserver())


def database(path, script):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def ask(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def small(tmp_path):
    return capture_of(
        database(
            tmp_path / "small.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'mới');"
        )
    )


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("page_size", [512, 65536])
def test_everything_comes_back(tmp_path, encoding, journal_mode, page_size):
    build_zoo(tmp_path / "zoo.db", encoding=encoding, journal_mode=journal_mode, page_size=page_size)
    content = capture_of(tmp_path / "zoo.db", check=IntegrityCheck.FULL)
    content.piece_bytes = 1000
    outcome = restore(content, tmp_path / "back.db")
    back = capture_of(tmp_path / "back.db", check=IntegrityCheck.FULL)
    assert {name: back.bytes_of(name) for name in back.stored} == {
        name: content.bytes_of(name) for name in content.stored
    }
    assert outcome.tables == len(content.stored) - 1
    assert outcome.rows == sum(stream.rows or 0 for stream in content.streams())
    assert outcome.lines == ("1 row of birth refers to rows of unit that are not there (as in the source)",)
    assert outcome.by_hand == ()
    assert sorted(entry.name for entry in tmp_path.iterdir() if "drorch" in entry.name) == []


def test_what_was_restored_works(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    restore(capture_of(tmp_path / "zoo.db"), tmp_path / "back.db")
    with closing(sqlite3.connect(tmp_path / "back.db", isolation_level=None)) as back:
        assert back.execute("SELECT count(*) FROM log WHERE what LIKE 'birth %'").fetchone() == (
            401,
        )  # no trigger fired while loading
        back.execute("INSERT INTO birth (unit, name, born) VALUES ('24958', 'Trần', '01/01/1999')")
        assert back.execute("SELECT what FROM log ORDER BY rowid DESC").fetchone() == (
            "birth 402",
        )  # and the sequence goes on
        assert back.execute("SELECT born_year, name_key FROM birth WHERE id = 402").fetchone() == ("1999", "trần")
        assert back.execute("SELECT body FROM words WHERE words MATCH 'tịch'").fetchall() == [("hộ tịch Liên Nghĩa",)]
        assert back.execute("SELECT id FROM places WHERE x0 > 5").fetchall() == [(2,)]
        assert back.execute("INSERT INTO words (words) VALUES ('integrity-check')").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            back.execute("INSERT INTO unit VALUES ('1', 'too short')")


def test_values_of_a_utf16_database_are_the_same_code_units(tmp_path):
    build_zoo(tmp_path / "zoo.db", encoding="UTF-16be")
    restore(capture_of(tmp_path / "zoo.db"), tmp_path / "back.db")
    query = "SELECT hex(CAST(a AS BLOB)), hex(CAST(b AS BLOB)) FROM heap WHERE typeof(a) = 'text'"
    assert ("00D8", "FEFF00D84100") in ask(tmp_path / "back.db", query)


def test_an_existing_database_is_refused_and_untouched(tmp_path, small):
    old = database(tmp_path / "old.db", "CREATE TABLE t (a); INSERT INTO t VALUES ('cũ');")
    before = old.read_bytes()
    with pytest.raises(DecisionNeeded, match="exists and holds") as caught:
        restore(small, old)
    assert "--replace" in caught.value.hint
    assert old.read_bytes() == before
    assert sorted(names_in(tmp_path)) == ["old.db", "small.db"]


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_replace_keeps_the_old_file_with_its_log_worked_in(tmp_path, small, journal_mode):
    old = tmp_path / "old.db"
    script = f"import sqlite3, os; c = sqlite3.connect({str(old)!r}); c.executescript('PRAGMA journal_mode={journal_mode}; CREATE TABLE t (a); INSERT INTO t VALUES (7);'); os._exit(0)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (tmp_path / "old.db-wal").exists() == (journal_mode == "wal")
    old.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(old, 12345, 54321)
    owner = old.stat().st_uid, old.stat().st_gid
    outcome = restore(small, old, REPLACE)
    kept = tmp_path / "old.db__before_20261122_1009"
    assert ask(kept, "SELECT a FROM t") == [(7,)]
    assert ask(old, "SELECT a FROM t") == [("mới",)]
    assert (old.stat().st_mode & 0o777, old.stat().st_uid, old.stat().st_gid) == (0o640, *owner)
    assert sorted(names_in(tmp_path)) == ["old.db", kept.name, "small.db"]
    assert outcome.lines == (f"the old file is {kept}; to go back:", f"  mv {kept.name} old.db")


def test_replacing_twice_in_a_minute_keeps_both(tmp_path, small):
    old = database(tmp_path / "old.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    restore(small, old, REPLACE)
    restore(small, old, REPLACE)
    assert ask(tmp_path / "old.db__before_20261122_1009", "SELECT a FROM t") == [(1,)]
    assert ask(tmp_path / "old.db__before_20261122_1009_2", "SELECT a FROM t") == [("mới",)]


@pytest.mark.parametrize("statement", ["INSERT INTO t VALUES ('đang ghi')", "SELECT * FROM t"])
@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_replace_is_refused_while_another_program_uses_the_old_file(tmp_path, small, journal_mode, statement):
    old = database(tmp_path / "old.db", f"PRAGMA journal_mode={journal_mode}; CREATE TABLE t (a);")
    with closing(sqlite3.connect(old, isolation_level=None)) as application:
        application.execute("BEGIN")
        application.execute(statement).fetchall()
        with pytest.raises(DecisionNeeded) as caught:
            restore(small, old, REPLACE)
        assert "stop the programs" in caught.value.hint
        application.execute("COMMIT")
    assert "id" not in ask(old, "SELECT sql FROM sqlite_schema")[0][0]
    assert [name for name in names_in(tmp_path) if "drorch" in name or "before" in name] == []


def test_a_damaged_file_can_be_replaced(tmp_path, small):
    old = tmp_path / "old.db"
    old.write_bytes(b"damaged " * 1000)
    restore(small, old, REPLACE)
    assert ask(old, "SELECT a FROM t") == [("mới",)]
    assert (tmp_path / "old.db__before_20261122_1009").read_bytes() == b"damaged " * 1000


def test_a_damaged_file_with_a_log_beside_it_is_left_to_the_operator(tmp_path, small):
    old = tmp_path / "old.db"
    script = f"import sqlite3, os; c = sqlite3.connect({str(old)!r}); c.executescript('PRAGMA journal_mode=wal; CREATE TABLE t (a); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (7);'); os._exit(0)"
    subprocess.run([sys.executable, "-c", script], check=True)
    old.write_bytes(b"damaged " * 1024)
    log = (tmp_path / "old.db-wal").read_bytes()
    with pytest.raises(DecisionNeeded) as caught:
        restore(small, old, REPLACE)
    assert "move old.db" in caught.value.hint
    assert old.read_bytes() == b"damaged " * 1024
    assert (tmp_path / "old.db-wal").read_bytes() == log


def test_an_empty_file_is_taken_and_a_link_stays_a_link(tmp_path, small):
    (tmp_path / "real.db").touch(mode=0o604)
    (tmp_path / "link.db").symlink_to("real.db")
    restore(small, tmp_path / "link.db")
    assert (tmp_path / "link.db").is_symlink()
    assert ask(tmp_path / "real.db", "SELECT a FROM t") == [("mới",)]
    assert (tmp_path / "real.db").stat().st_mode & 0o777 == 0o604


def test_a_new_file_is_for_its_owner_only(tmp_path, small):
    restore(small, tmp_path / "new.db")
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600


def test_a_log_without_its_database_is_not_mixed_in(tmp_path, small):
    (tmp_path / "new.db-wal").write_bytes(b"frames of a database that is gone")
    with pytest.raises(DecisionNeeded, match="taken for part of the new one"):
        restore(small, tmp_path / "new.db")


def test_preflight_lists_everything_at_once_and_changes_nothing(tmp_path, small):
    old = database(tmp_path / "old.db", "CREATE TABLE t (a);")
    choices = RestoreChoices(tables=("t", "main.missing", "gone"), started_at=STARTED)
    findings = SqliteTarget(old, clock=SystemClock()).preflight(small, choices)
    stops = [finding for finding in findings if finding.level is Level.STOP]
    assert [stop.text.partition(" (")[0] for stop in stops] == [
        f"{old} exists and holds 8.19 kB",
        "the snapshot has no table main.missing",
        "the snapshot has no table gone",
    ]
    assert "old.db__before_20261122_1009" in stops[0].remedy
    assert sorted(names_in(tmp_path)) == ["old.db", "small.db"]


def test_preflight_stops_for_a_missing_directory_too_little_room_and_another_engine(tmp_path, small):
    def stops(content, path):
        return [
            finding.text
            for finding in SqliteTarget(path, clock=SystemClock()).preflight(content, RestoreChoices())
            if finding.level is Level.STOP
        ]

    assert stops(small, tmp_path / "no" / "new.db") == [f"there is no directory {tmp_path / 'no'}"]
    huge = replace(small, facts={**small.facts, "database_bytes": 10**15})
    assert "needed" in stops(huge, tmp_path / "new.db")[0]
    foreign = replace(small, facts={"engine": "postgresql"})
    assert stops(foreign, tmp_path / "new.db") == ["the snapshot is of postgresql, not of SQLite"]


def test_one_table_comes_with_its_indexes_triggers_and_sequence(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    content = capture_of(tmp_path / "zoo.db")
    outcome = restore(content, tmp_path / "part.db", RestoreChoices(tables=("main.birth", "log")))
    objects = {
        name for (name,) in ask(tmp_path / "part.db", "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    }
    assert objects == {"birth", "log", "birth_unit", "birth_year", "birth_logged"}
    assert ask(tmp_path / "part.db", "SELECT * FROM sqlite_sequence") == [("birth", 401)]
    assert ask(tmp_path / "part.db", "SELECT count(*) FROM birth") == [(391,)]
    assert set(content.opened) == {"schema", "table/birth", "table/log", "table/sqlite_sequence"}
    assert "391 rows of birth refer to rows of unit that are not there (not all tables were restored)" in outcome.lines


def test_a_virtual_table_comes_with_its_content(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    restore(capture_of(tmp_path / "zoo.db"), tmp_path / "part.db", RestoreChoices(tables=("words",)))
    assert ask(tmp_path / "part.db", "SELECT body FROM words WHERE words MATCH 'tịch'") == [("hộ tịch Liên Nghĩa",)]


def test_a_virtual_table_of_an_unknown_module_comes_back_unread(tmp_path):
    path = database(
        tmp_path / "a.db",
        "CREATE TABLE plain (a); INSERT INTO plain VALUES (1); CREATE TABLE map_content (k); INSERT INTO map_content VALUES (5);",
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "INSERT INTO sqlite_schema VALUES ('table', 'map', 'map', 0, 'CREATE VIRTUAL TABLE map USING vietmap(x)')"
        )
        connection.commit()
    content = capture_of(path)
    notes = [
        finding.text
        for finding in SqliteTarget(tmp_path / "b.db", clock=SystemClock()).preflight(content, RestoreChoices())
        if finding.level is Level.NOTE
    ]
    assert notes == ["module vietmap is not in this SQLite library: its tables come back unread"]
    restore(content, tmp_path / "b.db")
    assert capture_of(tmp_path / "b.db").stored == content.stored


def test_an_index_that_needs_the_application_is_left_to_it_and_listed(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.create_collation("vietnamese", lambda a, b: (a > b) - (a < b))
        connection.executescript(
            "CREATE TABLE t (name TEXT); INSERT INTO t VALUES ('Đỗ'), ('An'); CREATE INDEX by_name ON t (name COLLATE vietnamese);"
        )
    outcome = restore(capture_of(tmp_path / "a.db"), tmp_path / "b.db")
    (line,) = outcome.by_hand
    assert line.startswith(
        "index by_name needs what only the application has (no such collation sequence: vietnamese): CREATE INDEX"
    )
    assert ask(tmp_path / "b.db", "SELECT name FROM t") == [("Đỗ",), ("An",)]


def test_rows_that_read_back_otherwise_are_refused(tmp_path):
    path = database(tmp_path / "a.db", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('12');")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INTEGER)'")
        connection.commit()
    with pytest.raises(RestoreDiffers, match="rows of t"):
        restore(capture_of(path), tmp_path / "b.db")
    assert sorted(names_in(tmp_path)) == ["a.db"]


def test_a_row_that_the_table_refuses_names_the_table(tmp_path, small):
    stream, content = small.stored["table/t"]
    doubled = replace(stream, rows=2, size_bytes=2 * len(content))
    small.stored["table/t"] = (doubled, content * 2)
    with pytest.raises(TargetRefused, match="table t"):
        restore(small, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("damage", ["rows", "digest", "cut"])
def test_a_stream_that_is_not_what_was_captured_ends_the_restore(tmp_path, small, damage):
    stream, content = small.stored["table/t"]
    if damage == "rows":
        small.stored["table/t"] = (replace(stream, rows=5), content)
    elif damage == "digest":
        small.stored["table/t"] = (replace(stream, bytes_digest=b"other"), content)
    else:
        small.stored["table/t"] = (stream, content[:-1])
    old = database(tmp_path / "old.db", "CREATE TABLE t (a);")
    with pytest.raises((RestoreDiffers, ObjectCorrupt)):
        restore(small, old, REPLACE)
    assert sorted(names_in(tmp_path)) == ["old.db", "small.db"]


def test_what_a_killed_restore_left_is_cleared_and_nothing_else(tmp_path, small):
    side = tmp_path / "new.db__drorch_7kq2m9xd"
    side.mkdir()
    (side / "made-by-drorch").touch()
    (side / "database").write_bytes(b"half")
    restore(small, tmp_path / "new.db")
    assert not side.exists()
    side.mkdir()
    (side / "somebody's").touch()
    with pytest.raises(DecisionNeeded, match="not ours"):
        restore(small, tmp_path / "new.db", REPLACE)
    assert (side / "somebody's").exists()


KILLED = """
import sys, os, signal
from pathlib import Path
from drorch.clock import SystemClock
from drorch.sources.interface import RestoreChoices
from drorch.sources.sqlite.target import SqliteTarget
from drorch.sources.sqlite.source import SqliteSource
from tests.support.taken_snapshot import SilentObserver, names_in, take
with SqliteSource(Path(sys.argv[1]), clock=SystemClock()).capture() as capture:
    content = take(capture)
calls, limit = 0, int(sys.argv[3])
def watch(event, arguments):
    global calls
    if event in ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "sqlite3.connect"):
        calls += 1
        if calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
SqliteTarget(Path(sys.argv[2]), clock=SystemClock()).restore(content, RestoreChoices(replace=True), SilentObserver())
"""


def test_killed_at_every_step_the_name_holds_the_old_or_the_new(tmp_path, small):
    seen = []
    for limit in range(1, 60):
        place = tmp_path / f"run{limit}"
        place.mkdir()
        old = database(
            place / "live.db",
            "PRAGMA journal_mode=wal; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'cũ');",
        )
        argv = [sys.executable, "-c", KILLED, str(tmp_path / "small.db"), str(old), str(limit)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        (answer,) = ask(old, "SELECT a FROM t")
        seen.append(answer[0])
        restore(small, old, REPLACE)  # a rerun succeeds whatever was left
        assert ask(old, "SELECT a FROM t") == [("mới",)]
        assert [name for name in names_in(place) if "drorch" in name] == []
        if done.returncode == 0:
            break
        time.sleep(0)
    else:
        pytest.fail("the restore was killed every time: raise the number of steps")
    assert seen == sorted(seen)  # "cũ" first, "mới" from one step on
    assert set(seen) == {"cũ", "mới"}


def test_chinook_goes_round(tmp_path):
    original = ROOT.parent / "shared" / "data" / "chinook" / "Chinook_Sqlite.sqlite"
    if not original.exists():
        pytest.skip("needs ../shared/data/chinook")
    shutil.copyfile(original, tmp_path / "chinook.db")
    content = capture_of(tmp_path / "chinook.db", check=IntegrityCheck.FULL)
    outcome = restore(content, tmp_path / "back.db")
    assert (outcome.tables, outcome.rows) == (11, 15607)
    with closing(sqlite3.connect(tmp_path / "chinook.db")) as a, closing(sqlite3.connect(tmp_path / "back.db")) as b:
        assert list(a.iterdump()) == list(b.iterdump())


def test_only_our_errors_leave(tmp_path, small):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(DrorchError):
            restore(small, path)
