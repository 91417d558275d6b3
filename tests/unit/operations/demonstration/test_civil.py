import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import TargetRefused
from drorch.operations.demonstration.civil import TCVN3_NOTE, civil_register, civil_register_changes
from drorch.sandbox.sqlite import execute_steps
from drorch.sources.interface import RestoreChoices
from drorch.sources.sqlite.source import SqliteSource
from drorch.sources.sqlite.target import SqliteTarget
from tests.support.taken_snapshot import SilentObserver, take

COMPARE = Path(__file__).parents[4] / "tools" / "compare.py"


def compare(first, second):
    argv = [sys.executable, "-I", str(COMPARE), "sqlite", str(first), str(second)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture
def register(tmp_path):
    execute_steps(tmp_path / "civil.db", civil_register(4000, seed=5))
    return tmp_path / "civil.db"


def test_it_has_the_records_asked_for_and_is_whole(register):
    with closing(sqlite3.connect(register)) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("khai_sinh", "ket_hon", "khai_tu")
        ]
        assert counts == [2000, 1200, 800]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM nhat_ky").fetchone() == (0,)


def test_it_holds_the_traps_of_old_registers(register):
    with closing(sqlite3.connect(register)) as connection:
        connection.text_factory = bytes
        rows = connection.execute("SELECT ho_ten, ngay_sinh, ghi_chu FROM khai_sinh").fetchall()
    names = b"".join(name for name, _, _ in rows).decode()
    assert "\u0301" in names or "\u0300" in names  # marks apart (NFD) ...
    assert "ễ" in names  # ... beside composed ones
    assert any(date == b"00/00/1975" for _, date, _ in rows)
    assert any(note == TCVN3_NOTE for _, _, note in rows)


def test_the_same_arguments_give_the_same_database_and_others_another(tmp_path, register):
    execute_steps(tmp_path / "again.db", civil_register(4000, seed=5))
    assert compare(register, tmp_path / "again.db").returncode == 0
    execute_steps(tmp_path / "other.db", civil_register(4000, seed=6))
    assert compare(register, tmp_path / "other.db").returncode == 1


def test_a_day_changes_some_rows_and_one_definition(tmp_path, register):
    (tmp_path / "next.db").write_bytes(register.read_bytes())
    execute_steps(tmp_path / "next.db", civil_register_changes(1))
    said = compare(register, tmp_path / "next.db")
    assert said.returncode == 1
    assert "definition table khai_tu" in said.stdout
    with closing(sqlite3.connect(tmp_path / "next.db")) as connection:
        assert connection.execute("SELECT count(*) FROM khai_sinh").fetchone() == (2120,)
        assert connection.execute("SELECT count(*) FROM khai_sinh WHERE ghi_chu LIKE 'cải chính%'").fetchone() == (10,)


def test_it_comes_back_equal_and_an_altered_cell_is_seen(tmp_path, register):
    with SqliteSource(register, clock=SystemClock()).capture() as capture:
        content = take(capture)
    SqliteTarget(tmp_path / "back.db", clock=SystemClock()).restore(content, RestoreChoices(), SilentObserver())
    said = compare(register, tmp_path / "back.db")
    assert said.returncode == 0, said.stdout + said.stderr
    with closing(sqlite3.connect(tmp_path / "back.db")) as connection:
        connection.execute("UPDATE ket_hon SET vo = vo || '.' WHERE id = 700")
        connection.commit()
    said = compare(register, tmp_path / "back.db")
    assert said.returncode == 1
    assert "rows of ket_hon" in said.stdout


def test_a_statement_that_is_refused_is_our_error(tmp_path):
    with pytest.raises(TargetRefused):
        execute_steps(tmp_path / "a.db", [("CREATE NONSENSE", ())])
