"""PostgreSQL out and in again, on real servers; judged by pg_dump and COPY, not by drorch."""

from __future__ import annotations

import subprocess
import sys
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

COMPARE = Path(__file__).parents[2] / "tools" / "compare.py"
# What is switched off by right: the subscription has no slot here, the user mapping no password.
SWITCHED_OFF = ("--ignore", "SUBSCRIPTION", "--ignore", "USER MAPPING")


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


def test_the_independent_comparer_finds_it_equal(postgresql_15: Server, zoos: dict[int, str], private: Path) -> None:
    name = make_zoo(postgresql_15)
    content = captured(postgresql_15, name, private)
    postgresql_15.target(postgresql_15.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    urls = [
        f"postgresql://postgres@/{database}?host={postgresql_15.sockets}&port={postgresql_15.port}"
        for database in (name, f"{name}_back")
    ]
    argv = [
        sys.executable,
        "-I",
        str(COMPARE),
        "postgresql",
        *urls,
        "--programs",
        str(postgresql_15.programs),
        *SWITCHED_OFF,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("equal: ")
