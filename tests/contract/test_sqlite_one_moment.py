"""One consistent snapshot of SQLite: captured while another process moves amounts between tables and changes definitions."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from drorch.clock import SystemClock
from drorch.sources.interface import RestoreChoices
from drorch.sources.sqlite.source import SqliteSource
from drorch.sources.sqlite.target import SqliteTarget
from tests.support.taken_snapshot import SilentObserver, take

TABLES, ROWS, AMOUNT = 50, 40, 1000
TOTAL = TABLES * ROWS * AMOUNT

WRITER = """
import random, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("PRAGMA synchronous=OFF")
print("ready", flush=True)
for turn in range(10**9):
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(4):
        giver, taker = random.sample(range(50), 2)
        amount = random.randrange(1, 100)
        connection.execute(f"UPDATE account{giver} SET amount = amount - ? WHERE id = ?", (amount, random.randrange(1, 41)))
        connection.execute(f"UPDATE account{taker} SET amount = amount + ? WHERE id = ?", (amount, random.randrange(1, 41)))
    if turn % 5 == 0:
        connection.execute("DROP TABLE IF EXISTS changing")
        connection.execute(f"CREATE TABLE changing (turn{turn} INTEGER, filler TEXT)")
        connection.execute("INSERT INTO changing VALUES (?, 'x')", (turn,))
    connection.execute("UPDATE turns SET turn = ?", (turn,))
    connection.execute("COMMIT")
"""


def accounts(path, journal_mode):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal_mode}")
        connection.execute("CREATE TABLE turns (turn INTEGER)")
        connection.execute("INSERT INTO turns VALUES (-1)")
        connection.execute("CREATE TABLE changing (turn INTEGER, filler TEXT)")
        connection.execute("INSERT INTO changing VALUES (-5, 'x')")
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE account{number} (id INTEGER PRIMARY KEY, amount INTEGER, filler TEXT)")
            connection.executemany(
                f"INSERT INTO account{number} VALUES (?, ?, ?)", [(i + 1, AMOUNT, "x" * 200) for i in range(ROWS)]
            )
        connection.commit()
    return path


@contextmanager
def moving(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        yield
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_the_sum_is_whole_in_every_capture_beside_a_writer(tmp_path, journal_mode):
    path = accounts(tmp_path / "live.db", journal_mode)
    source = SqliteSource(path, clock=SystemClock(), busy_timeout_seconds=60)
    turns = []
    with moving(path):
        for number in range(20):
            with source.capture() as capture:
                at_start = capture.ask("SELECT turn FROM turns")
                if journal_mode == "wal":
                    time.sleep(0.02)  # the writer goes on; a rollback journal would hold it up
                content = take(capture)
                assert capture.ask("SELECT turn FROM turns") == at_start
            restored = tmp_path / f"restored{number}.db"
            SqliteTarget(restored, clock=SystemClock()).restore(content, RestoreChoices(), SilentObserver())
            with closing(sqlite3.connect(restored)) as connection:
                sums = [
                    connection.execute(f"SELECT sum(amount) FROM account{each}").fetchone()[0] for each in range(TABLES)
                ]
                assert sum(sums) == TOTAL
                (turn,) = connection.execute("SELECT turn FROM turns").fetchone()
                assert str(turn) == at_start
                changing = connection.execute("SELECT * FROM changing").fetchall()
                assert changing == [(turn // 5 * 5, "x")]
            turns.append(turn)
    assert len(set(turns)) > 10  # the writer was at work between captures
    assert turns == sorted(turns)
