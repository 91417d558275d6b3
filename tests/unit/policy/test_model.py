import pytest

from drorch.errors import Bug
from drorch.policy.model import PostgresqlSource, UnitReference, source_address, source_name_of
from tests.support.policies import POSTGRESQL, policy_of


def of_source(source: str):
    return policy_of(f"name: x\nsource: {source}\nschedule: once\n").source


def test_a_discovered_database_is_a_source_of_its_own():
    promise = policy_of(POSTGRESQL.replace("database: land", "databases: {match: [land_d*]}")).sources()[0]
    assert (promise.address, promise.needs_discovery) == ("land", True)
    found = promise.discovered("land_d678")
    assert (found.address, found.source_name, found.needs_discovery) == ("land/land_d678", "land_d678", False)
    assert isinstance(found.source, PostgresqlSource)
    assert (found.source.database, found.source.databases) == ("land_d678", None)


@pytest.mark.parametrize(
    ("database", "name"),
    [
        ("land_d678", "land_d678"),
        ("Land D1", "%4cand%20%441"),
        ("đất", "%c4%91%e1%ba%a5t"),
        ("a/b", "a%2fb"),
        ("a%b", "a%25b"),
    ],
)
def test_odd_names_of_databases_have_a_plain_form_each(database: str, name: str):
    assert source_name_of(database) == name


def test_only_a_promise_that_discovers_can_discover():
    with pytest.raises(Bug):
        policy_of(POSTGRESQL).sources()[0].discovered("x")


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("{postgresql: {host: db1, database: land, user: u, password: env:P}}", "postgresql://db1/land"),
        ("{postgresql: {host: db1, port: 5433, database: land}}", "postgresql://db1:5433/land"),
        ("{postgresql: {host: db1, port: 5432, database: 'Đất đai'}}", "postgresql://db1/%C4%90%E1%BA%A5t%20%C4%91ai"),
        ("{postgresql: {host: '::1', database: land}}", "postgresql://[::1]/land"),
        ("{postgresql: {host: /run/pg, database: land}}", "postgresql:///land?host=/run/pg"),
        ("{postgresql: {database: land}}", "postgresql:///land"),
        ("{postgresql: {service: s}}", "postgresql:///?service=s"),
        ("{mariadb: {host: db3, port: 3306, database: h}}", "mariadb://db3/h"),
        ("{sqlite: {file: /var/lib/x y.db}}", "sqlite:///var/lib/x%20y.db"),
        ("{files: {paths: [/a, /b]}}", "/a, /b"),
        ("{command: {capture: [gbak], restore: [x], minimum_size: 1B}}", "command:gbak"),
    ],
)
def test_addresses_for_people(source: str, address: str):
    assert source_address(of_source(source)) == address


@pytest.mark.parametrize(
    ("text", "scheme", "code"),
    [
        ("gso2024:068", "gso2024", "068"),
        ("nso2025:68", "nso2025", "68"),
        ("UBND: tỉnh", None, None),
        ("68", None, None),
    ],
)
def test_units_are_scheme_and_code_or_free_text(text: str, scheme: str | None, code: str | None):
    unit = UnitReference(text)
    assert (unit.scheme, unit.code, str(unit)) == (scheme, code, text)
