#!/usr/bin/env python3
"""Make a database or a tree of files again of streams that recover.py has written: a script for psql or mariadb, a SQLite file, a directory.

    rebuild.py DIRECTORY

DIRECTORY is what ``recover.py ... restore ... --to DIRECTORY`` made. Of a PostgreSQL snapshot this writes restore.sql
beside the streams, for ``psql -X -d AN_EMPTY_DATABASE -f restore.sql``; of a MariaDB snapshot
restore.sql, for ``mariadb --binary-mode --comments --default-character-set=utf8mb4 AN_EMPTY_DATABASE < restore.sql``; of a SQLite snapshot database.sqlite; of a
snapshot of files the directory tree (as root, to give them their owners). Needs Python 3.11 and nothing else. Numbers in brackets are sections of docs/FORMAT.md. Nothing depends on this file: the
streams are text and rows that any other program can load as well.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Stream = dict[str, Any]  # a line of streams.jsonl, or of a listing
BYTES = ("utf-8", "surrogateescape")  # how names, which are bytes, stand in JSON


def note(text: str) -> None:
    """Tell the operator about something that is left out."""
    print("note: " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), file=sys.stderr)


def rebuild(target: Path) -> str:
    """Write what the streams in ``target`` are the content of; return the name of the file."""
    facts = json.loads((target / "facts.json").read_text(encoding="utf-8"))["facts"]
    streams = [json.loads(line) for line in (target / "streams.jsonl").read_text(encoding="utf-8").splitlines()]
    if facts["engine"] == "files":
        return file_tree(target, streams)
    makers = {
        "postgresql": (postgresql_script, "restore.sql"),
        "mariadb": (mariadb_script, "restore.sql"),
        "sqlite": (sqlite_database, "database.sqlite"),
    }
    make, name = makers[facts["engine"]]
    if (target / name).exists():
        raise FileExistsError(f"{name} is there already")
    schema = next(stream for stream in streams if stream["name"] == "schema")
    lines = (target / schema["file"]).read_text(encoding="utf-8").split("\n")
    make(target, [json.loads(line) for line in lines if line], streams, facts)
    return name


def quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def postgresql_script(target: Path, schema: list[dict[str, Any]], streams: list[Stream], facts: dict[str, Any]) -> None:
    r"""A script for psql: definitions, rows by \copy from the streams' files, then indexes and constraints.

    Names come from whoever could create tables. In SQL they stand in quotes; outside of it psql would take a line
    that a name breaks for a command of its own, so no name with a line break stands in a ``\copy`` or comment.
    """
    server = str(facts.get("encoding") or "UTF8")
    codec = {"UTF8": "utf-8", "SQL_ASCII": "utf-8"}.get(server, server.replace("WIN", "cp"))
    sections, left_out = dict[str, list[dict[str, Any]]](), set[int]()
    for each in schema:
        sections.setdefault(each["section"], []).append(each)
    with (target / "restore.sql").open("wb") as script:

        def put(*lines: str) -> None:
            script.write("".join(f"{line}\n" for line in lines).encode(codec, "surrogateescape"))

        def definitions(each: dict[str, Any]) -> None:
            text = each.get("sql", "").rstrip().rstrip(";")
            if each["kind"] == "SUBSCRIPTION" or not left_out.isdisjoint(each.get("depends", [])):
                left_out.add(each["number"])
                put("-- left out, because it would connect: " + ascii(text))
                return
            if each.get("values"):  # what is no SQL: rights of large objects, settings of the database
                put("-- to be set by hand: " + json.dumps(each))
            elif text:
                put(*["\\if :{?owners}", f"{text};", "\\endif"] if each["section"] == "grants" else [f"{text};"])
            if each.get("alter") and each.get("owner"):
                put("\\if :{?owners}", f"ALTER {each['alter']} OWNER TO {quoted(each['owner'])};", "\\endif")

        put("-- In this directory: psql -X -d AN_EMPTY_DATABASE -f restore.sql")
        put("-- With -v owners=1 also owners and rights; their roles must exist (stream 'roles').")
        put(*(f"-- {name}: {facts.get(name)!a}" for name in ("server_version", "encoding", "collate", "ctype")))
        put("\\set ON_ERROR_STOP on", "SET check_function_bodies = off;", "SET search_path = '';")
        put(f"SET client_encoding = {literal(server)};", "SET standard_conforming_strings = on;")
        for each in sections.get("pre", []):
            definitions(each)
        for stream in streams:
            if stream["kind"] == 2 and stream["bytes"]:
                about, file = stream["attributes"], target / stream["file"]
                names = (
                    json.loads(about["exact"])
                    if "exact" in about
                    else [about["schema"], about["table"], *about["columns"]]
                )
                columns = f" ({', '.join(map(quoted, names[2:]))})" if names[2:] else ""
                table = f"{quoted(names[0])}.{quoted(names[1])}{columns}"
                if table.isprintable():
                    put(f"\\copy {table} from '{file.name}'")
                    continue
                put(f"COPY {table} FROM STDIN;")
                with file.open("rb") as rows:
                    shutil.copyfileobj(rows, script)
                put("\\.")
            elif stream["kind"] == 3:
                for row in prefixed_rows(target / stream["file"]):
                    number, offset = struct.unpack_from(">IQ", row)
                    call = f"lo_put({number}, {offset}" if offset else f"lo_from_bytea({number}"
                    put(f"SELECT pg_catalog.{call}, '\\x{row[12:].hex()}');")
        for each in (
            each for name in ("data", "post", "grants", "last", "database") for each in sections.get(name, [])
        ):
            definitions(each)


def prefixed_rows(path: Path) -> Iterator[bytes]:
    """The rows of a stream of length-prefixed rows."""
    with path.open("rb") as file:
        while head := file.read(4):
            row = file.read(int.from_bytes(head, "big"))
            if len(head) < 4 or len(row) < int.from_bytes(head, "big"):
                raise ValueError(f"{path.name} is cut off")
            yield row


def mariadb_script(target: Path, schema: list[dict[str, Any]], streams: list[Stream], _facts: dict[str, Any]) -> None:
    """A script for the program mariadb: sequences, tables, rows, views as often as they may need each other, other programs [18]."""
    usual = (
        "SET NAMES utf8mb4; SET foreign_key_checks=0, check_constraint_checks=0, innodb_strict_mode=0, time_zone='+00:00',"
        " sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_DIR_IN_CREATE'"
    )
    end = "drorch;;end"  # bodies of routines have semicolons
    with (target / "restore.sql").open("wb") as script:

        def put(*statements: str | bytes) -> None:
            for statement in statements:
                raw = statement if isinstance(statement, bytes) else statement.encode(*BYTES)
                script.write(raw + f"\n{end}\n".encode())

        def program(each: dict[str, Any]) -> None:
            settings = {"sql_mode": f"'{each.get('sql_mode', '')}'"}
            settings |= {"character_set_client": each["client"]} if each.get("client") else {}
            settings |= {"collation_connection": each["connection"]} if each.get("connection") else {}
            settings |= {"time_zone": f"'{each['time_zone']}'"} if each.get("time_zone") else {}
            put("SET " + ", ".join(f"{name} = {value}" for name, value in settings.items()), each["sql"])
            if each["kind"] == "event":
                put(f"ALTER EVENT {backquoted(each['name'])} DISABLE")
            put(usual)

        script.write(
            b"-- mariadb --binary-mode --comments --default-character-set=utf8mb4 AN_EMPTY_DATABASE < restore.sql\n"
            b"-- Accounts and rights are in stream 'roles'; those that programs run as (DEFINER) must exist.\n"
            b"-- A view that was broken at the source stops it; --force goes on behind it.\n"
            + f"DELIMITER {end}\n".encode()
        )
        put(usual, "SET system_versioning_insert_history=1")
        for each in (each for each in schema[1:] if each["kind"] in ("sequence", "table")):
            put(each["sql"])
            if each["kind"] == "sequence":
                put(f"INSERT INTO {backquoted(each['name'])} VALUES ({each['values']})")
        for stream in (stream for stream in streams if stream["kind"] == 2):
            about = stream["attributes"]
            columns = ", ".join(map(backquoted, about["columns"]))
            into = f"INSERT INTO {backquoted(about['table'])} ({columns}) VALUES ".encode(*BYTES)
            put("START TRANSACTION")
            for row in prefixed_rows(target / stream["file"]):
                put(into + b"(" + b",".join(mariadb_values(row, about["forms"])) + b")")
            put("COMMIT")
        programs = [each for each in schema[1:] if each["kind"] not in ("sequence", "table", "remote table")]
        views = in_their_order([each for each in programs if each["kind"] == "view"])
        for each in programs:
            program(views.pop(0) if each["kind"] == "view" else each)
        if any(each["kind"] == "remote table" for each in schema[1:]):
            note("tables that show another server's rows are left out: their definitions are in stream 'schema'")


def in_their_order(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Views behind those whose names they hold."""
    done, waiting = list[dict[str, Any]](), list(views)
    while waiting:
        names = {each["name"]: backquoted(each["name"]) for each in waiting}
        ready = [
            each
            for each in waiting
            if not any(name != each["name"] and shown in each["sql"] for name, shown in names.items())
        ]
        done += ready or waiting[:1]
        waiting = [each for each in waiting if each not in done]
    return done


def backquoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


MARIADB_ESCAPES = {b"\\": b"\\\\", b"'": b"\\'", b"\0": b"\\0", b"\n": b"\\n", b"\r": b"\\r", b"\x1a": b"\\Z"}


def mariadb_values(row: bytes, forms: str) -> Iterator[bytes]:
    """The values of a row as they stand in a statement; lengths as in the server's text protocol [18]."""
    at = 0
    for form in forms:
        length, at = row[at], at + 1
        if length == 0xFB:
            yield b"NULL"
            continue
        if length > 0xFB:
            width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[length]
            length, at = int.from_bytes(row[at : at + width], "little"), at + width
        value, at = row[at : at + length], at + length
        for raw, escape in MARIADB_ESCAPES.items():
            value = value.replace(raw, escape)
        if form == "n":
            yield str(int(value)).encode()
        else:
            yield {"b": b"_binary'", "t": b"_latin1'"}[form] + value + b"'"


def sqlite_database(target: Path, schema: list[dict[str, Any]], streams: list[Stream], _facts: dict[str, Any]) -> None:
    """A SQLite file: settings, tables, rows, virtual tables, indexes, views, triggers."""
    settings, encoding = (
        schema[0],
        {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}[schema[0]["encoding"]],
    )
    database = sqlite3.connect(target / "database.sqlite", isolation_level=None)
    try:
        for name in ("encoding", "page_size", "auto_vacuum", "user_version", "application_id"):
            database.execute(f"PRAGMA {name} = {quoted(settings[name])}")
        database.execute("PRAGMA ignore_check_constraints = on")
        database.execute("CREATE TEMP TABLE odd (raw)")
        keep = "INSERT INTO temp.odd VALUES (?)"  # only a cast of a stored column takes bytes as they are [15]
        database.execute("BEGIN")

        def create(kind: str) -> None:
            for each in (each for each in schema[1:] if each["kind"] == kind):
                try:
                    database.execute(each["sql"])
                except sqlite3.Error as error:
                    note(f"{kind} {each['name']} is left out: {error}: {each['sql']}")

        create("table")
        for stream in (stream for stream in streams if stream["kind"] == 2):
            table, columns = stream["attributes"]["table"], stream["attributes"]["columns"]
            if table.startswith("sqlite_") and table != "sqlite_sequence":
                continue  # statistics: ANALYZE makes them again
            if table == "sqlite_sequence":
                database.execute("DELETE FROM sqlite_sequence")
            for row in prefixed_rows(target / stream["file"]):
                values, places = list[object](), list[str]()
                for value, is_odd in sqlite_values(row, encoding):
                    places.append("(SELECT CAST(raw AS TEXT) FROM temp.odd WHERE rowid = ?)" if is_odd else "?")
                    values.append(database.execute(keep, (value,)).lastrowid if is_odd else value)
                into = f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, columns))}) VALUES ({', '.join(places)})"
                database.execute(into, values)
        database.execute("PRAGMA writable_schema = on")
        for each in (each for each in schema[1:] if each["kind"] == "virtual_table"):
            names = (each["name"], each["name"], each["sql"])
            database.execute("INSERT INTO sqlite_schema VALUES ('table', ?, ?, 0, ?)", names)
        for kind in ("index", "view", "trigger"):
            create(kind)
        database.execute("COMMIT")
        database.execute(f"PRAGMA journal_mode = {quoted(settings['journal_mode'])}")
    finally:
        database.close()


def sqlite_values(row: bytes, encoding: str) -> Iterator[tuple[object, bool]]:
    """The values of a row, and whether each is text that is not valid in its encoding."""
    at = 0
    while at < len(row):
        kind, at = row[at], at + 1
        if kind in (1, 2):
            yield struct.unpack_from(">q" if kind == 1 else ">d", row, at)[0], False
            at += 8
        elif kind in (3, 4):
            (length,) = struct.unpack_from(">I", row, at)
            raw, at = row[at + 4 : at + 4 + length], at + 4 + length
            try:
                yield (raw.decode(encoding) if kind == 3 else raw), False
            except UnicodeDecodeError:
                yield raw, True
        else:
            yield None, False


def file_tree(target: Path, streams: list[Stream]) -> str:
    """A directory with the files of a snapshot, every digest compared [16]; what cannot be given to a file is told."""
    root = target / "tree"
    root.mkdir(mode=0o700)
    files = {stream["name"]: target / stream["file"] for stream in streams}
    above: list[bytes] = []  # the directories on the way to the line at hand
    last: tuple[bytes, ...] | None = None
    unset: list[tuple[bytes, Stream]] = []  # directories that are still to get their owners, modes and times

    def give_until(names: tuple[bytes, ...]) -> None:
        """Give directories that hold nothing further what they had."""
        while unset and (inside := unset[-1][0]) and tuple(inside.split(b"/")) != names[: inside.count(b"/") + 1]:
            give(*unset.pop())

    def at(path: bytes) -> Path:
        return root / os.fsdecode(path)

    def give(path: bytes, line: Stream) -> None:
        where = at(path)
        if os.geteuid() == 0:
            os.chown(where, line["uid"], line["gid"], follow_symlinks=False)
        for name, value in line.get("xattrs", {}).items():
            try:
                os.setxattr(where, name.encode(*BYTES), base64.b64decode(value), follow_symlinks=False)
            except OSError as error:
                note(f"{path!r}: attribute {name}: {error.strerror}")
        if line["kind"] != "symlink":
            where.chmod(line["mode"])
        os.utime(where, ns=(line["mtime_ns"], line["mtime_ns"]), follow_symlinks=False)

    with files["listing"].open("rb") as listing:
        if json.loads(listing.readline())["form"] != "drorch files/1":
            raise ValueError("a listing of another form")
        for raw in listing:
            line = json.loads(raw)
            path = line["path"].encode(*BYTES)
            names = tuple(path.split(b"/")) if path else ()
            if any(name in (b"", b".", b"..") or b"\0" in name for name in names) or (
                last is not None and names <= last
            ):
                raise ValueError(f"a path that leads elsewhere, or out of order: {path!r}")
            if tuple(above[: len(names) - 1]) != names[:-1] or (
                last is None and (names or line["kind"] != "directory")
            ):
                raise ValueError(f"a path whose directory is not there: {path!r}")
            last, above[max(len(names) - 1, 0) :] = names, []
            give_until(names)
            if line["kind"] == "directory":
                above += names[-1:]
                unset.append((path, line))
                if path:
                    at(path).mkdir(mode=0o700)
            elif line["kind"] == "symlink":
                at(path).symlink_to(os.fsdecode(line["to"].encode(*BYTES)))
                give(path, line)
            elif line["kind"] == "absent":
                note(f"{path!r} is not in the snapshot: {line.get('why')}")
            elif "same_as" in line:
                first = at(line["same_as"].encode(*BYTES))
                ways = [each for each in (first, *first.parents) if each.is_relative_to(root)]
                if (
                    b".." in line["same_as"].encode(*BYTES).split(b"/")
                    or any(each.is_symlink() for each in ways)
                    or not ways
                ):
                    raise ValueError(f"a hard link that leads elsewhere: {line['same_as']!r}")
                os.link(first, at(path), follow_symlinks=False)
            else:
                write_file(at(path), line, files)
                give(path, line)
    while unset:
        give(*unset.pop())
    return "tree"


def write_file(where: Path, line: Stream, files: dict[str, Path]) -> None:
    """One file, out of the content stream in which it lies."""
    digest, left = hashlib.sha256(), line["size"]
    with where.open("xb") as file:
        if left:
            with files[f"content/{line['in']}"].open("rb") as content:
                content.seek(line["at"])
                while left and (piece := content.read(min(left, 2**20))):
                    left -= len(piece)
                    digest.update(piece)
                    file.write(piece)
    if left or digest.hexdigest() != line["sha256"]:
        raise ValueError(f"{line['path']!r} is not what was captured")


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 1 or words[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(f"wrote {Path(words[0]) / rebuild(Path(words[0]))}")
    except (OSError, StopIteration, ValueError, KeyError, TypeError, LookupError, struct.error, sqlite3.Error) as error:
        note(f"what is written is not complete, the streams are: {type(error).__name__} {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
