"""What ``tools/recover.py`` makes of the streams of real engines, judged by the engines themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.clock import SystemClock
from drorch.sources.sqlite.source import SqliteSource
from tests.support.forge import Forge, Stream
from tests.support.sqlite_zoo import build_zoo
from tests.support.taken_snapshot import TakenSnapshot, take
from tools import recover


def restored(taken: TakenSnapshot, folder: Path) -> Path:
    """Store a capture by the forge, restore it by the independent reader; return the directory with the streams."""
    forge = Forge(folder / "repository", chunk_bytes=65536)
    forge.trust()
    streams = {
        name: Stream(
            content=content,
            kind=stream.spec.kind.value,
            row_format=stream.spec.row_format.value,
            attributes=dict(stream.spec.attributes),
        )
        for name, (stream, content) in taken.stored.items()
    }
    made = forge.snapshot(streams, facts=taken.facts)
    (folder / "seed.hex").write_text(forge.recipient.seed.hex(), encoding="ascii")
    words = ["--seed-hex-file", str(folder / "seed.hex"), "--trust", forge.trust_root]
    assert recover.main([str(forge.directory), *words, "restore", made.run_text, "--to", str(folder / "out")]) == 0
    return folder / "out"


def content(path: Path) -> dict[str, Any]:
    """Definitions and every value of a SQLite file, bytes as stored."""

    def name(raw: object) -> str:
        return '"' + str(raw).replace('"', '""') + '"'

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schema = database.execute("SELECT type, name, tbl_name, sql, rootpage > 0 FROM sqlite_schema").fetchall()
        found: dict[str, Any] = {"": {row for row in schema if "sqlite_stat" not in row[1]}}
        for pragma in ("page_size", "encoding", "auto_vacuum", "user_version", "application_id"):
            found[pragma] = database.execute(f"PRAGMA {pragma}").fetchone()
        for kind, table, _, _, has_rows in schema:
            if kind == "table" and has_rows and not table.startswith("sqlite_stat"):
                columns = [row[0] for row in database.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))]
                values = ", ".join(f"typeof({name(column)}), hex({name(column)})" for column in columns)
                found[f"table {table}"] = sorted(database.execute(f"SELECT {values} FROM {name(table)}").fetchall())
    return found


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16be"])
def test_a_sqlite_file_is_built_again(tmp_path: Path, encoding: str) -> None:
    build_zoo(tmp_path / "zoo.db", encoding=encoding, page_size=8192)
    with SqliteSource(tmp_path / "zoo.db", clock=SystemClock()).capture() as capture:
        taken = take(capture)
    out = restored(taken, tmp_path)
    assert content(out / "database.sqlite") == content(tmp_path / "zoo.db")
    assert len(content(tmp_path / "zoo.db")) > 20


def test_the_judge_sees_one_changed_value(tmp_path: Path) -> None:
    build_zoo(tmp_path / "zoo.db")
    before = content(tmp_path / "zoo.db")
    with closing(sqlite3.connect(tmp_path / "zoo.db")) as database:
        database.execute("UPDATE unit SET name = name || ' ' WHERE rowid = (SELECT min(rowid) FROM unit)")
        database.commit()
    assert content(tmp_path / "zoo.db") != before
