"""A named scratch server: a database of its own, dropped with the roles that came with it; what a killed drill left is taken up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.errors import UsageInvalid
from drorch.operations.drills.place import DRILL_CHOICES
from drorch.policy.installation import Sandbox
from drorch.sandbox.interface import SandboxLimits
from drorch.settings import default_settings
from drorch.wiring import Wiring
from tests.support.mariadb import MariadbServer
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.postgresql import Server


@pytest.fixture
def wiring(tmp_path: Path, postgresql_15: Server, mariadb: MariadbServer) -> Iterator[Wiring]:
    def server(name: str, engine: str, host: str, port: int | None, user: str) -> Sandbox:
        return Sandbox(name=name, engine=engine, host=host, port=port, user=user, password=None)

    settings = replace(
        default_settings({"HOME": str(tmp_path)}),
        temporary_directory=tmp_path / "temporary",
        sandboxes={
            "drill-pg": server("drill-pg", "postgresql", postgresql_15.sockets, postgresql_15.port, "postgres"),
            "drill-my": server("drill-my", "mariadb", mariadb.socket, None, "root"),
        },
    )
    with Wiring(settings) as made:
        yield made


def of_drills(server: Server) -> list[str]:
    return [name for (name,) in server.run("select datname from pg_database where datname like 'drorch_drill_%'")]


def test_on_postgresql_a_database_and_its_roles_come_and_go(
    wiring: Wiring, postgresql_15: Server, private: Path
) -> None:
    role = f"owner_{private.parent.name[-6:]}".replace("-", "_")
    name = postgresql_15.new_database(f"create role {role}; create table t (a int); alter table t owner to {role}")
    with postgresql_15.source(postgresql_15.location(name), private).capture() as capture:
        content = read_capture(capture)
    postgresql_15.run(f"drop database {name}")
    postgresql_15.run(f"drop role {role}")
    facts = {**content.facts, "system_identifier": "of another server"}
    with wiring.sandbox(facts, SandboxLimits(), named="drill-pg") as place:
        assert not place.sandbox.isolation.has_no_network
        assert "network not cut" in place.sandbox.description
        place.target.restore(content, DRILL_CHOICES, SilentObserver())
        assert len(of_drills(postgresql_15)) == 1
        assert place.read_back is not None
        with place.read_back.capture() as again:
            assert again.ask("select tableowner from pg_tables where tablename = 't'") == role
    proof = place.sandbox.wipe()
    assert (proof.databases, proof.left) == (1, ())
    assert of_drills(postgresql_15) == []
    assert postgresql_15.run(f"select 1 from pg_roles where rolname = '{role}'") == []


def test_on_mariadb_too(wiring: Wiring, mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)", "insert into t values (1), (2)")
    with mariadb.source(mariadb.location(name)).capture() as capture:
        content = read_capture(capture)
    with wiring.sandbox(content.facts, SandboxLimits(), named="drill-my") as place:
        place.target.restore(content, DRILL_CHOICES, SilentObserver())
        assert len(mariadb.databases("drorch_drill_")) == 1
    assert place.sandbox.wipe().left == ()
    assert mariadb.databases("drorch_drill_") == []


def test_what_a_killed_drill_left_on_the_server_is_dropped_by_the_next_there(
    wiring: Wiring, postgresql_15: Server
) -> None:
    house = wiring.settings.temporary_directory / "drorch-sb-deadbeef"
    house.mkdir(parents=True, mode=0o700)
    wiring.settings.temporary_directory.chmod(0o700)
    (house / "owner.json").write_text(json.dumps({"pid": 2**22 - 1, "started": "never"}))
    roles = [name for (name,) in postgresql_15.run("select rolname from pg_roles")]
    note = {"server": "drill-pg", "database": "drorch_drill_deadbeef", "roles": roles}
    (house / "scratch.json").write_text(json.dumps(note))
    postgresql_15.run("create database drorch_drill_deadbeef")
    postgresql_15.run("create role came_with_the_dead")
    with wiring.sandbox({"engine": "sqlite"}, SandboxLimits()):
        assert house.is_dir()  # only who uses that server can drop what lies there
    with wiring.sandbox({"engine": "postgresql"}, SandboxLimits(), named="drill-pg"):
        assert not house.exists()
        assert of_drills(postgresql_15) == []
        assert postgresql_15.run("select 1 from pg_roles where rolname = 'came_with_the_dead'") == []


def test_what_cannot_be_dropped_is_told(wiring: Wiring, postgresql_15: Server) -> None:
    with wiring.sandbox({"engine": "postgresql"}, SandboxLimits(), named="drill-pg") as place:
        database = place.sandbox.url.partition("?")[0].rpartition("/")[2]
        postgresql_15.run(f"create database {database}")
        postgresql_15.run(f"alter database {database} is_template true")
    try:
        assert place.sandbox.wipe().left == (f"database {database} on drill-pg",)
    finally:
        postgresql_15.run(f"alter database {database} is_template false")
        postgresql_15.run(f"drop database {database}")


@pytest.mark.parametrize("named", ["nobody", "drill-my"])
def test_a_server_that_is_not_there_or_of_another_engine_is_refused(wiring: Wiring, named: str) -> None:
    with (
        pytest.raises(UsageInvalid, match="no server"),
        wiring.sandbox({"engine": "postgresql"}, SandboxLimits(), named=named),
    ):
        pass
