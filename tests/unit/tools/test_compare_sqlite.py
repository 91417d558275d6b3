"""The independent comparer on SQLite: equal ones are equal, and every single mutation is seen and named."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.sqlite_zoo import build_zoo

COMPARE = Path(__file__).parents[3] / "tools" / "compare.py"


def compare(*arguments):
    argv = [sys.executable, "-I", str(COMPARE), "sqlite", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "zoo.db"
    build_zoo(path)
    return path


def changed(zoo, tmp_path, script):
    """Return a copy on which ``script`` was run, with a writable schema."""
    path = tmp_path / "changed.db"
    path.write_bytes(zoo.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.executescript(script)
    return path


def test_a_database_and_its_copy_are_equal(zoo, tmp_path):
    code, said = compare(zoo, changed(zoo, tmp_path, ""))
    assert (code, said) == (0, "equal: 33 tables, 876 rows\n")


def test_a_database_and_what_vacuum_makes_of_it_are_equal_but_for_free_row_numbers(zoo, tmp_path):
    code, said = compare(
        zoo, changed(zoo, tmp_path, "VACUUM"), "--ignore", "rows of (heap|half_shadowed|descending|log|sqlite_)"
    )
    assert code == 0, said


MUTATIONS = {
    "one cell": ("UPDATE birth SET weight = 0.30000001 WHERE id = 7", "rows of birth"),
    "a sign of zero": ("UPDATE heap SET a = 0.0 WHERE typeof(a) = 'real' AND a = 0", "rows of heap"),
    "a type": ("UPDATE heap SET b = CAST(b AS TEXT) WHERE typeof(b) = 'blob'", "rows of heap"),
    "an odd byte": ("UPDATE heap SET b = CAST(x'C4' AS TEXT) WHERE b = CAST(x'C3' AS TEXT)", "rows of heap"),
    "text behind a NUL": ("UPDATE unit SET name = 'tên' || char(0) || 'khác' WHERE code = '00678'", "rows of unit"),
    "composed and decomposed": (
        "UPDATE unit SET name = (SELECT name FROM unit WHERE code = '24958') WHERE code = '24871'",
        "rows of unit",
    ),
    "one byte of a blob": ("UPDATE birth SET scan = zeroblob(200) WHERE id = 201", "rows of birth"),
    "one row less": ("DELETE FROM paired WHERE a = 'b'", "rows of paired"),
    "one row more": ("INSERT INTO empty VALUES (1, 'x')", "rows of empty"),
    "a row number": ("UPDATE heap SET rowid = 8 WHERE rowid = 7", "rows of heap"),
    "a sequence": ("UPDATE sqlite_sequence SET seq = seq + 1", "rows of sqlite_sequence"),
    "a column type": (
        "UPDATE sqlite_schema SET sql = replace(sql, 'weight REAL', 'weight FLOAT') WHERE name = 'birth'",
        "definition table birth",
    ),
    "an index": ("DROP INDEX birth_year", "definition index birth_year"),
    "a view": ("DROP VIEW births_by_unit", "definition view births_by_unit"),
    "a trigger": ("DROP TRIGGER birth_logged", "definition trigger birth_logged"),
    "a table": ("CREATE TABLE added (a)", "definition table added"),
    "content of a virtual table": ("UPDATE words SET body = 'khác' WHERE rowid = 1", "rows of words_content"),
    "statistics": ("UPDATE sqlite_stat1 SET stat = '1 1' WHERE idx = 'birth_unit'", "rows of sqlite_stat1"),
    "user_version": ("PRAGMA user_version=8", "setting user_version"),
    "application_id": ("PRAGMA application_id=1", "setting application_id"),
    "journal mode": ("PRAGMA journal_mode=wal", "setting journal_mode"),
    "page size": ("PRAGMA page_size=1024; VACUUM", "setting page_size"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_seen_and_named(zoo, tmp_path, mutation):
    script, label = MUTATIONS[mutation]
    code, said = compare(zoo, changed(zoo, tmp_path, script))
    assert code == 1, said
    assert f"  {label}" in said


def test_a_damaged_second_is_different_and_a_missing_one_is_trouble(zoo, tmp_path):
    broken = changed(zoo, tmp_path, "")
    content = bytearray(broken.read_bytes())
    content[4096 * 20 : 4096 * 40] = bytes(4096 * 20)
    broken.write_bytes(content)
    assert compare(zoo, broken)[0] in {1, 2}
    assert compare(zoo, tmp_path / "gone.db")[0] == 2
    assert compare(zoo, COMPARE)[0] == 2


def test_ignored_differences_are_counted(zoo, tmp_path):
    code, said = compare(
        zoo,
        changed(zoo, tmp_path, "DROP VIEW births_by_unit"),
        "--ignore",
        "view births",
        "--ignore",
        "trigger view_written",
    )
    assert (code, said) == (0, "equal: 33 tables, 876 rows (2 differences were not to count)\n")
