"""Addresses that people type: taken apart, refused, shown without their password."""

from __future__ import annotations

import pytest

from drorch.errors import UsageInvalid
from drorch.policy.url import split_url, without_login


def test_an_address_is_taken_apart() -> None:
    parts = split_url("postgresql://me@[2001:db8::1]:5433/land")
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("me", "2001:db8::1", 5433, "/land")


@pytest.mark.parametrize(
    "url", ["s3://[::1", "x://me:canary@[abc]/x", "x://me:canary@h\u2100/x", "x://me:canary@h/a%00"]
)
def test_what_cannot_be_taken_apart_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageInvalid) as refused:
        split_url(url)
    told = refused.value
    assert "canary" not in f"{told.message} {told.expected} {told.found} {told.hint}"


def test_a_password_is_not_shown() -> None:
    assert without_login("https://me:can@ry@host/x") == "...@host/x"
    assert without_login("https://host/x") == "https://host/x"
