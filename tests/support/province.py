"""Many tiny databases on two real servers, and an installation whose one policy names all of them by a list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.installations import Custodian, Installation, new_installation
from tests.support.postgresql import BACKUP_PASSWORD, Server, running_server

ACCOUNT = "province_backup"
_TEMPLATE = """
create table unit (code text primary key, name text not null);
create table parcel (id int primary key, unit text not null references unit, area numeric(12,1), note text);
create table nothing (a int);
insert into unit values ('00678', 'Đức Trọng');
insert into parcel select i, '00678', i * 1.5, 'thửa ' || i from generate_series(1, 50) i;
"""
_POLICY = """\
name: district-land
for_each: districts.csv
source:
  postgresql:
    host: 127.0.0.1
    port: "{port}"
    database: "{database}"
    user: province_backup
    password: file:secrets/districts
    tls_authority: "{authority}"
schedule: "30 1 * * *"
"""


@dataclass(frozen=True, kw_only=True)
class Province:
    """``west`` stays, ``east`` can be stopped and started; each has half of the districts."""

    installation: Installation
    west: Server
    east: Server
    names: tuple[str, ...]  # of the sources, west's first

    @property
    def half(self) -> int:
        return len(self.names) // 2


def make_districts(server: Server, names: tuple[str, ...]) -> None:
    """Make a database for each name, alike but for one row that names it, which one account may read."""
    server.run(f"create role {ACCOUNT} login password '{BACKUP_PASSWORD}'; grant pg_read_all_data to {ACCOUNT}")
    server.run("create database district_template")
    server.run(_TEMPLATE, "district_template")
    server.run("alter database district_template is_template true")
    for name in names:
        server.run(f'create database "land_{name}" template district_template')


@contextmanager
def province(base: Path, custodian: Custodian, *, districts: int) -> Iterator[Province]:
    """Yield so many districts on two servers, half on each; nothing is backed up yet."""
    names = tuple(f"d{number:03d}" for number in range(districts))
    half = districts // 2
    with running_server(15) as west, running_server(15) as east:
        make_districts(west, names[:half])
        make_districts(east, names[half:])
        installation = new_installation(base, custodian, "disk=disk")
        installation.secret("districts", BACKUP_PASSWORD)
        lines = [
            f"{name},{server.port},land_{name},{server.authority}\n"
            for server, part in ((west, names[:half]), (east, names[half:]))
            for name in part
        ]
        (base / "policies/districts.csv").write_text("id,port,database,authority\n" + "".join(lines))
        installation.policy("district-land", _POLICY)
        yield Province(installation=installation, west=west, east=east, names=names)
