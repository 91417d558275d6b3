"""Every sandbox: empty when given, usable, cut off, and gone at the end with proof."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from drorch.operations.drills.place import DrillPlace
from drorch.sandbox.interface import SandboxLimits
from drorch.sandbox.occupants import occupants
from drorch.settings import default_settings
from drorch.sources.interface import Json
from drorch.wiring import Wiring

FACTS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {"engine": "postgresql", "server_version": "15.3"},
    "postgresql-18": {"engine": "postgresql", "server_version": "18.0"},
    "mariadb": {"engine": "mariadb", "server_version": "10.6.1-MariaDB"},
    "sqlite": {"engine": "sqlite"},
    "files": {"engine": "files"},
    "command": {"engine": "command"},
}


@pytest.fixture
def wiring(tmp_path: Path) -> Wiring:
    settings = default_settings({"HOME": str(tmp_path)})
    return Wiring(settings)


def house_of(place: DrillPlace) -> Path:
    """Return the sandbox's own directory, which its address tells."""
    address = place.sandbox.url
    start = address.index("/", address.index("/drorch-sb-"))
    end = address.index("/", start + 1)
    for opening in ("host=", "socket=", "sqlite://", "files://", "file:"):
        if opening in address:
            return Path(address[address.index(opening) + len(opening) : end])
    raise AssertionError(address)


@pytest.mark.parametrize("engine", FACTS)
def test_it_is_given_empty_and_leaves_nothing(wiring: Wiring, engine: str) -> None:
    with wiring, wiring.sandbox(FACTS[engine], SandboxLimits()) as place:
        house = house_of(place)
        assert house.is_dir()
        assert place.sandbox.lacks == ()
        assert not place.sandbox.is_out_of_time
    proof = place.sandbox.wipe()
    assert proof.is_clean
    assert proof.files > 0
    assert proof.processes == (1 if engine.startswith(("postgresql", "mariadb")) else 0)
    assert not house.exists()
    assert list(occupants(house)) == []


def files_elsewhere(pid: int, house: Path) -> list[str]:
    """Return the files for temporary use that a process has open, deleted ones too, outside a sandbox: a killed server's would stay."""
    opened = [str(number.readlink()) for number in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in opened if name.startswith(("/tmp/", "/var/tmp/")) and not name.startswith(f"{house}/")]


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_server_has_no_network_at_all(wiring: Wiring, engine: str) -> None:
    with wiring, wiring.sandbox(FACTS[engine], SandboxLimits()) as place:
        assert place.sandbox.isolation.has_no_network
        assert "no network" in place.sandbox.description
        looked_at = 0
        for pid in occupants(house_of(place)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a server's own processes come and go
                devices = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
                maps = Path(f"/proc/{pid}/maps").read_text()
                assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
                assert [line.split(":")[0].strip() for line in devices] == ["lo"]
                assert Path(f"/proc/{pid}").stat().st_uid != 0
                assert "/dev/shm/" not in maps, "what is killed would leave it there"
                assert files_elsewhere(pid, house_of(place)) == []
                looked_at += 1
        assert looked_at


def test_a_server_that_is_too_old_is_said_to_lack(wiring: Wiring) -> None:
    facts: dict[str, Json] = {
        "engine": "postgresql",
        "server_version": "99.1",
        "extensions": [{"name": "no_such_thing"}],
    }
    with wiring, wiring.sandbox(facts, SandboxLimits()) as place:
        assert any("PostgreSQL 99 or newer" in one for one in place.sandbox.lacks)
        assert any("no_such_thing" in one for one in place.sandbox.lacks)


def test_time_ends_it(wiring: Wiring) -> None:
    with wiring, wiring.sandbox(FACTS["postgresql"], SandboxLimits(seconds=0.01)) as place:
        house = house_of(place)
        for _ in range(600):
            if not list(occupants(house)):
                break
            wiring.clock.sleep(0.05)
        assert place.sandbox.is_out_of_time
    assert place.sandbox.wipe().is_clean


OPEN_AND_DIE = """
import sys
from drorch.sandbox.interface import SandboxLimits
from drorch.settings import default_settings
from drorch.sources.interface import Json
from drorch.wiring import Wiring
with Wiring(default_settings({"HOME": sys.argv[1]})) as wiring, wiring.sandbox({"engine": sys.argv[2]}, SandboxLimits()) as place:
    print(place.sandbox.url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("engine", ["postgresql", "sqlite"])
def test_what_a_killed_drill_left_is_removed_by_the_next_and_only_that(
    wiring: Wiring, tmp_path: Path, engine: str
) -> None:
    dead, living = (
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_DIE, str(tmp_path), engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    )
    with dead, living:
        houses = []
        for child in (dead, living):
            assert child.stdout is not None
            url = child.stdout.readline().decode().strip()
            opening = "host=" if "host=" in url else "sqlite://"
            houses.append(Path(url[url.index(opening) + len(opening) :]).parent)
        dead.kill()
        dead.wait()
        with wiring, wiring.sandbox({"engine": "sqlite"}, SandboxLimits()):
            pass
        left = [house if "drorch-sb-" in house.name else house.parent for house in houses]
        assert not left[0].exists()
        assert list(occupants(left[0])) == []
        assert left[1].is_dir()
        living.send_signal(signal.SIGKILL)
    with wiring, wiring.sandbox({"engine": "sqlite"}, SandboxLimits()):
        assert not left[1].exists()
