"""A SQLite database with everything that is easily lost on the way."""

import sqlite3
import unicodedata
from pathlib import Path

NFC = unicodedata.normalize("NFC", "Sổ hộ tịch Đức Trọng")
NFD = unicodedata.normalize("NFD", NFC)
ODD_NAMES = (
    'with "quotes"',
    "with 'apostrophe'",
    "two\nlines",
    "🏞️ sổ",
    NFC,
    NFD,
    "select",
    "semi;colon",
    "[brackets]",
    "tab\tname",
    "%41?#",
)

SCRIPT = """
CREATE TABLE unit (code TEXT PRIMARY KEY, name TEXT NOT NULL, CHECK (length(code) >= 3));
CREATE TABLE birth (id INTEGER PRIMARY KEY AUTOINCREMENT, unit TEXT REFERENCES unit(code), name TEXT, born TEXT, weight REAL,
                    scan BLOB, name_key TEXT GENERATED ALWAYS AS (lower(name)) STORED, born_year AS (substr(born, -4)));
CREATE TABLE heap (a, b);                                       -- row numbers without a column
CREATE TABLE paired (a TEXT, b TEXT COLLATE NOCASE, c BLOB, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
CREATE TABLE firm (id INTEGER PRIMARY KEY, n INT, r REAL, t TEXT, b BLOB, x ANY) STRICT;
CREATE TABLE descending (id INTEGER PRIMARY KEY DESC, note TEXT);   -- not an alias of the row number, for old times' sake
CREATE TABLE shadowed (rowid TEXT, oid TEXT, _rowid_ TEXT);        -- the row number has no name left
CREATE TABLE half_shadowed (rowid TEXT, note TEXT);
CREATE TABLE alias_shadowed (id INTEGER PRIMARY KEY, rowid TEXT);
CREATE TABLE empty (a INTEGER, b TEXT);
CREATE TABLE twice (a INTEGER UNIQUE, b TEXT UNIQUE ON CONFLICT IGNORE);
CREATE TABLE log (what TEXT);
CREATE INDEX birth_unit ON birth (unit, name COLLATE NOCASE DESC);
CREATE INDEX birth_year ON birth (substr(born, -4)) WHERE born IS NOT NULL;
CREATE UNIQUE INDEX twice_both ON twice (a, b);
CREATE VIEW births_by_unit AS SELECT u.name AS "đơn vị", count(*) AS n FROM birth b JOIN unit u ON u.code = b.unit GROUP BY 1;
CREATE TRIGGER birth_logged AFTER INSERT ON birth BEGIN INSERT INTO log VALUES ('birth ' || new.id); END;
CREATE TRIGGER view_written INSTEAD OF INSERT ON births_by_unit BEGIN INSERT INTO log VALUES ('view'); END;
CREATE VIRTUAL TABLE words USING fts5(body, tokenize='unicode61');
CREATE VIRTUAL TABLE places USING rtree(id, x0, x1);
"""


def build_zoo(path: Path, *, encoding: str = "UTF-8", journal_mode: str = "delete", page_size: int = 4096) -> None:
    """Write the database to ``path``, which must not exist."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        f"page_size={page_size}",
        f"encoding='{encoding}'",
        "auto_vacuum=2",
        "synchronous=OFF",
        f"journal_mode={journal_mode}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.executescript(SCRIPT)
    _fill(connection)
    for name in ODD_NAMES:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} TEXT)")
        connection.execute(f"INSERT INTO {quoted} VALUES (1, ?)", (name,))
        connection.execute(f'CREATE INDEX {quoted[:-1]}_index" ON {quoted} ({quoted})')
    connection.execute("ANALYZE")
    connection.execute("PRAGMA user_version=7")
    connection.execute("PRAGMA application_id=-252645136")
    connection.close()


def _fill(connection: sqlite3.Connection) -> None:
    many = connection.executemany
    many("INSERT INTO unit VALUES (?, ?)", [("24958", NFC), ("24871", NFD), ("00678", "tên\x00có số không")])
    people = [
        ("24958", f"Nguyễn Văn {i}", f"0{i % 9 + 1}/00/19{i % 90 + 10}", i / 3, bytes([i % 256]) * i)
        for i in range(400)
    ]
    many("INSERT INTO birth (unit, name, born, weight, scan) VALUES (?, ?, ?, ?, ?)", people)
    connection.execute("DELETE FROM birth WHERE id > 390")  # the next number stays 401
    connection.execute("INSERT INTO birth (unit, name) VALUES ('99999', 'không có đơn vị')")  # an orphan
    many("INSERT INTO heap (rowid, a, b) VALUES (?, ?, ?)", [(-5, 1, "x"), (7, None, b"y"), (2**63 - 1, "end", 1.5)])
    many("INSERT INTO paired VALUES (?, ?, ?)", [("a", "B", b"1"), ("b", "a", None), ("c", "Z", b"\x00\xff")])
    extremes = [
        (1, 2**63 - 1, float("inf"), "", b"", -0.0),
        (2, -(2**63), float("-inf"), "t", b"\x00", 5e-324),
        (3, None, None, None, None, "any"),
    ]
    many("INSERT INTO firm VALUES (?, ?, ?, ?, ?, ?)", extremes)
    many("INSERT INTO heap VALUES (?, ?)", [(-0.0, 0.1 + 0.2), (1.7976931348623157e308, 0), (2**53 + 1, float(2**53))])
    connection.execute(
        "INSERT INTO heap VALUES (CAST(x'54434E563300B5FFFE' AS TEXT), CAST(x'C3' AS TEXT))"
    )  # TCVN3 bytes, cut UTF-8
    connection.execute(
        "INSERT INTO heap VALUES (CAST(x'00D8' AS TEXT), CAST(x'FEFF00D84100' AS TEXT))"
    )  # lone surrogates in UTF-16
    many("INSERT INTO descending VALUES (?, ?)", [(3, "c"), (1, "a")])
    connection.execute("INSERT INTO shadowed VALUES ('r', 'o', 'u')")
    connection.execute("INSERT INTO half_shadowed (_rowid_, rowid, note) VALUES (50, 'r', 'n')")
    many("INSERT INTO alias_shadowed VALUES (?, ?)", [(9, "z"), (4, "a")])
    many("INSERT INTO twice VALUES (?, ?)", [(1, "a"), (None, None), (None, "c")])
    many("INSERT INTO words VALUES (?)", [("sổ đỏ Đức Trọng",), ("hộ tịch Liên Nghĩa",)])
    many("INSERT INTO places VALUES (?, ?, ?)", [(1, 0.5, 1.5), (2, 10, 11)])
