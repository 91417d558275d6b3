import sqlite3
from contextlib import closing

import pytest

from drorch.clock import SystemClock
from drorch.errors import CaptureFailed
from drorch.sources.interface import Level, RestoreChoices
from drorch.sources.sqlite.source import SqliteSource
from drorch.sources.sqlite.target import SqliteTarget
from tests.support.sqlite_zoo import build_zoo
from tests.support.taken_snapshot import SilentObserver, take

SECRET = "0912-canary-345"
SCRIPT = f"""
CREATE TABLE parcel (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT);
CREATE TABLE Audit_Log (id INTEGER PRIMARY KEY AUTOINCREMENT, parcel REFERENCES parcel, phone TEXT);
CREATE TABLE remark (log REFERENCES Audit_Log);
CREATE INDEX by_phone ON Audit_Log (phone);
CREATE VIEW audit_names AS SELECT phone FROM Audit_Log;
INSERT INTO parcel (note) VALUES ('thửa 1'), ('thửa 2');
INSERT INTO Audit_Log (parcel, phone) VALUES (1, '{SECRET}'), (2, '{SECRET}');
INSERT INTO remark VALUES (1);
ANALYZE;
"""
EVERYTHING = RestoreChoices()


@pytest.fixture
def file(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.executescript(SCRIPT)
    return tmp_path / "a.db"


def captured(path, *patterns):
    with SqliteSource(path, clock=SystemClock(), exclude_data=patterns).capture() as capture:
        return take(capture)


def ask(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("pattern", ["Audit_Log", "audit_log", "main.audit_*", "A?DIT_LOG"])
def test_the_rows_stay_behind_and_are_told(file, pattern):
    content = captured(file, pattern)
    assert content.facts["excluded_data"] == ["Audit_Log"]
    assert content.facts["exclude_data_unused"] == []
    assert content.facts["tables"] == len(content.stored)  # one stream is the schema, one table has none
    assert "table/parcel" in content.stored
    assert "table/Audit_Log" not in content.stored


def test_no_byte_of_the_rows_is_captured_anywhere(file):
    assert any(SECRET.encode() in content for _, content in captured(file).stored.values())
    for name, (_, content) in captured(file, "audit_log").stored.items():
        assert SECRET.encode() not in content, name


def test_planner_statistics_go_with_the_rows_but_not_those_of_others(file, tmp_path):
    SqliteTarget(tmp_path / "b.db", clock=SystemClock()).restore(
        captured(file, "audit_log"), EVERYTHING, SilentObserver()
    )
    assert ask(file, "SELECT DISTINCT tbl FROM sqlite_stat1 ORDER BY 1") == [("Audit_Log",), ("parcel",), ("remark",)]
    assert ask(tmp_path / "b.db", "SELECT DISTINCT tbl FROM sqlite_stat1 ORDER BY 1") == [("parcel",), ("remark",)]


def test_the_structure_comes_back_empty_with_its_last_number(file, tmp_path):
    target = SqliteTarget(tmp_path / "b.db", clock=SystemClock())
    content = captured(file, "audit_log")
    noted = [finding.text for finding in target.preflight(content, EVERYTHING) if finding.level is Level.NOTE]
    assert noted == ["comes without rows (exclude_data): Audit_Log"]
    outcome = target.restore(content, EVERYTHING, SilentObserver())
    assert ask(tmp_path / "b.db", "SELECT count(*) FROM Audit_Log") == [(0,)]
    assert ask(tmp_path / "b.db", "SELECT count(*) FROM parcel") == [(2,)]
    assert ask(tmp_path / "b.db", "SELECT name FROM sqlite_schema WHERE name IN ('by_phone', 'audit_names')") != []
    assert ask(tmp_path / "b.db", "SELECT seq FROM sqlite_sequence WHERE name = 'Audit_Log'") == [(2,)]
    assert outcome.lines == (
        "1 row of remark refers to rows of Audit_Log that are not there (its rows were left out at backup)",
    )


def test_only_what_is_restored_is_noted(file, tmp_path):
    content = captured(file, "audit_log")
    target = SqliteTarget(tmp_path / "b.db", clock=SystemClock())
    found = target.preflight(content, RestoreChoices(tables=("parcel",)))
    assert [finding for finding in found if finding.level is Level.NOTE] == []


def test_a_pattern_that_fits_no_table_is_told(file):
    assert captured(file, "audit_log", "audit_names", "autid*").facts["exclude_data_unused"] == [
        "audit_names",  # a view: it has no rows of its own
        "autid*",
    ]
    findings = SqliteSource(file, clock=SystemClock(), exclude_data=["autid*"]).examine()
    assert (
        next(finding.text for finding in findings if finding.level is Level.NOTE)
        == "exclude_data fits no table: autid*"
    )


def test_everything_can_be_left_out(file):
    content = captured(file, "*")
    assert content.facts["excluded_data"] == ["parcel", "Audit_Log", "remark"]
    assert set(content.stored) == {"schema", "table/sqlite_sequence", "table/sqlite_stat1", *stat4(content)}


def stat4(content):
    """Whether SQLite was built to keep samples differs."""
    return {name for name in content.stored if name == "table/sqlite_stat4"}


@pytest.mark.parametrize("pattern", ["words", "words_content", "*"])
def test_virtual_tables_and_their_parts_are_refused(tmp_path, pattern):
    build_zoo(tmp_path / "zoo.db")
    with pytest.raises(CaptureFailed) as caught:
        captured(tmp_path / "zoo.db", pattern)
    assert "words" in caught.value.found
    assert "virtual table" in caught.value.hint


def test_without_patterns_every_row_is_captured(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    content = captured(tmp_path / "zoo.db")
    assert content.facts["excluded_data"] == []
    assert content.facts["tables"] == len(content.stored) - 1


def test_names_with_quotes_are_left_out_like_any_other(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    content = captured(tmp_path / "zoo.db", "with 'apostrophe'", 'with "quotes"')
    assert set(content.facts["excluded_data"]) == {"with 'apostrophe'", 'with "quotes"'}
