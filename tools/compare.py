"""Judge whether two databases, or two trees of files, are equal in meaning, without any code of drorch.

    python tools/compare.py postgresql postgresql://postgres@/land postgresql://postgres@/land_restored
    python tools/compare.py mariadb mariadb://root@/hotich mariadb://root@/hotich_restored
    python tools/compare.py sqlite registry.db restored.db
    python tools/compare.py files /srv/scans /srv/restored
    python tools/compare.py firebird ledger.fdb restored.fdb

Exit 0: equal. 1: different, the first differences are named. 2: it could not be found out.

PostgreSQL (as a superuser, with psql and pg_dump; both databases at rest): what ``pg_dump --schema-only`` says, entry by entry
(definitions, owners, grants, comments); encoding, locale, owner, grants, comment and settings of the database; positions of sequences;
large objects; indexes that are not valid, tablespaces, materialized views without content; every row of every table.
Roles are the server's, not the database's, and are not compared. MariaDB (as root, with the program mariadb; both at rest; the
address takes ?socket= and ?ssl-ca=): settings of the database, definitions of tables, sequences, views, routines, triggers and
events with the settings they run under, rights, CHECKSUM TABLE EXTENDED, every row with the history of system-versioned tables. SQLite: settings, definitions, every row with its row number and the
type of each value, and PRAGMA integrity_check of both. Firebird (two files at rest, with isql-fb): what ``isql-fb -x`` says, where
generators stand, every row, blobs by their hash and length. Files: every name as bytes, with kind, mode, owner, modification time in
nanoseconds, extended attributes, what a link says, which names are the same file, and the SHA-256 of what is in it. Sockets, pipes
and devices are not compared.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit


class Trouble(Exception):
    """The comparison could not be made."""


@dataclass
class Verdict:
    """What was found so far. ``ignored`` are patterns of labels that are not to count."""

    ignored: Sequence[re.Pattern[str]] = ()
    differences: list[str] = field(default_factory=list)
    left_out: int = 0
    tables: int = 0
    rows: int = 0
    things: str = "tables"

    def differ(self, label: str, details: str) -> None:
        """Note one difference."""
        if any(pattern.search(label) for pattern in self.ignored):
            self.left_out += 1
        else:
            self.differences.append(shortened(f"{label}: {details}"))

    def compare(self, subject: str, first: Mapping[str, str], second: Mapping[str, str]) -> None:
        """Note what is in one mapping only or has another value there."""
        for key in sorted(first.keys() | second.keys()):
            label = f"{subject} {key}"
            if key not in second:
                self.differ(label, "only in the first")
            elif key not in first:
                self.differ(label, "only in the second")
            elif first[key] != second[key]:
                self.differ(label, difference_of(first[key], second[key]))


def shortened(text: str, limit: int = 400) -> str:
    """Return ``text`` in one line of bearable length."""
    line = text.replace("\n", "\\n")
    return line if len(line) <= limit else line[: limit - 3] + "..."


def difference_of(first: str, second: str) -> str:
    """Return both texts from a little before the place where they part."""
    same = next(
        (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other),
        min(len(first), len(second)),
    )
    start = max(same - 30, 0)
    return f"{first[start : start + 150]!r} is {second[start : start + 150]!r} in the second"


# PostgreSQL

OPTIONS = (
    "-c row_security=off -c search_path= -c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex "
    "-c synchronize_seqscans=off -c max_parallel_workers_per_gather=0 -c statement_timeout=0 -c lc_messages=C -c work_mem=65536"
)
OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
NAME = "format('%I.%I', n.nspname, c.relname)"
ACCESS = "(SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE \"C\") FROM unnest({column}) a)"
CATALOG_QUERIES = {
    "database": f"""
        SELECT 'encoding', pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 'locale', concat_ws(' ', datcollate, datctype, coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
            coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale')) FROM pg_database d WHERE datname = current_database()
        UNION ALL SELECT 'owner', pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 'comment', coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 'grants', {ACCESS.format(column="coalesce(datacl, acldefault('d', datdba))")}
            FROM pg_database WHERE datname = current_database()""",
    "setting of the database": """
        SELECT concat_ws(' ', split_part(item, '=', 1), 'for ' || nullif(setrole, 0)::regrole), item
        FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) item
        WHERE d.datname = current_database()""",
    "large object": f"""
        SELECT oid::text, concat_ws(' ', md5(lo_get(oid)), pg_get_userbyid(lomowner), {ACCESS.format(column="lomacl")},
            obj_description(oid, 'pg_largeobject')) FROM pg_largeobject_metadata""",
    "tablespace of": f"""
        SELECT {NAME}, t.spcname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE {OURS}""",
    "index that is not valid": f"""
        SELECT {NAME}, 'not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND {OURS}""",
    "materialized view without content": f"""
        SELECT {NAME}, 'empty' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND NOT c.relispopulated AND {OURS}""",
}
SEQUENCES_QUERY = f"""
    SELECT {NAME}, '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {OURS}"""
# Floats are taken as their bytes: version 11 prints them otherwise than 12 and later.
TABLES_QUERY = f"""
    SELECT {NAME}, coalesce((SELECT string_agg(CASE a.atttypid WHEN 'float4'::regtype THEN format('float4send(%I)', a.attname)
        WHEN 'float8'::regtype THEN format('float8send(%I)', a.attname) ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't' AND {OURS}"""
ENTRY = re.compile(
    r"^--\n-- (?:Data for )?Name: (?P<name>.*); Type: (?P<type>.*); Schema: (?P<schema>.*); Owner: (?P<owner>.*)\n--$",
    re.MULTILINE,
)
PASSING = re.compile(r"^(SET default_\w+ = .*;|\\(un)?restrict .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Database:
    """One of the two; the password of its URL, if any, goes by the environment, because anybody can read arguments."""

    url: str
    environment: Mapping[str, str]
    programs: Path | None

    def argv(self, program: str, *arguments: str) -> list[str]:
        """Return how ``psql`` or ``pg_dump`` is called for this database."""
        found = self.programs / program if self.programs else newest(program)
        return [str(found), *arguments, f"--dbname={self.url}"]

    def output(self, program: str, *arguments: str) -> str:
        """Return what the program prints."""
        done = subprocess.run(
            self.argv(program, *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Trouble(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="surrogateescape")

    def pairs(self, query: str) -> dict[str, str]:
        """Return the first column of each row with the second."""
        output = self.output("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", f"COPY ({query}) TO STDOUT")
        fields = (line.partition("\t") for line in output.split("\n") if line)
        return {unescaped(key): unescaped(value) for key, _, value in fields}

    def lines(self, script: Path, stack: ExitStack) -> Iterator[bytes]:
        """Yield what psql prints for the script, line by line."""
        argv = self.argv("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", str(script))
        errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        process = stack.enter_context(
            subprocess.Popen(
                argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        )
        stack.callback(process.kill)
        output: IO[bytes] = process.stdout  # type: ignore[assignment]
        yield from output
        if process.wait():
            errors.seek(0)
            raise Trouble(f"psql failed: {errors.read().decode(errors='replace').strip()}")


def unescaped(text: str) -> str:
    """Return what COPY wrote as a value."""
    return re.sub(
        r"\\(.)",
        lambda found: {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}.get(found[1], found[1]),
        text,
    )


def newest(program: str) -> Path:
    """Return Debian's newest, else the one of the PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    anywhere = shutil.which(program)
    if not found and not anywhere:
        raise Trouble(f"{program} is not installed: name its directory with --programs")
    return found[-1] if found else Path(str(anywhere))


def open_database(url: str, programs: Path | None) -> Database:
    """Return the database that ``url`` names."""
    parts = urlsplit(url)
    inherited = {name: value for name, value in os.environ.items() if name != "PGCLIENTENCODING"}
    environment = {**inherited, "PGOPTIONS": OPTIONS, "LC_ALL": "C.UTF-8"}
    if parts.password is not None:
        environment["PGPASSWORD"] = unquote(parts.password)
        parts = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1))
        url = urlunsplit(parts)
    return Database(url, environment, programs)


def compare_postgresql(first: Database, second: Database, verdict: Verdict) -> None:
    """Compare everything; both databases must be at rest."""
    verdict.compare("definition", schema_entries(first), schema_entries(second))
    for subject, query in CATALOG_QUERIES.items():
        verdict.compare(subject, first.pairs(query), second.pairs(query))
    verdict.compare("sequence", sequence_positions(first), sequence_positions(second))
    compare_postgresql_tables(first, second, verdict)


def schema_entries(database: Database) -> dict[str, str]:
    """Return what pg_dump says, entry by entry, so that the order does not matter and each difference has a name."""
    entries: dict[str, list[str]] = {}
    parts = ENTRY.split(PASSING.sub("", database.output("pg_dump", "--schema-only", "--no-password")))
    for name, kind, schema, owner, body in zip(
        parts[1::5], parts[2::5], parts[3::5], parts[4::5], parts[5::5], strict=True
    ):
        text = body.replace("--\n-- PostgreSQL database dump complete\n--", "").strip()
        entries.setdefault(f"{kind} {schema}.{name}", []).append(f"owner {owner}\n{text}")
    return {key: "\n".join(sorted(texts)) for key, texts in entries.items()}


def sequence_positions(database: Database) -> dict[str, str]:
    """Return where each sequence stands."""
    positions: dict[str, str] = {}
    names = iter(sorted(database.pairs(SEQUENCES_QUERY)))
    while some := list(itertools.islice(names, 200)):
        selects = [f"SELECT {literal(name)}, last_value || ' ' || is_called FROM {name}" for name in some]
        positions |= database.pairs(" UNION ALL ".join(selects))
    return positions


def literal(text: str) -> str:
    """Return ``text`` quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def compare_postgresql_tables(first: Database, second: Database, verdict: Verdict) -> None:
    """Compare the rows of all tables in the order in which they lie; where that differs, sorted."""
    tables, others = first.pairs(TABLES_QUERY), second.pairs(TABLES_QUERY)
    verdict.compare("columns of", tables, others)
    common = sorted(name for name in tables.keys() & others.keys() if tables[name] == others[name])
    marker = uuid.uuid4().hex
    as_they_lie = [f"\\echo {marker}\nCOPY (SELECT {tables[name]} FROM ONLY {name}) TO STDOUT;\n" for name in common]
    differing = []
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as script, ExitStack() as stack:
        script.writelines([*as_they_lie, f"\\echo {marker}\n"])
        script.flush()
        sides = [database.lines(Path(script.name), stack) for database in (first, second)]
        mark = marker.encode() + b"\n"
        for side in sides:
            next(side)
        for name in common:
            rows = equal_rows(sides[0], sides[1], mark)
            if rows is None:
                differing.append(name)
            else:
                verdict.rows += rows
        leftovers = [list(side) for side in sides]  # reads both to the end, where psql's exit code is looked at
        if any(leftovers):
            raise Trouble("psql printed more than was asked for")
    verdict.tables += len(common)
    for name in differing:
        compare_sorted(first, second, name, tables[name], verdict)


@dataclass
class OneSided:
    """Rows that one side has and the other has not: how many, and the first."""

    rows: int = 0
    example: str = ""

    def add(self, line: bytes) -> None:
        """Count a row that came behind its hash and a tab."""
        self.example = self.example or line[33:].decode(errors="replace").strip()[:150]
        self.rows += 1

    def __str__(self) -> str:
        return f"{self.rows}, such as {self.example}" if self.rows else "none"


def equal_rows(first: Iterator[bytes], second: Iterator[bytes], mark: bytes) -> int | None:
    """Read both sides up to ``mark`` and return the number of rows, or None if they differ."""
    for rows, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            skip(one, first, mark)
            skip(other, second, mark)
            return None
        if one == mark:
            return rows
    raise Trouble("psql ended early")


def skip(line: bytes, lines: Iterator[bytes], mark: bytes) -> None:
    """Read on until behind the mark."""
    while line != mark:
        line = next(lines, mark)


def compare_sorted(first: Database, second: Database, name: str, columns: str, verdict: Verdict) -> None:
    """Compare the rows of one table whatever their order, each as text behind its own hash, and name what is on one side only."""
    query = f'SELECT md5(r), r FROM (SELECT s::text AS r FROM (SELECT {columns} FROM ONLY {name}) s) t ORDER BY md5(r) COLLATE "C"'
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as script, ExitStack() as stack:
        script.write(f"COPY ({query}) TO STDOUT;\n")
        script.flush()
        only = OneSided(), OneSided()
        sides = [database.lines(Path(script.name), stack) for database in (first, second)]
        one, other = (next(side, b"") for side in sides)
        rows = 0
        while one or other:
            is_in_first = bool(one) and (not other or one[:32] <= other[:32])
            is_in_second = bool(other) and (not one or other[:32] <= one[:32])
            if is_in_first and is_in_second:
                rows += 1
            else:
                only[is_in_second].add(one if is_in_first else other)
            one = next(sides[0], b"") if is_in_first else one
            other = next(sides[1], b"") if is_in_second else other
    verdict.rows += rows
    if only[0].rows or only[1].rows:
        said = f"{rows} in both; only in the first {only[0]}; only in the second {only[1]}"
        verdict.differ(f"rows of {name}", said)


# MariaDB

LISTS = {
    "setting": """SELECT k, v FROM (SELECT 'charset' k, default_character_set_name v, schema_name n FROM information_schema.schemata
        UNION ALL SELECT 'collation', default_collation_name, schema_name FROM information_schema.schemata
        UNION ALL SELECT 'comment', schema_comment, schema_name FROM information_schema.schemata) s WHERE n = {db}""",
    "properties of": """SELECT table_name, CONCAT_WS(' ', table_type, engine, row_format, table_collation, create_options, auto_increment,
        table_comment) FROM information_schema.tables WHERE table_schema = {db}""",
    "column": """SELECT CONCAT(table_name, '.', column_name), CONCAT_WS(' ', ordinal_position, column_type, is_nullable, column_default,
        character_set_name, collation_name, extra, generation_expression, column_comment)
        FROM information_schema.columns WHERE table_schema = {db}""",
    "index": """SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index), CONCAT_WS(' ', non_unique, column_name, sub_part,
        index_type, nullable, index_comment) FROM information_schema.statistics WHERE table_schema = {db}""",
    "foreign key": """SELECT CONCAT_WS(' ', table_name, constraint_name), CONCAT_WS(' ', referenced_table_name, update_rule, delete_rule)
        FROM information_schema.referential_constraints WHERE constraint_schema = {db}""",
    "rights of": """SELECT who, rights FROM (
        SELECT Db, CONCAT(User, '@', Host) who, CONCAT({flags}) rights FROM mysql.db
        UNION ALL SELECT Db, CONCAT(User, '@', Host, ' on ', Table_name), CONCAT_WS(' ', Table_priv, Column_priv) FROM mysql.tables_priv
        UNION ALL SELECT Db, CONCAT(User, '@', Host, ' on ', Table_name, '.', Column_name), Column_priv FROM mysql.columns_priv
        UNION ALL SELECT Db, CONCAT(User, '@', Host, ' on ', Routine_type, ' ', Routine_name), Proc_priv FROM mysql.procs_priv) g
        WHERE {db} LIKE Db""",
}
OBJECTS = {
    "TABLE": "SELECT table_name FROM information_schema.tables WHERE table_schema = {db} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
    "SEQUENCE": "SELECT table_name FROM information_schema.tables WHERE table_schema = {db} AND table_type = 'SEQUENCE'",
    "VIEW": "SELECT table_name FROM information_schema.tables WHERE table_schema = {db} AND table_type = 'VIEW'",
    "TRIGGER": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = {db}",
    "EVENT": "SELECT event_name FROM information_schema.events WHERE event_schema = {db}",
    **{
        kind: f"SELECT routine_name FROM information_schema.routines WHERE routine_schema = {{db}} AND routine_type = '{kind}'"
        for kind in ("FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY")
    },
}
NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year")
MARIADB_SETTINGS = "SET SESSION sql_mode = '', time_zone = '+00:00', character_set_results = binary, sql_quote_show_create = 1, max_statement_time = 0"


@dataclass(frozen=True)
class Mariadb:
    """One of the two, asked by one run of the program mariadb."""

    name: str
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def run(self, statement: str) -> list[list[str]]:
        """Return the rows of a statement."""
        marker = uuid.uuid4().hex
        script = f"{statement};\nSELECT '{marker}';\n"
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # what it said about that comes below
            self.process.stdin.write(script.encode(errors="surrogateescape"))
            self.process.stdin.flush()
        rows: list[list[str]] = []
        for line in self.process.stdout:
            text = line.decode(errors="surrogateescape").removesuffix("\n")
            if text == marker:
                return rows
            rows.append([mariadb_unescaped(value) for value in text.split("\t")])
        self.process.wait()
        self.errors.seek(0)
        raise Trouble(f"mariadb failed: {self.errors.read().decode(errors='replace').strip()}")

    def pairs(self, query: str) -> dict[str, str]:
        """Return the first column of each row with the second."""
        flags = [row[0] for row in self.run("SELECT column_name FROM information_schema.columns WHERE table_schema = 'mysql'"
                                            " AND table_name = 'db' AND column_name LIKE '%priv' ORDER BY 1")]  # fmt: skip
        told = query.format(db=mariadb_literal(self.name), flags=", ".join(flags))
        return {row[0]: self.plain(row[1]) for row in self.run(told)}

    def names(self, query: str) -> list[str]:
        """Return the first column."""
        return [row[0] for row in self.run(query.format(db=mariadb_literal(self.name)))]

    def plain(self, text: str) -> str:
        """Return a definition without the name of the database in it."""
        return re.sub(rf"(?<![\w.`])`?{re.escape(self.name)}`?\.(?=[`\w])", "", text)


def mariadb_unescaped(text: str) -> str:
    """Return what the program mariadb wrote as a value."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "0": "\0"}.get(found[1], found[1]), text)


def mariadb_literal(text: str) -> str:
    """Return ``text`` as a string, whatever is in it."""
    return f"_utf8mb4 x'{text.encode().hex()}'"


def backquoted(name: str) -> str:
    """Return ``name`` quoted for MariaDB."""
    return "`" + name.replace("`", "``") + "`"


def open_mariadb(url: str, stack: ExitStack) -> Mariadb:
    """Return the database that ``url`` names; its account goes into an option file that nobody else can read."""
    parts = urlsplit(url)
    words = dict(parse_qsl(parts.query))
    lines = ["[client]", f"user={parts.username or 'root'}"]
    if parts.password is not None:
        secret = unquote(parts.password).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'password="{secret}"')
    if parts.hostname:
        lines += [f"host={parts.hostname}", f"port={parts.port or 3306}", "protocol=tcp"]
    if "socket" in words:
        lines.append(f"socket={words['socket']}")
    if "ssl-ca" in words:
        lines += [f"ssl-ca={words['ssl-ca']}", "ssl-verify-server-cert"]
    program = shutil.which("mariadb") or shutil.which("mysql")
    if program is None:
        raise Trouble("the program mariadb is not installed")
    options = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "client.cnf"
    options.touch(mode=0o600)
    options.write_text("\n".join(lines) + "\n", encoding="utf-8")
    argv = [
        program,
        f"--defaults-file={options}",
        "--batch",
        "--skip-column-names",
        "--unbuffered",
        "--default-character-set=utf8mb4",
    ]
    errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    process = stack.enter_context(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors))
    stack.callback(process.kill)
    database = Mariadb(unquote(parts.path.lstrip("/")), process, errors)
    database.run(f"{MARIADB_SETTINGS};\nUSE {backquoted(database.name)}")
    return database


def compare_mariadb(first: Mariadb, second: Mariadb, verdict: Verdict) -> None:
    """Compare everything; both databases must be at rest."""
    sides = (first, second)
    for subject, query in LISTS.items():
        verdict.compare(subject, *(side.pairs(query) for side in sides))
    listed: dict[str, list[list[str]]] = {}
    for kind, query in OBJECTS.items():
        listed[kind] = [side.names(query) for side in sides]
        verdict.compare(kind.lower(), *(mariadb_definitions(side, kind, side.names(query)) for side in sides))
    for table in sorted(set(listed["TABLE"][0]) & set(listed["TABLE"][1])):
        compare_mariadb_table(first, second, table, verdict)


def mariadb_definitions(side: Mariadb, kind: str, names: Sequence[str]) -> dict[str, str]:
    """Return what the server says about each object: its text, and the settings under which it runs."""
    found = {}
    for name in names:
        (row,) = side.run(f"SHOW CREATE {kind} {backquoted(name)}")
        kept = row[:6] if kind == "TRIGGER" else row  # then comes when it was made
        if kind == "SEQUENCE":
            kept += side.run(f"SELECT * FROM {backquoted(name)}")[0]
        found[name] = side.plain("\n".join(kept))
    return found


def compare_mariadb_table(first: Mariadb, second: Mariadb, table: str, verdict: Verdict) -> None:
    """Compare the server's checksum, then every row whatever their order; a string by its MD5, a FLOAT as a DOUBLE."""
    sums = [side.run(f"CHECKSUM TABLE {backquoted(table)} EXTENDED")[0][1] for side in (first, second)]
    rows = [mariadb_rows(side, table) for side in (first, second)]
    verdict.tables += 1
    verdict.rows += len(rows[0])
    only = [sorted((Counter(one) - Counter(other)).elements()) for one, other in (rows, rows[::-1])]
    if any(only):
        said = "; ".join(
            f"only in the {which} {len(some)}, such as {some[0][:150]}" if some else f"only in the {which} none"
            for which, some in zip(("first", "second"), only, strict=True)
        )
        verdict.differ(f"rows of {table}", f"{len(rows[0])} and {len(rows[1])}; {said}")
    elif sums[0] != sums[1]:
        verdict.differ(f"checksum of {table}", f"{sums[0]} is {sums[1]} in the second")


def mariadb_rows(side: Mariadb, table: str) -> list[str]:
    """Return every row as text, history included."""
    described = side.run(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = "
        f"{mariadb_literal(side.name)} AND table_name = {mariadb_literal(table)} ORDER BY ordinal_position"
    )
    shown = [mariadb_shown(backquoted(column), kind) for column, kind in described]
    ((kind,),) = side.run(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = "
        f"{mariadb_literal(side.name)} AND table_name = {mariadb_literal(table)}"
    )
    history = " FOR SYSTEM_TIME ALL" if kind == "SYSTEM VERSIONED" else ""
    if history and "PERIOD FOR SYSTEM_TIME" not in side.run(f"SHOW CREATE TABLE {backquoted(table)}")[0][1]:
        shown += ["row_start", "row_end"]
    return ["|".join(row) for row in side.run(f"SELECT {', '.join(shown)} FROM {backquoted(table)}{history}")]


def mariadb_shown(column: str, kind: str) -> str:
    """Return the expression that shows a column without loss."""
    if kind in ("float", "double"):
        return f"CAST({column} AS DOUBLE)"
    if kind in (*NUMBERS, "date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6"):
        return column
    return f"BIN({column})" if kind == "bit" else f"CONCAT(LENGTH({column}), ' ', MD5({column}))"


# SQLite

PRAGMAS = ("encoding", "page_size", "auto_vacuum", "user_version", "application_id", "journal_mode")


def compare_sqlite(first: Path, second: Path, verdict: Verdict) -> None:
    """Compare settings, definitions and every row."""
    with closing(open_sqlite(first)) as one, closing(open_sqlite(second)) as other:
        for pragma in PRAGMAS:
            verdict.compare(
                "setting", {pragma: single(one, f"PRAGMA {pragma}")}, {pragma: single(other, f"PRAGMA {pragma}")}
            )
        for connection, which in ((one, "first"), (other, "second")):
            complaint = single(connection, "PRAGMA integrity_check(1)")
            if complaint != "ok":
                verdict.differ(f"integrity of the {which}", complaint)
        definitions = [sqlite_definitions(connection) for connection in (one, other)]
        verdict.compare("definition", *definitions)
        tables = [set(sqlite_tables(connection)) for connection in (one, other)]
        for table in sorted(tables[0] & tables[1]):
            compare_sqlite_table(one, other, table, verdict)


def open_sqlite(path: Path) -> sqlite3.Connection:
    """Return a connection that reads only; text comes as it is, whether it is UTF-8 or not."""
    if not path.is_file():
        raise Trouble(f"there is no file {path}")
    connection = sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?mode=ro", uri=True)
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    return connection


def single(connection: sqlite3.Connection, query: str) -> str:
    """Return the first value of the first row."""
    return str(connection.execute(query).fetchone()[0])


def sqlite_definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the text of each object; what SQLite makes by itself has none."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema")
    return {f"{kind} {name}": f"on {table}: {sql}" for kind, name, table, sql in rows}


def sqlite_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that hold rows; a virtual table's rows lie in tables of their own."""
    return [
        name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
    ]


def compare_sqlite_table(one: sqlite3.Connection, other: sqlite3.Connection, table: str, verdict: Verdict) -> None:
    """Compare the rows of one table in the order of its key."""
    verdict.tables += 1
    names = [
        [str(row[1]) for row in connection.execute(f"PRAGMA table_xinfo({quoted(table)})")]
        for connection in (one, other)
    ]
    if names[0] != names[1]:
        verdict.differ(f"columns of {table}", f"{names[0]} is {names[1]} in the second")
        return
    query = rows_query(one, table, names[0])
    for number, pair in enumerate(itertools.zip_longest(one.execute(query), other.execute(query)), start=1):
        if not same_row(*pair):
            counts = [single(connection, f"SELECT count(*) FROM {quoted(table)}") for connection in (one, other)]
            verdict.differ(
                f"rows of {table}",
                f"{counts[0]} in the first, {counts[1]} in the second; row {number}: {pair[0]} is {pair[1]} in the second",
            )
            return
        verdict.rows += 1


def rows_query(connection: sqlite3.Connection, table: str, columns: Iterable[str]) -> str:
    """Return the query for all rows: the row number if there is one, and each value with its type; text as its bytes."""
    values = [
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(quoted, columns)
    ]
    free = next(
        (alias for alias in ("rowid", "_rowid_", "oid") if alias not in {name.lower() for name in columns}), None
    )
    try:
        connection.execute(f"SELECT {free} FROM {quoted(table)} LIMIT 0")
    except sqlite3.OperationalError:
        free = None  # WITHOUT ROWID
    order = free or ", ".join(str(2 * position) for position in range(1, len(values) + 1))
    return f"SELECT {', '.join([*values, *([free] if free else [])])} FROM {quoted(table)} NOT INDEXED ORDER BY {order}"


def same_row(one: tuple[object, ...] | None, other: tuple[object, ...] | None) -> bool:
    """Tell whether two rows are the same; 0.0 and -0.0 are not."""
    if one is None or other is None or one != other:
        return False
    return 0.0 not in one or str(one) == str(other)


def quoted(name: str) -> str:
    """Return ``name`` quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


# Firebird

FIREBIRD_COLUMNS = (
    b"SET HEADING OFF; SELECT IIF(F.RDB$FIELD_TYPE = 261, 'HASH(\"' || TRIM(R.RDB$FIELD_NAME) || '\"), OCTET_LENGTH(\"' ||"
    b" TRIM(R.RDB$FIELD_NAME) || '\")', '\"' || TRIM(R.RDB$FIELD_NAME) || '\"') FROM RDB$RELATION_FIELDS R"
    b" JOIN RDB$FIELDS F ON F.RDB$FIELD_NAME = R.RDB$FIELD_SOURCE WHERE R.RDB$RELATION_NAME = '%s' ORDER BY R.RDB$FIELD_POSITION;"
)
FIREBIRD_TABLES = (
    b"SELECT TRIM(RDB$RELATION_NAME) FROM RDB$RELATIONS WHERE RDB$SYSTEM_FLAG = 0 AND RDB$VIEW_BLR IS NULL"
)
FIREBIRD_GENERATORS = b"SELECT TRIM(RDB$GENERATOR_NAME) FROM RDB$GENERATORS WHERE RDB$SYSTEM_FLAG = 0"


@dataclass(frozen=True)
class Firebird:
    """One of the two, read by isql-fb; ``locks`` is a folder of ours for the engine."""

    file: Path
    locks: Path

    def run(self, script: bytes, *options: str) -> bytes:
        """Return what isql-fb prints for a script; bytes come as they are."""
        program = shutil.which("isql-fb")
        if program is None or not self.file.is_file():
            raise Trouble("isql-fb is not installed" if program is None else f"there is no file {self.file}")
        done = subprocess.run(
            [program, "-quiet", "-bail", "-merge", "-charset", "NONE", *options, str(self.file)],
            input=script,
            capture_output=True,
            check=False,
            env={**os.environ, "FIREBIRD_LOCK": str(self.locks), "FIREBIRD_TMP": str(self.locks)},
        )
        if done.returncode:
            raise Trouble(f"isql-fb failed: {(done.stdout + done.stderr).decode(errors='replace').strip()}")
        return done.stdout

    def names(self, query: bytes) -> list[bytes]:
        """Return the one column of a query."""
        return [line.strip() for line in self.run(b"SET HEADING OFF; %s;" % query).splitlines() if line.strip()]

    def definitions(self) -> dict[str, str]:
        """Return everything that is no row, piece by piece; without the name of the file."""
        text = re.sub(rb"CREATE DATABASE '.*'", b"CREATE DATABASE", self.run(b"", "-x")).decode(
            errors="surrogateescape"
        )
        pieces = [piece.strip() for piece in re.split(r"\n\s*\n", text) if piece.strip()]
        return {f"{number}: {shortened(piece, 60)}": piece for number, piece in enumerate(pieces)}

    def generators(self) -> dict[str, str]:
        """Return where each generator stands."""
        return {
            name.decode(errors="surrogateescape"): self.names(b'SELECT GEN_ID("%s", 0) FROM RDB$DATABASE' % name)[
                0
            ].decode()
            for name in self.names(FIREBIRD_GENERATORS)
        }

    def rows(self, table: bytes) -> list[bytes]:
        """Return every row, each value on a line of its own, sorted; texts as they lie, with their length."""
        columns = [line.strip() for line in self.run(FIREBIRD_COLUMNS % table).splitlines() if line.strip()]
        told = self.run(b'SET LIST ON; SELECT %s FROM "%s";' % (b", ".join(columns), table))
        return sorted(row.strip(b"\n") for row in told.split(b"\n\n") if row.strip())


def compare_firebird(first: Firebird, second: Firebird, verdict: Verdict) -> None:
    """Compare definitions, generators and every row."""
    verdict.compare("definition", first.definitions(), second.definitions())
    verdict.compare("generator", first.generators(), second.generators())
    for table in sorted(set(first.names(FIREBIRD_TABLES)) & set(second.names(FIREBIRD_TABLES))):
        rows = [side.rows(table) for side in (first, second)]
        verdict.tables += 1
        verdict.rows += len(rows[0])
        only = [sorted((Counter(one) - Counter(other)).elements()) for one, other in (rows, rows[::-1])]
        if any(only):
            example = (only[0] or only[1])[0].decode(errors="replace")
            verdict.differ(
                f"rows of {table.decode(errors='replace')}",
                f"only in the first {len(only[0])}, only in the second {len(only[1])}, such as {shortened(example, 150)}",
            )


# Files


def compare_files(first: Path, second: Path, verdict: Verdict) -> None:
    """Compare two trees, name by name."""
    roots = [os.fsencode(root) for root in (first, second)]
    for root in roots:
        if not stat.S_ISDIR(os.lstat(root).st_mode):
            raise Trouble(f"{os.fsdecode(root)} is not a directory")
    told = [dict(walked(root)) for root in roots]
    verdict.things = "names"
    for path in sorted(told[0].keys() | told[1].keys()):
        verdict.tables += 1
        label = f"file {path!r}"
        if path not in told[1]:
            verdict.differ(label, "only in the first")
        elif path not in told[0]:
            verdict.differ(label, "only in the second")
        else:
            ours, theirs = told[0][path], told[1][path]
            for key in sorted(ours.keys() | theirs.keys()):
                if ours.get(key) != theirs.get(key):
                    verdict.differ(label, f"{key} {ours.get(key)!r} is {theirs.get(key)!r} in the second")


def walked(root: bytes) -> Iterator[tuple[bytes, dict[str, object]]]:
    """Yield every name below ``root``, and ``root`` itself as the empty name, with what can be said of it."""
    names: dict[tuple[int, int], bytes] = {}
    pending = [b""]
    while pending:
        path = pending.pop()
        whole = root + b"/" + path if path else root
        status = os.lstat(whole)
        kind = stat.S_IFMT(status.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            continue
        about: dict[str, object] = {
            "kind": {stat.S_IFREG: "file", stat.S_IFDIR: "directory"}.get(kind, "link"),
            "owner": (status.st_uid, status.st_gid),
            "time": status.st_mtime_ns,
            "attributes": {
                name: os.getxattr(whole, name, follow_symlinks=False)
                for name in os.listxattr(whole, follow_symlinks=False)
            },
        }
        if kind == stat.S_IFLNK:
            about["says"] = os.readlink(whole)  # noqa: PTH115 - names are bytes, which pathlib does not take
        else:
            about["mode"] = stat.S_IMODE(status.st_mode)
        if kind == stat.S_IFDIR:
            inside = sorted(os.listdir(whole), reverse=True)  # noqa: PTH208 - bytes
            pending += [path + b"/" + name if path else name for name in inside]
        if kind == stat.S_IFREG:
            about["bytes"] = sha256_of(whole)
            first = names.setdefault((status.st_dev, status.st_ino), path)
            about["same file as"] = first if first != path else None
        yield path, about


def sha256_of(path: bytes) -> str:
    """Return the digest of what is in a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - bytes
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Compare what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Judge whether two databases, or two trees of files, are equal in meaning.",
        epilog="exit: 0 equal, 1 different, 2 trouble",
    )
    parser.add_argument("engine", choices=("postgresql", "mariadb", "sqlite", "firebird", "files"))
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--programs", type=Path, help="directory of psql and pg_dump")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="name so many differences, count the others")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="REGEX", help="differences whose name matches do not count"
    )
    given = parser.parse_args(arguments)
    verdict = Verdict(ignored=[re.compile(pattern) for pattern in given.ignore])
    try:
        if given.engine == "postgresql":
            first, second = (open_database(url, given.programs) for url in (given.first, given.second))
            compare_postgresql(first, second, verdict)
        elif given.engine == "mariadb":
            with ExitStack() as stack:
                one, other = (open_mariadb(url, stack) for url in (given.first, given.second))
                compare_mariadb(one, other, verdict)
        elif given.engine == "firebird":
            with tempfile.TemporaryDirectory() as locks:
                sides = [Firebird(Path(name).absolute(), Path(locks)) for name in (given.first, given.second)]
                compare_firebird(sides[0], sides[1], verdict)
        elif given.engine == "files":
            compare_files(Path(given.first), Path(given.second), verdict)
        else:
            compare_sqlite(Path(given.first), Path(given.second), verdict)
    except (Trouble, sqlite3.Error, OSError) as error:
        print(f"trouble: {error}", file=sys.stderr)
        return 2
    return told(verdict, given.show)


def counted(number: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def told(verdict: Verdict, shown: int) -> int:
    """Print the verdict; return the exit code."""
    were = "was" if verdict.left_out == 1 else "were"
    left_out = f" ({counted(verdict.left_out, 'difference')} {were} not to count)" if verdict.left_out else ""
    if not verdict.differences:
        rows = f", {counted(verdict.rows, 'row')}" if verdict.things == "tables" else ""
        print(f"equal: {counted(verdict.tables, verdict.things.removesuffix('s'))}{rows}{left_out}")
        return 0
    print(f"different: {counted(len(verdict.differences), 'difference')}{left_out}")
    for difference in verdict.differences[:shown]:
        print(f"  {difference}")
    if len(verdict.differences) > shown:
        print(f"  and {len(verdict.differences) - shown} more")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
