"""What a schema is remembered by does not change with the data, on a real PostgreSQL and MariaDB, and changes with any definition."""

from __future__ import annotations

from pathlib import Path

from drorch.operations.schema_seen import SchemaTap, SeenSchema
from drorch.sources.interface import DatabaseProof, StreamKind
from drorch.sources.mariadb.proof import MariadbProof
from drorch.sources.postgresql.proof import PostgresqlProof
from tests.support.mariadb import MariadbServer
from tests.support.memory_content import MemoryContent, read_capture
from tests.support.postgresql import Server


def seen(content: MemoryContent, proof: DatabaseProof) -> SeenSchema:
    tap = SchemaTap(proof.definitions)
    for spec in content.specs:
        if spec.kind is StreamKind.SCHEMA:
            list(tap.watch(iter([content.blobs[spec.name]])))
    return tap.seen(content.specs)


def test_postgresql(postgresql_15: Server, private: Path) -> None:
    name = postgresql_15.new_database(
        "create table parcel (id serial primary key, t text); create materialized view v as select 1 as a"
    )

    def look() -> SeenSchema:
        with postgresql_15.source(postgresql_15.location(name), private).capture() as capture:
            return seen(read_capture(capture), PostgresqlProof())

    first = look()
    postgresql_15.run("insert into parcel (t) values ('a'); select lo_create(0); refresh materialized view v", name)
    assert look() == first
    assert first.tables == ("public.parcel",)
    postgresql_15.run("create index parcel_t on parcel (t)", name)
    assert look().digest != first.digest


def test_mariadb(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(prefix="seen")
    mariadb.run(
        "create table parcel (id int auto_increment primary key, t varchar(9))", "create sequence s", database=name
    )

    def look() -> SeenSchema:
        with mariadb.backup_source(name).capture() as capture:
            return seen(read_capture(capture), MariadbProof())

    first = look()
    mariadb.run("insert into parcel (t) values ('a')", "select nextval(s)", database=name)
    assert look() == first
    assert first.tables == ("parcel",)
    mariadb.run("create index parcel_t on parcel (t)", database=name)
    assert look().digest != first.digest
