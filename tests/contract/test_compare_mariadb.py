"""The independent comparer must see every change that matters in MariaDB, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.mariadb import MariadbServer
from tests.support.mariadb_zoo import build

MUTATIONS = {
    "a cell": ("update parcel set note = 'x' where id = 5", "rows of parcel"),
    "a row less": ("delete from no_key limit 1", "rows of no_key"),
    "the case of a letter": ("update unit set name = upper(name) where code = '00678'", "rows of unit"),
    "a bit of a float": ("update floats set f = f * 1.0000002 where f > 1 limit 1", "rows of floats"),
    "null for nothing": ("update bytes set vb = null where id = 2", "rows of bytes"),
    "an ENUM's empty member": ("update types set e = 0 + 1 where id = 3", "of types"),
    "history": ("delete history from owner before system_time now() + interval 1 day", "rows of owner"),
    "a column": ("alter table nothing add b int", "column nothing.b"),
    "a comment": ("alter table nothing comment 'another'", "nothing"),
    "an index": ("create index extra on unit (name)", "index unit extra"),
    "a foreign key": ("alter table ring_two drop foreign key ring_two_ibfk_1", "foreign key ring_two"),
    "the next number": ("alter table floats auto_increment = 5000", "properties of floats"),
    "an engine": ("alter table nothing engine = Aria", "properties of nothing"),
    "a sequence": ("select nextval(down)", "sequence down"),
    "a view": ("create or replace view by_unit as select name, 0 as parcels from unit", "view by_unit"),
    "a definer": ("create or replace definer = nobody@localhost view z_view as select * from unit", "view z_view"),
    "a trigger": ("drop trigger unit_out", "trigger unit_out"),
    "a routine's mode": (
        "create or replace procedure old_routine() sql security invoker select 'x'",
        "procedure old_routine",
    ),
    "an event": ("alter event nightly disable", "event nightly"),
    "a right": ("grant delete on `{name}`.no_key to comparer@'%'", "rights of comparer@% on no_key"),
    "the character set": ("alter database `{name}` character set latin1", "setting charset"),
    "a table": ("drop table in_parts", "table in_parts"),
}


@pytest.fixture(scope="module")
def pair(mariadb: MariadbServer) -> tuple[str, str]:
    names = []
    for _ in range(2):
        name = mariadb.new_database(prefix="same")
        script = build(name)
        mariadb.run("set timestamp = 1790000000", *script, database=name)  # two histories alike
        names.append(name)
    mariadb.run("create user if not exists comparer@'%' identified by 'x'")
    return names[0], names[1]


def test_two_alike_are_equal_and_every_mutation_is_seen_and_named(
    mariadb: MariadbServer, pair: tuple[str, str]
) -> None:
    """One after the other, in one pair: each must be named on top of those before it."""
    assert mariadb.compare(*pair).startswith("equal: 17 tables")
    _, second = pair
    for what, (statement, _) in MUTATIONS.items():
        mariadb.run(f"{statement.format(name=second)} /* {what} */", database=second)
    told = mariadb.compare(*pair, show=200)
    assert told.startswith("different")
    assert [what for what, (_, label) in MUTATIONS.items() if label not in told] == []


def test_trouble_is_no_verdict(mariadb: MariadbServer, pair: tuple[str, str]) -> None:
    assert mariadb.compare(pair[0], "nothing_of_the_kind").startswith("trouble: mariadb failed")
