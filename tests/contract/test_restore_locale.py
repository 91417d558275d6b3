"""Encoding, locale, collations and versions that are not like the source's: refused, accepted by a decision, or told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Finding, Level, RestoreChoices, RestoreOutcome
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import assert_same_contents

WORDS = "create table t (a text primary key); insert into t values ('ă'), ('b'), ('a'), ('đ'), ('Đ'), ('z')"
ICU = "template template0 locale_provider icu icu_locale 'vi' locale 'C.UTF-8'"
ORDER = "select string_agg(a, '' order by a) from t"


def take(server: Server, name: str, private: Path) -> MemoryContent:
    with server.source(server.location(name), private).capture() as capture:
        return read_capture(capture)


def restore(server: Server, name: str, content: MemoryContent, **choices: Any) -> RestoreOutcome:
    return server.target(server.location(name)).restore(content, RestoreChoices(**choices), SilentObserver())


def findings(server: Server, name: str, content: MemoryContent, **choices: Any) -> list[Finding]:
    return list(server.target(server.location(name)).preflight(content, RestoreChoices(**choices)))


def texts(found: list[Finding], level: Level) -> str:
    return "\n".join(f"{finding.text} | {finding.remedy}" for finding in found if finding.level is level)


def test_a_server_without_icu_needs_another_locale(postgresql_15: Server, postgresql_18: Server, private: Path) -> None:
    name = postgresql_15.new_database(WORDS, options=ICU, prefix="icu")
    content = take(postgresql_15, name, private)
    assert postgresql_15.run(ORDER, name) == [("aăbđĐz",)]
    stop = texts(findings(postgresql_18, name, content), Level.STOP)
    assert stop == "the server cannot have ICU locale vi for a whole database | --locale NAME"
    with pytest.raises(errors.DecisionNeeded):
        restore(postgresql_18, name, content)
    note = texts(findings(postgresql_18, name, content, locale="C.UTF-8"), Level.NOTE)
    assert "locale C.UTF-8 instead of C.UTF-8, as asked" in note
    restore(postgresql_18, name, content, locale="C.UTF-8")
    assert postgresql_18.run(ORDER, name) == [("abzăĐđ",)]  # as the decision was
    assert_same_contents(postgresql_15, name, name, other_server=postgresql_18)


def test_a_locale_that_is_asked_for_must_be_there(postgresql_15: Server, private: Path) -> None:
    name = postgresql_15.new_database(WORDS, prefix="locale")
    content = take(postgresql_15, name, private)
    found = texts(findings(postgresql_15, f"{name}_back", content, locale="vn_VI"), Level.STOP)
    assert "no locale vn_VI, which --locale asks for" in found


def test_another_version_of_a_collation_is_told(postgresql_15: Server, private: Path) -> None:
    sql = WORDS + '; create table u (a text collate "vi-x-icu"); create index on u (a)'
    name = postgresql_15.new_database(sql, options=ICU, prefix="versions")
    content = take(postgresql_15, name, private)
    assert "built anew" not in texts(findings(postgresql_15, f"{name}_back", content), Level.NOTE)
    collations: Any = content.facts["collations"]
    assert [one["name"] for one in collations] == ["pg_catalog.vi-x-icu"]
    content.facts = {
        **content.facts,
        "collation_version": "1.2.3",
        "collations": [{**one, "version": "4.5.6"} for one in collations],
    }
    note = texts(findings(postgresql_15, f"{name}_back", content), Level.NOTE)
    assert "the source sorted by version 1.2.3 of its locale, this server has" in note
    assert (
        "another version of the collations pg_catalog.vi-x-icu than the source's; indexes are built anew here" in note
    )
    restore(postgresql_15, f"{name}_back", content)
    assert postgresql_15.run("select count(*) from pg_index where not indisvalid", f"{name}_back") == [(0,)]


def test_an_encoding_is_never_converted(postgresql_15: Server, private: Path) -> None:
    name = postgresql_15.new_database(
        "create table t (a text)", options="template template0 encoding 'LATIN1' locale 'C'", prefix="latin"
    )
    content = take(postgresql_15, name, private)
    postgresql_15.run(f"create database {name}_utf8 template template0 encoding 'UTF8'")
    stop = texts(findings(postgresql_15, f"{name}_utf8", content), Level.STOP)
    assert stop == "the database has encoding UTF8, the source LATIN1 | restore under a name that does not exist yet"


def test_an_older_server_is_a_decision(postgresql_15: Server, postgresql_18: Server, private: Path) -> None:
    sql = """create table t (id int generated always as identity primary key, v text not null, d double precision);
    insert into t (v, d) select 'x' || g, g / 3.0 from generate_series(1, 100) g; create index on t (v);
    create view w as select v from t; create function f() returns int language sql as 'select 1';"""
    name = postgresql_18.new_database(sql, prefix="newer")
    content = take(postgresql_18, name, private)
    stop = texts(findings(postgresql_15, name, content), Level.STOP)
    assert stop.endswith("older than the source | --allow-older")
    with pytest.raises(errors.DecisionNeeded):
        restore(postgresql_15, name, content)
    restore(postgresql_15, name, content, allow_older=True)
    assert_same_contents(postgresql_18, name, name, other_server=postgresql_15)


def test_a_setting_of_the_database_that_a_newer_server_dropped_is_told(
    postgresql_15: Server, postgresql_18: Server, private: Path
) -> None:
    name = postgresql_15.new_database("create table t (a int)", prefix="setting")
    postgresql_15.run(f"alter database {name} set force_parallel_mode = on; alter database {name} set work_mem = '7MB'")
    content = take(postgresql_15, name, private)  # 16 calls it debug_parallel_query
    outcome = restore(postgresql_18, name, content)
    assert outcome.by_hand == ("setting force_parallel_mode of the database was refused (42704): ALTER DATABASE",)
    assert postgresql_18.run("show work_mem", name) == [("7MB",)]
