"""PostgreSQL out and in again, on real servers; judged by pg_dump and COPY, not by drorch."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.sources.interface import RestoreChoices
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import (
    MAPPING_PASSWORD,
    SUBSCRIPTION_PASSWORD,
    assert_same_contents,
    make_zoo,
    schema_difference,
)


def captured(server: Server, name: str, private: Path, **options: object) -> MemoryContent:
    with server.source(server.location(name), private, **options).capture() as capture:
        return read_capture(capture)


@pytest.fixture(scope="session")
def zoos() -> dict[int, str]:
    return {}


@pytest.fixture
def zoo(server: Server, zoos: dict[int, str]) -> str:
    if server.major not in zoos:
        zoos[server.major] = make_zoo(server)
    return zoos[server.major]


def test_one_of_everything_comes_back_equal(server: Server, zoo: str, private: Path) -> None:
    content = captured(server, zoo, private)
    outcome = server.target(server.location(f"{zoo}_back")).restore(content, RestoreChoices(), SilentObserver())
    assert schema_difference(server, zoo, f"{zoo}_back") == ""
    assert_same_contents(server, zoo, f"{zoo}_back")
    told = "\n".join(outcome.by_hand)
    assert "sub" in told
    assert "far" in told
    every_byte = b"".join(content.blobs.values()) + repr(content.facts).encode()
    assert MAPPING_PASSWORD.encode() not in every_byte
    assert SUBSCRIPTION_PASSWORD.encode() not in every_byte
