"""MariaDB's pure parts: names, rows, definitions, addresses, option files, and what errors may say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pymysql import err

from drorch import errors
from drorch.sources.mariadb.accounts import Grant, decode_accounts
from drorch.sources.mariadb.databases import before_name, side_name
from drorch.sources.mariadb.definitions import Definition, Kind, Schema, decode_schema, encode_schema, plain_trigger
from drorch.sources.mariadb.failures import ConnectionLost, ServerRefused, refusal, source_error, target_error
from drorch.sources.mariadb.inventory import Table, fits
from drorch.sources.mariadb.location import MariadbLocation, parse_location
from drorch.sources.mariadb.option_file import read_option_file
from drorch.sources.mariadb.quoting import account, identifier, literal, printable, unquoted
from drorch.sources.mariadb.reading import BLANK, _blanked
from drorch.sources.mariadb.rights import _means, version_of
from drorch.sources.mariadb.rows import RowSum, split_rows, tuples
from drorch.sources.mariadb.session import _prefixed


def packet(payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + b"\x05" + payload


def pieces_of(data: bytes, size: int) -> Any:
    rest = [data[start : start + size] for start in range(0, len(data), size)]
    return lambda: rest.pop(0) if rest else b""


EOF = packet(b"\xfe\0\0\2\0")


@given(
    rows=some.lists(some.binary(min_size=1, max_size=40).filter(lambda row: row[0] < 0xFB)), size=some.integers(1, 50)
)
def test_packets_become_rows_however_they_are_read(rows: list[bytes], size: int) -> None:
    data = b"".join(map(packet, rows)) + EOF
    found = [row for batch in split_rows(_prefixed(pieces_of(data, size))) for row in batch]
    assert found == rows


def test_a_row_longer_than_a_packet_is_put_together() -> None:
    whole = b"\xfe" + (2**24 + 5).to_bytes(8, "little") + bytes(2**24 + 5)
    first, rest = whole[: 2**24 - 1], whole[2**24 - 1 :]
    data = packet(b"\x01a") + packet(first) + packet(rest) + packet(b"\x01b")
    rows = [row for batch in split_rows(_prefixed(pieces_of(data + EOF, 300_000))) for row in batch]
    assert [len(row) for row in rows] == [2, len(whole), 2]
    exact = packet(bytes(2**24 - 1)) + packet(b"")  # an empty packet ends a row of just that length
    assert [len(row) for batch in split_rows(_prefixed(pieces_of(exact + EOF, 300_000))) for row in batch] == [
        2**24 - 1
    ]


def test_an_error_and_an_early_end_are_no_end() -> None:
    error = packet(b"\xff" + (1412).to_bytes(2, "little") + b"#HY000Table definition has changed")
    with pytest.raises(err.MySQLError, match="definition has changed"):
        list(_prefixed(pieces_of(packet(b"\x01a") + error, 1000)))
    for cut in (packet(b"\x01a"), packet(b"\x01a") + EOF[:-1]):
        with pytest.raises(err.MySQLError, match="Lost connection"):
            list(_prefixed(pieces_of(cut, 1000)))


def test_values_never_become_statements() -> None:
    row = b"\x05a'b\\c" + b"\xfb" + b"\x0a2026-01-01" + b"\xfc\x00\x01" + b"x" * 256
    (told,) = tuples([row], "bbtb")
    assert told == b"(_binary'a\\'b\\\\c',NULL,_latin1'2026-01-01',_binary'" + b"x" * 256 + b"')"
    assert list(tuples([b"\x0217"], "n")) == [b"(17)"]
    for bad, forms in ((b"\x011); drop", "n"), (b"\x01a", "bb"), (b"\x01ab", "b"), (b"\x05ab", "b")):
        with pytest.raises(errors.ObjectCorrupt):
            list(tuples([bad], forms))


def test_a_stream_that_ends_inside_a_row() -> None:
    with pytest.raises(errors.ObjectCorrupt):
        list(split_rows([b"\0\0\0\5ab"]))


def test_the_sum_of_rows_knows_no_order_and_every_byte() -> None:
    one, other, third = RowSum(), RowSum(), RowSum()
    one.add([b"a", b"b", b"a"])
    other.add([b"a", b"a"])
    other.add([b"b"])
    third.add([b"a", b"b", b"b"])
    assert (one.rows, one.total) == (other.rows, other.total)
    assert one.total != third.total


@given(some.text(min_size=1).filter(lambda name: "\0" not in name))
def test_names_are_quoted_and_come_back(name: str) -> None:
    assert unquoted(identifier(name)) == name
    assert printable(name).isprintable()
    assert "\\" not in literal(name)


def test_accounts() -> None:
    assert account("clerk@%") == "`clerk`@`%`"
    assert account("a@b@localhost") == "`a@b`@`localhost`"
    assert account("@localhost") == "``@`localhost`"
    assert account("readers") == "`readers`"
    assert account("PUBLIC") == "PUBLIC"


def test_definitions_come_back_from_their_stream() -> None:
    schema = Schema(
        database="d",
        charset="utf8mb4",
        collation="utf8mb4_general_ci",
        comment="x",
        definitions=(
            Definition(kind=Kind.SEQUENCE, name="s", sql="CREATE SEQUENCE `s`", values="1,1,9,1,1,0,0,0"),
            Definition(kind=Kind.VIEW, name="v\udce9", sql="CREATE VIEW \udce9", client="latin1"),
            Definition(kind=Kind.EVENT, name="e", sql="CREATE EVENT `e`", was_enabled=True, time_zone="+07:00"),
        ),
    )
    stream = encode_schema(schema)
    assert stream.isascii()
    assert decode_schema([stream[:7], stream[7:]]) == schema


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "view", "name": "v", "sql": "x", "client": "latin1; drop"},
        {"kind": "view", "name": "v", "sql": "x", "sql_mode": "', x='"},
        {"kind": "event", "name": "v", "sql": "x", "time_zone": "'; --"},
        {"kind": "sequence", "name": "v", "sql": "x", "values": "1); drop table t"},
        {"kind": "sequence", "name": "v", "sql": "x"},
        {"kind": "view", "name": 1, "sql": "x"},
        {"kind": "poem", "name": "v", "sql": "x"},
        {"kind": "view", "name": "v", "sql": "x", "more": "y"},
        {"name": "v"},
    ],
)
def test_a_schema_stream_that_is_none(line: dict[str, Any]) -> None:
    good = encode_schema(Schema(database="d", charset="utf8mb4", collation="utf8mb4_bin"))
    with pytest.raises(errors.ObjectCorrupt):
        decode_schema([good + json.dumps(line).encode() + b"\n"])


def test_a_schema_of_another_form() -> None:
    with pytest.raises(errors.ObjectCorrupt, match="another form"):
        decode_schema([b'{"form": "mariadb 9"}\n'])
    with pytest.raises(errors.ObjectCorrupt):
        decode_schema([b"\xff"])


@pytest.mark.parametrize(
    ("sql", "definer", "changed"),
    [
        ("CREATE DEFINER=`a`@`%` PROCEDURE `p`() x", "a@%", "CREATE DEFINER=`b`@`c` PROCEDURE `p`() x"),
        ('CREATE DEFINER="a"@"%" PROCEDURE "p"() x', "a@%", 'CREATE DEFINER=`b`@`c` PROCEDURE "p"() x'),
        ("CREATE DEFINER=`a``b`@`%` TRIGGER t x", "a`b@%", "CREATE DEFINER=`b`@`c` TRIGGER t x"),
        ("CREATE DEFINER=`role` PROCEDURE `p`() x", "role", "CREATE DEFINER=`b`@`c` PROCEDURE `p`() x"),
        ("CREATE PROCEDURE `p`() x", None, "CREATE PROCEDURE `p`() x"),
    ],
)
def test_definers(sql: str, definer: str | None, changed: str) -> None:
    definition = Definition(kind=Kind.PROCEDURE, name="p", sql=sql)
    assert definition.definer == definer
    assert definition.with_definer("b@c") == changed
    assert "DEFINER" not in definition.with_definer(None)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE DEFINER=`a`@`%` TRIGGER `d`.t BEFORE INSERT ON `d`.`x y` FOR EACH ROW set @a = `d`.f()",
        "create trigger d . t before insert on d.`x y` for each row set @a = `d`.f()",
        'CREATE DEFINER="a"@"%" TRIGGER "d"."t" AFTER DELETE ON "x y" FOR EACH ROW set @a = `d`.f()',
    ],
)
def test_a_trigger_can_be_made_in_another_database(sql: str) -> None:
    plain = plain_trigger(sql)
    head, _, body = plain.partition("set @a")
    assert "`d`" not in head
    assert '"d"' not in head
    assert "d ." not in head
    assert body == " = `d`.f()"


def test_passwords_of_remote_tables_are_blanked() -> None:
    for connection in (
        "mysql://u:canary@h:1/d/t",
        'host "h", password "canary", user "u"',
        "mysql://u:can'ary@h/d/t".replace("'", "\\'"),
    ):
        sql = f"CREATE TABLE `t` (a int) ENGINE=FEDERATED CONNECTION='{connection}'"
        told = _blanked(sql)
        assert "canary" not in told
        assert "ary@" not in told
        assert BLANK in told


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("land", "land", True), ("land\\_a", "land_a", True), ("land\\_a", "landxa", False), ("la%", "land", True),
     ("l_nd", "land", True), ("land", "Land", False), ("%", "a.b", True), ("a.b", "axb", False)],
)  # fmt: skip
def test_patterns_of_grants(pattern: str, name: str, *, expected: bool) -> None:
    assert _means(pattern, name) is expected


def test_versions() -> None:
    assert version_of("10.11.19-MariaDB-0+deb12u1") == (10, 11)
    assert version_of("nothing") == (0, 0)


def test_grants_are_statements_about_the_new_database() -> None:
    grant = Grant(to="a@%", privileges=("SELECT",), name="t`x", columns=("c", "d"), is_grantable=True)
    assert grant.statement("n", "b@%") == "GRANT SELECT (`c`, `d`) ON `n`.`t``x` TO `b`@`%` WITH GRANT OPTION"
    assert Grant(to="a@%", privileges=()).statement("n_m", "a@%") == "GRANT USAGE ON `n\\_m`.* TO `a`@`%`"
    for bad in (b"{}", b'{"kind":"grant","to":"a","privileges":["SELECT; DROP"]}', b"\xff"):
        with pytest.raises(errors.ObjectCorrupt):
            decode_accounts([bad])


def test_tables_are_meant_with_and_without_the_database() -> None:
    table = Table(name="log_2024", kind="BASE TABLE", engine="InnoDB")
    assert fits(table, "d", ["log_*"])
    assert fits(table, "d", ["d.log_2024"])
    assert not fits(table, "d", ["LOG_2024", "e.log_2024"])


def test_names_of_databases_fit() -> None:
    assert side_name("d" * 64, "7kq2m9xd") == "d" * 47 + "__drorch_7kq2m9xd"
    from datetime import UTC, datetime

    assert before_name("land", datetime(2026, 11, 22, 10, 9, tzinfo=UTC)) == "land__before_20261122_1009"


def test_addresses() -> None:
    location = parse_location("mariadb://u@db1.example:3307/h%E1%BB%93?tls=require&tls_authority=/ca.crt")
    assert location == MariadbLocation(
        host="db1.example", port=3307, user="u", database="hồ", tls="require", tls_authority=Path("/ca.crt")
    )
    assert location.address == "mariadb://db1.example:3307/h%E1%BB%93"
    assert parse_location("mariadb:///x?socket=/run/s").address == "mariadb:///x?socket=/run/s"
    assert parse_location("mysql://h/x").address == "mariadb://h/x"
    assert "secret" not in repr(MariadbLocation(database="x", password=lambda: "secret"))


@pytest.mark.parametrize(
    "url",
    ["mariadb://u:canary@h/d", "mariadb://h/d?password=canary", "mariadb://h/d?tls=maybe", "mariadb://h/d?x=y",
     "mariadb://h:99999/d", "postgresql://h/d", "mariadb://u:canary@[::1/d", "mariadb://canary\u2100@h\u2100/d", "mariadb://h/d%00"],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(errors.UsageInvalid) as caught:
        parse_location(url)
    assert "canary" not in f"{caught.value} {caught.value.found} {caught.value.hint}"


def test_an_option_file(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text(
        "# ours\n!includedir /nowhere\n[client]\nuser = a\npassword='x#\\s\"y'\nport=3307 # usual\nskip-ssl\n"
        '[mysqld]\npassword=other\n[client-mariadb]\nuser="b c"\nssl_ca=/ca.crt\n'
    )
    file.chmod(0o600)
    assert dict(read_option_file(file)) == {
        "user": "b c", "password": 'x# "y', "port": "3307", "ssl-ca": "/ca.crt",
    }  # fmt: skip
    found = MariadbLocation(database="d", host="h", option_file=file).resolved()
    assert (found.host, found.port, found.user) == ("h", 3307, "b c")
    with pytest.raises(errors.SecretUnavailable):
        read_option_file(tmp_path / "none")


def test_what_the_server_says_of_values_does_not_leave() -> None:
    error = refusal(err.IntegrityError(1062, "Duplicate entry '079085001234' for key 'PRIMARY'"))
    assert str(error) == "1062 Duplicate entry '...' for key 'PRIMARY'"
    error = refusal(err.DataError(1366, "Incorrect string value: '\\xD4n' for column `d`.`t`.`c` at row 7"))
    assert "xD4" not in str(error)
    assert "at row 7" in str(error)


@pytest.mark.parametrize(
    ("error", "code", "is_retryable"),
    [
        (ServerRefused(1045, "x"), 21, False),
        (ServerRefused(1044, "x"), 23, False),
        (ServerRefused(1142, "x"), 23, False),
        (ServerRefused(1049, "x"), 28, False),
        (ServerRefused(1205, "x"), 24, True),
        (ServerRefused(1412, "x"), 24, True),
        (ServerRefused(1146, "x"), 24, True),
        (ServerRefused(1317, "x"), 22, True),
        (ServerRefused(1064, "x"), 20, False),
        (ConnectionLost("x"), 22, True),
        (ConnectionLost("timed out", is_silence=True), 25, True),
    ],
)
def test_codes(error: ServerRefused | ConnectionLost, code: int, *, is_retryable: bool) -> None:
    found = source_error(error, "reading t")
    assert (found.exit_code, found.retryable) == (code, is_retryable)


def test_codes_of_a_target() -> None:
    assert target_error(ServerRefused(1114, "The table 't' is full"), "x").exit_code == 74
    assert target_error(ServerRefused(1045, "x"), "x").exit_code == 71
    assert target_error(ConnectionLost("x"), "x").exit_code == 71
    assert target_error(ServerRefused(1227, "x"), "x").exit_code == 72
