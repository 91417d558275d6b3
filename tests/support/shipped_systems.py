"""Synthetic systems for the policies that we ship: each engine's server holds what a policy names and what its restore test asks for.

Under the tables that a question names lie the demonstration's own ones: partitions, enums, large objects, text in TCVN3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from drorch.cli.demo.show import script
from drorch.operations.demonstration.accounts import accounts
from drorch.operations.demonstration.births import births_register
from drorch.operations.demonstration.dossiers import dossiers
from drorch.operations.demonstration.island import island_books
from drorch.operations.demonstration.land import land_register_sql
from drorch.operations.demonstration.scans import scans
from drorch.operations.demonstration.signatures import signature_register
from drorch.operations.demonstration.taxes import tax_codes
from drorch.wiring import fill_sqlite, write_tree
from tests.support.installations import ROOT, Installation
from tests.support.mariadb import MariadbServer, mariadb_program
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import psql

POLICIES = ROOT / "policies"
PARCELS = """
create table unit (code text primary key, name text not null);
create table parcel (id bigint generated always as identity primary key, unit text not null references unit, sheet int, parcel_no int,
  updated_at timestamptz not null default now());
insert into unit values ('00678', 'Đức Trọng'), ('00676', 'Lâm Hà');
insert into parcel (unit, sheet, parcel_no) select '00676', i % 50, i from generate_series(1, 1500) i;
insert into parcel (unit, sheet, parcel_no) values ('00678', 45, 123);
"""
CERTIFICATES = """
create table certificate (certificate_no text primary key, parcel_id bigint not null references parcel);
insert into certificate select 'CH' || id, id from parcel where id <= 900;
"""
UNITS = """
create table unit (scheme text, level text, code text, name text, primary key (scheme, code));
insert into unit select 'gso2024', 'commune', lpad(i::text, 5, '0'), 'Xã ' || i from generate_series(1, 10035) i;
insert into unit select 'nso2025', 'commune', lpad(i::text, 5, '0'), 'Xã ' || i from generate_series(1, 3321) i;
insert into unit select 'nso2025', 'province', lpad(i::text, 2, '0'), 'Tỉnh ' || i from generate_series(1, 34) i;
"""
DOSSIERS = """
create table dossier (id bigint generated always as identity primary key, received_at timestamptz not null, subject text);
insert into dossier (received_at, subject) select now() - i * interval '1 minute', 'Hồ sơ ' || i from generate_series(1, 1500) i;
create table http_session (id text primary key, body text);
insert into http_session values ('s1', 'nobody needs it');
"""
PAGES = """
create table page (register text, number int, file text not null, primary key (register, number));
insert into page select 'KS-' || i / 100, i % 100, 'KS/' || i || '.tif' from generate_series(1, 2000) i;
"""
CERTIFICATE_BODIES = (
    "create table certificate (serial text primary key, body text); insert into certificate values ('01', 'MIIB');"
)
PERMITS = """
create table permit (id int primary key auto_increment, place varchar(80) not null, given date);
insert into permit (place, given) values ('Đức Trọng', '2024-05-01'), ('Lâm Hà', '2025-06-02');
"""
DISSOLVED = (
    "create table dossier (id integer primary key, owner text); insert into dossier (owner) values ('Đỗ Thị Bốn');"
)
SQL_ASCII = "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0"


@dataclass(frozen=True, kw_only=True)
class Systems:
    """Fills what the shipped policies name, and puts the policies in place: as they are shipped, with another address."""

    installation: Installation
    postgresql: Server
    mariadb: MariadbServer
    place: Path

    def make(self) -> None:
        """Make all but Firebird's, which has no server."""
        self._on_postgresql()
        self._on_mariadb()
        self._in_files()

    # -- engines

    def _on_postgresql(self) -> None:
        land = "".join(script(land_register_sql(1_000)))
        for policy, sql, options in (
            ("lamdong-land", PARCELS, ""),
            ("ldg-vbdlis", land + PARCELS + CERTIFICATES, ""),
            ("cong-dvc-ldg-cu", "\n".join(dossiers(150)), ""),
            ("igate-motcua-ldg", "\n".join(dossiers(150)) + DOSSIERS, ""),
            ("danhmuc-dvhc-madd", UNITS, ""),
            ("hotich-so-scan-index", PAGES, ""),
            ("kho-dltcn-ldg", "\n".join(dossiers(100)), ""),
            ("mst-qhns-map", "\n".join(tax_codes(200)), SQL_ASCII),
            ("so-chungthuc-cts", "\n".join(signature_register(60)) + CERTIFICATE_BODIES, ""),
        ):
            database = policy.replace("-", "_")
            self._fill(database, sql, options)
            self._ship(policy, self._here, database=database)
        for number in range(1, 11):
            self._fill(f"land_d{number:02}", PARCELS)
        self._fill("land_d01_test", "")
        self._ship("district-land", self._here)
        self._fill("land", PARCELS)
        lines = "\n".join(f"d{number},{self.postgresql.sockets},678" for number in range(3))
        (self.installation.base / "policies/districts.csv").write_text(f"id,host,unit\n{lines}\n", encoding="utf-8")
        self._ship("district-land-remote", lambda source: self._here(source) | {"host": source["host"]})

    def _on_mariadb(self) -> None:
        def at(source: dict[str, Any]) -> dict[str, Any]:
            kept = {key: value for key, value in source.items() if key in ("database", "databases")}
            return kept | {"socket": self.mariadb.socket, "user": "root"}

        for database, sql in (
            ("capphep", PERMITS),
            ("ncc_ductrong", "\n".join(births_register(300))),
            ("bhtro_ductrong", "\n".join(accounts(100))),
        ):
            mariadb_program(self.mariadb, f"create database {database} character set utf8mb4;\nuse {database};\n{sql}")
        self._ship("xaydung-capphep", at)
        self._ship("ldtbxh-ncc-bhtro", at)

    def _in_files(self) -> None:
        file = self.place / "registry.db"
        fill_sqlite(file, [*island_books(100), *((sql, ()) for sql in DISSOLVED.split(";") if sql.strip())])
        self._ship("dackhu-phuquy-spool", lambda source: source | {"file": str(file)})
        for policy, folders in (
            ("document-scans", 2),
            ("hotich-so-scan", 1),
            ("kho-dltcn-ldg-files", 1),
            ("ldg-hsdc-scan", 1),
            ("tuphap-chungthuc", 1),
        ):
            trees = [self.place / f"{policy}-{number}" for number in range(folders)]
            for number, tree in enumerate(trees):
                write_tree(tree, scans(20, seed=45 + number))
            self._ship(policy, lambda source: source, paths=[str(tree) for tree in trees])

    # -- one source

    def _fill(self, database: str, sql: str, options: str = "") -> None:
        self.postgresql.run(f'create database "{database}" {options}')
        if sql:
            psql(self.postgresql, database, sql)

    def _here(self, source: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in source.items() if key != "password"}
        return kept | {"host": self.postgresql.sockets, "port": self.postgresql.port, "user": "postgres"}

    def _ship(self, policy: str, change: Callable[[dict[str, Any]], Mapping[str, Any]], **more: object) -> None:
        yaml = YAML(typ="safe", pure=True)
        text = yaml.load((POLICIES / f"{policy}.yaml").read_text(encoding="utf-8"))
        ((engine, source),) = text["source"].items()
        text["source"] = {engine: {**change(source), **more}}
        with (self.installation.base / "policies" / f"{policy}.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(text, file)


def shipped(names: Iterable[str], installation: Installation) -> None:
    """Put restore tests that we ship in place, with the files of their questions."""
    folder = installation.base / "restore_tests"
    folder.mkdir(exist_ok=True)
    for path in (ROOT / "restore_tests").iterdir():
        if path.stem in names or path.suffix == ".sql":
            (folder / path.name).write_bytes(path.read_bytes())
