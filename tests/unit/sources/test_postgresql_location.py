"""Addresses: what they mean, what they show, what they refuse."""

from __future__ import annotations

import pytest

from drorch.errors import UsageInvalid
from drorch.sources.postgresql.location import PostgresqlLocation, connection_string, parse_location


def words(location: PostgresqlLocation) -> dict[str, str]:
    return location.keywords(application="drorch test", connect_timeout_seconds=10)


def test_tcp_is_verified_unless_somebody_decides() -> None:
    location = parse_location("postgresql://me@db1.example:5433/land")
    assert (location.host, location.port, location.user, location.database) == ("db1.example", 5433, "me", "land")
    assert words(location)["sslmode"] == "verify-full"
    assert location.address == "postgresql://db1.example:5433/land"
    assert words(parse_location("postgresql://h/d?sslmode=disable"))["sslmode"] == "disable"


def test_a_socket_needs_no_tls() -> None:
    location = parse_location("postgresql://me@/land?host=/run/postgresql&port=5433")
    assert location.is_local
    assert "sslmode" not in words(location)
    assert location.address == "postgresql:///land?host=/run/postgresql"


def test_a_socket_that_is_named_is_not_exchanged_for_an_address_of_the_environment() -> None:
    assert words(parse_location("postgresql:///land?host=/run/postgresql"))["hostaddr"] == ""
    assert "hostaddr" not in words(parse_location("postgresql:///land")), "who names nothing leaves it to libpq"
    assert "hostaddr" not in words(parse_location("postgresql://db1.example/land"))


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@h/d", "postgresql://h/d?password=s3cret", "postgresql://me:@h/d"]
)
def test_a_password_in_the_address_is_refused(url: str) -> None:
    with pytest.raises(UsageInvalid) as caught:
        parse_location(url)
    assert "s3cret" not in str(caught.value) + caught.value.found + caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/d",
        "postgresql://h:99999/d",
        "postgresql://h/d?sslmode=prefer",
        "postgresql://h/d?options=-c",
        "postgresql://h/d?nonsense=1",
        "postgresql://[::1/d",
        "postgresql://h\u2100/d",
        "postgresql://h/d%00x",
    ],
)
def test_what_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(UsageInvalid):
        parse_location(url)


def test_a_password_is_in_no_text_of_the_location() -> None:
    location = PostgresqlLocation(host="h", database="d", password=lambda: "s3cret")
    assert "s3cret" not in repr(location) + location.address + str(words(location))


def test_values_of_a_connection_string_are_quoted() -> None:
    assert connection_string({"user": "o'brien \\ x"}) == "user='o\\'brien \\\\ x'"


def test_percent_signs_and_service_files() -> None:
    assert parse_location("postgresql:///%C4%91%E1%BA%A5t?host=/x").database == "đất"
    location = parse_location("postgresql:///?service=land&dbname=x")
    assert words(location)["service"] == "land"
    assert "service=land" in location.address
