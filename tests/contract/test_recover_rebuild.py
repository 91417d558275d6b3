"""What ``tools/rebuild.py`` makes of the streams that ``tools/recover.py`` wrote, judged by the engines themselves."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.clock import SystemClock
from drorch.sources.sqlite.source import SqliteSource
from tests.support.forge import Forge, Stream
from tests.support.postgresql import Server
from tests.support.postgresql_programs import DEBIAN
from tests.support.postgresql_zoo import contents, make_zoo
from tests.support.sqlite_zoo import build_zoo
from tests.support.taken_snapshot import TakenSnapshot, take
from tools import rebuild, recover


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
    assert rebuild.main([str(folder / "out")]) == 0
    return folder / "out"


def content(path: Path) -> dict[str, Any]:
    """Definitions and every value of a SQLite file, bytes as stored."""

    def name(raw: object) -> str:
        return '"' + str(raw).replace('"', '""') + '"'

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schema = database.execute("SELECT type, name, tbl_name, sql, rootpage > 0 FROM sqlite_schema").fetchall()
        found: dict[str, Any] = {"": {row for row in schema if "sqlite_stat" not in row[1]}}
        for pragma in ("page_size", "encoding", "auto_vacuum", "user_version", "application_id", "journal_mode"):
            found[pragma] = database.execute(f"PRAGMA {pragma}").fetchone()
        for kind, table, _, _, has_rows in schema:
            if kind == "table" and has_rows and not table.startswith("sqlite_stat"):
                columns = [row[0] for row in database.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))]
                values = ", ".join(f"typeof({name(column)}), hex({name(column)})" for column in columns)
                found[f"table {table}"] = sorted(database.execute(f"SELECT {values} FROM {name(table)}").fetchall())
    return found


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_a_sqlite_file_is_built_again(tmp_path: Path, encoding: str) -> None:
    build_zoo(tmp_path / "zoo.db", encoding=encoding, page_size=8192, journal_mode="wal")
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


def run_script(server: Server, out: Path, *words: str) -> str:
    """Run the script as an operator would, in a new database; return its name."""
    name = server.new_database(options="template template0")
    place = ["-h", server.sockets, "-p", str(server.port), "-U", "postgres", "-d", name]
    arguments = [str(DEBIAN / "psql"), "-X", "-q", *place, *words, "-o", "/dev/null", "-f", "restore.sql"]
    told = subprocess.run(arguments, cwd=out, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    return name


def test_a_postgresql_database_is_built_again_by_psql(postgresql_15: Server, private: Path, tmp_path: Path) -> None:
    """Names with line breaks, quotes and emoji included; owners and rights too, since the roles exist here."""
    before = make_zoo(postgresql_15)
    with postgresql_15.source(postgresql_15.location(before), private).capture() as capture:
        taken = take(capture)
    out = restored(taken, tmp_path)
    after = run_script(postgresql_15, out, "-v", "owners=1")
    left_out = {"locale", "lo rights"}  # comments and rights of those are "to be set by hand" in the script
    old, new = contents(postgresql_15, before), contents(postgresql_15, after)
    for name in (old.keys() | new.keys()) - left_out:
        assert new.get(name) == old.get(name), name
    script = (out / "restore.sql").read_text(encoding="utf-8")
    assert "-- to be set by hand: " in script
    assert "-- left out, because it would connect: 'CREATE SUBSCRIPTION sub" in script


HOSTILE = "x\"\n\\! touch gotcha\n\\copy (select 1) to program 'touch gotcha'\n--"


def test_a_hostile_table_name_gives_psql_no_command(postgresql_15: Server, private: Path, tmp_path: Path) -> None:
    name = '"' + HOSTILE.replace('"', '""') + '"'
    sql = f"create schema s; create table s.{name} ({name} int); insert into s.{name} values (7);"
    before = postgresql_15.new_database(f"{sql} comment on table s.{name} is 'x'")
    with postgresql_15.source(postgresql_15.location(before), private).capture() as capture:
        taken = take(capture)
    out = restored(taken, tmp_path)
    after = run_script(postgresql_15, out)
    assert not list(tmp_path.rglob("gotcha"))
    assert postgresql_15.run(f"select * from s.{name}", after) == [(7,)]
