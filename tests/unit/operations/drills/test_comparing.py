"""Each kind of damage is found, fails for the right reason, and is named; what is in a row is never told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drorch.evidence.drill_checks import CheckResult, Outcome
from drorch.operations.drills.asking import find_orphans
from drorch.operations.drills.content import compare_content
from drorch.operations.drills.definitions import compare_definitions
from drorch.sources.interface import StreamKind
from tests.support.compared import back_up, damaged, run_sql

MADE = """
create table unit (code text primary key, name text) without rowid;
create table parcel (id integer primary key, unit text references unit, owner text, area real);
create table log (line text);
create index parcel_unit on parcel (unit);
create view by_unit as select unit, count(*) from parcel group by 1;
create trigger no_log before delete on log begin select raise(abort, 'kept'); end;
insert into unit values ('00678', 'Đức Trọng'), ('00676', 'Lâm Hà');
with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)
insert into parcel select i, '00678', 'Nguyễn Thị Canary', i * 1.5 from n;
insert into log values ('một'), ('hai');
"""


def told(result: CheckResult) -> str:
    return "\n".join(
        [
            result.note,
            *result.told,
            *(f"{one.name} {one.expected} {one.found} {one.first}" for one in result.differences),
        ]
    )


def test_what_came_back_equal_is_equal(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "") as restored:
        content, schema = compare_content(restored), compare_definitions(restored)
    assert (content.outcome, content.note, content.differences) == (Outcome.OK, "3 of 3 tables", ())
    assert (schema.outcome, schema.differences) == (Outcome.OK, ())
    assert [one.name for one in content.compared] == ["unit", "parcel", "log"]


@pytest.mark.parametrize(
    ("damage", "table", "first"),
    [
        ("update parcel set area = 0 where id = 1234", "parcel", "the row with id = 1234 is another one: column area"),
        (
            "update parcel set owner = 'x', area = 0 where id = 7",
            "parcel",
            "id = 7 is another one: columns owner, area",
        ),
        ("delete from parcel where id = 1999", "parcel", "no row with id = 1999"),
        ("insert into parcel (id, unit) values (5000, '00676')", "parcel", "one row too many, with id = 5000"),
        ("delete from unit where code = '00676'", "unit", "no row with code = 00676"),
        ("update log set line = 'ba' where line = 'hai'", "log", "the row with rowid = 2 is another one: column line"),
        ("delete from parcel", "parcel", "no row with id = "),
    ],
)
def test_a_row_that_differs_is_named_by_its_key(damage: str, table: str, first: str, tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, damage) as restored:
        result = compare_content(restored)
    assert result.outcome is Outcome.FAIL
    assert result.note == "2 of 3 tables"
    (difference,) = result.differences
    assert difference.name == table
    assert first in difference.first
    assert difference.expected != difference.found
    assert "Canary" not in told(result)


def test_a_table_that_is_gone_and_one_that_was_never_there(tmp_path: Path) -> None:
    damage = (
        "drop table log; create table stranger (a int); insert into stranger values (1); create table empty (a int);"
    )
    with damaged(tmp_path / "x.db", MADE, damage) as restored:
        result, schema = compare_content(restored), compare_definitions(restored)
    assert [(one.name, one.found) for one in result.differences] == [("log", "no such table"), ("stranger", "1 row")]
    assert {one.name: one.found for one in schema.differences} == {
        "table log": "not there",
        "trigger no_log": "not there",
        "table stranger": "there",
        "table empty": "there",
    }
    assert (result.outcome, schema.outcome) == (Outcome.FAIL, Outcome.FAIL)


@pytest.mark.parametrize(
    ("damage", "name", "found"),
    [
        ("drop index parcel_unit", "index parcel_unit", "not there"),
        ("drop view by_unit", "view by_unit", "not there"),
        (
            "drop index parcel_unit; create index parcel_unit on parcel (owner)",
            "index parcel_unit",
            "defined otherwise",
        ),
        ("drop trigger no_log", "trigger no_log", "not there"),
        ("pragma user_version = 7", "setting user_version", "defined otherwise"),
    ],
)
def test_a_definition_that_differs_is_named(damage: str, name: str, found: str, tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, damage) as restored:
        content, schema = compare_content(restored), compare_definitions(restored)
    assert content.outcome is Outcome.OK
    assert schema.outcome is Outcome.FAIL
    assert [(one.name, one.found) for one in schema.differences] == [(name, found)]


def test_rows_in_another_order_are_the_same_rows(tmp_path: Path) -> None:
    made = "create table t (a int); insert into t values (1), (2), (3);"
    with damaged(tmp_path / "x.db", made, "") as restored:
        (entry,) = (one for one in restored.backup.entries() if one.name == "table/t")
        other = replace(entry, bytes_digest=bytes(32))  # as if they had lain otherwise
        backup = replace(restored.backup, found=(*(e for e in restored.backup.entries() if e is not entry), other))  # type: ignore[type-var]
        result = compare_content(replace(restored, backup=backup))
    assert result.outcome is Outcome.OK


def test_a_swapped_snapshot_fails(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "update parcel set area = area + 1") as restored:
        result = compare_content(restored)
    assert "as it was" not in told(result)
    assert result.differences[0].expected.startswith("2,000 rows")
    assert result.differences[0].found.startswith("2,000 rows")


def test_without_row_digests_a_difference_fails_or_proves_nothing(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "delete from parcel where id = 3", rows_digest=False) as restored:
        assert compare_content(restored).outcome is Outcome.FAIL
    with damaged(tmp_path / "y.db", MADE, "update parcel set area = 0 where id = 3", rows_digest=False) as restored:
        result = compare_content(restored)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "no digest of rows was taken at the backup" in told(result)


def test_nothing_compared_is_never_a_pass(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", "create table t (a int)", "") as restored:
        empty = compare_content(restored)
        nothing = compare_content(replace(restored, backup=replace(restored.backup, found=())))  # type: ignore[type-var]
    assert (empty.outcome, empty.told) == (
        Outcome.FINDING,
        ("every table was empty at the backup: no row proves anything",),
    )
    assert nothing.outcome is Outcome.INCONCLUSIVE


def test_only_the_chosen_table_is_compared(tmp_path: Path) -> None:
    with damaged(
        tmp_path / "x.db", MADE, "delete from log where false; delete from unit", only=("parcel",)
    ) as restored:
        result = compare_content(restored)
        schema = compare_definitions(restored)
    assert (result.outcome, result.note) == (Outcome.OK, "1 of 1 table")
    assert (schema.outcome, schema.note) == (Outcome.OK, "1 object")


def test_orphans_fail_unless_they_came_with_the_backup(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "delete from unit where code = '00678'") as restored:
        lost = find_orphans(restored.capture, restored.proof, 0, content_is_equal=False)
        before = find_orphans(restored.capture, restored.proof, 0, content_is_equal=True)
    assert (lost.outcome, lost.note) == (Outcome.FAIL, "2,000 orphans")
    assert before.outcome is Outcome.FINDING
    assert before.differences[0].first == "they were so at the backup"


def test_old_text_is_a_warning(tmp_path: Path) -> None:
    made = """create table t (id integer primary key, note text);
    insert into t (note) values ('C«ng hßa x· héi'), ('ngày 00/00/1975'), ('Đức Trọng');"""
    with damaged(tmp_path / "x.db", made, "") as restored:
        compare_content(restored)
        result = restored.traps.result()
    assert result.outcome is Outcome.FINDING
    assert "looks like TCVN3 (ABC) text: t" in result.told
    assert any("dates that are none" in one for one in result.told)
    assert not any("VNI" in one or "NFD" in one for one in result.told)


def test_a_backup_in_memory_is_what_a_backup_is(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "") as restored:
        again = back_up(restored.capture)
    assert list(again.entries()) == list(restored.backup.entries())
    run_sql(tmp_path / "x.db", "delete from parcel where id = 1")


def test_large_objects_are_compared_and_are_no_table(tmp_path: Path) -> None:
    with damaged(tmp_path / "x.db", MADE, "") as restored:
        large = StreamKind.LARGE_OBJECTS.value
        found = (replace(one, kind=large) if one.name == "table/log" else one for one in restored.backup.entries())
        result = compare_content(replace(restored, backup=replace(restored.backup, found=tuple(found))))  # type: ignore[type-var]
    assert (result.outcome, result.note) == (Outcome.OK, "2 of 2 tables, large objects")
    assert result.expected.startswith("2 tables and the large objects with 2,004 rows")
    assert result.found == "2 as at the backup, the large objects too"
