"""Which scratch servers are refused because somebody works with them."""

from __future__ import annotations

import pytest

from drorch.errors import UsageInvalid
from drorch.operations.drills.production import require_no_production
from drorch.policy.installation import Sandbox
from tests.support.policies import load


def policies(where: str, engine: str = "postgresql") -> tuple[object, ...]:
    text = (
        f'name: land\nsource:\n  {engine}: {{{where}, database: land, user: drorch_backup}}\nschedule: "30 1 * * *"\n'
    )
    return load(text).require()


def scratch(host: str, port: int | None = None, engine: str = "postgresql") -> Sandbox:
    return Sandbox(name="drill-pg", engine=engine, host=host, port=port, user=None, password=None)


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("host: db1.example", "db1.example", None),
        ("host: db1.example", "DB1.example.", 5432),
        ("host: db1.example, port: 5433", "db1.example", 5433),
        ("host: localhost", "127.0.0.1", None),
        ("host: /run/postgresql", "localhost", None),
        ("host: /run/postgresql", "/run/postgresql/", None),
    ],
)
def test_the_server_of_a_policy_is_no_scratch_server(where: str, host: str, port: int | None) -> None:
    with pytest.raises(UsageInvalid, match="is no scratch server: land is backed up from it"):
        require_no_production(scratch(host, port), policies(where))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("host: db1.example", "drill1.example", None),
        ("host: db1.example", "db1.example", 5433),
        ("host: /run/postgresql", "/run/drills", None),
        ("host: localhost", "/run/drills", 5433),
    ],
)
def test_another_server_is_one(where: str, host: str, port: int | None) -> None:
    require_no_production(scratch(host, port), policies(where))  # type: ignore[arg-type]


def test_servers_of_other_engines_are_not_compared() -> None:
    require_no_production(scratch("db1.example"), policies("host: db1.example", "mariadb"))  # type: ignore[arg-type]
    with pytest.raises(UsageInvalid):
        require_no_production(
            scratch("/run/mysqld/mysqld.sock", engine="mariadb"),
            policies("socket: /run/mysqld/mysqld.sock", "mariadb"),  # type: ignore[arg-type]
        )
