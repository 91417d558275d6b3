"""Every restore test that we ship, as it is shipped, on a real engine with a synthetic system behind its policy; those of engines that we have not are named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.test_command import CANARY, ledger_policy
from tests.support.firebird import Firebird
from tests.support.installations import BARE, ROOT, Answer, Custodian, Installation, new_installation
from tests.support.mariadb import MariadbServer
from tests.support.postgresql import running_server
from tests.support.shipped_systems import Systems, shipped

SHIPPED = {path.stem for path in (ROOT / "restore_tests").glob("*.yaml")}
NO_SERVER = {
    "bth-elis": "SQL Server",
    "hotich-legacy-huyen-ductrong": "SQL Server",
    "ldg-vilis2-lis": "SQL Server",
    "ldg-vilis2-sde": "SQL Server",
    "dno-ilis": "Oracle",
    "ioffice-ubnd-huyen": "Oracle",
}  # neither may be installed where this is built: `restore_tests/` says in each file that nobody tried it
DRILLED = sorted(SHIPPED - NO_SERVER.keys())
SOURCES = {"district-land-sample": 5, "district-land-remote-sample": 3, "ldtbxh-ncc-bhtro-sample": 2}
PASSED = {"pass", "pass_with_findings"}


@dataclass(frozen=True, kw_only=True)
class Province:
    """One installation with all systems, backed up."""

    installation: Installation
    shares: tuple[str, ...]
    place: Path

    def drorch(self, *words: str) -> Answer:
        return self.installation.drorch(*words, env=BARE | {"LOCKS": str(self.place)})


@pytest.fixture(scope="module")
def province(
    custodian: Custodian, mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Province]:
    place = tmp_path_factory.mktemp("province")
    made = new_installation(place / "etc", custodian, "disk=disk", "vault=vault")
    with running_server(15) as postgresql:
        Systems(installation=made, postgresql=postgresql, mariadb=mariadb, place=place).make()
        Firebird(folder=place).make(place / "kttc.fdb")
        made.policy("tckh-kttc-huyen", ledger_policy(place / "kttc.fdb"))
        made.secret("kttc.user", "SYSDBA\n")
        made.secret("kttc.password", CANARY)
        shipped(DRILLED, made)
        words = ("keys", "split", *custodian.opens, "--threshold", "2", "--shares", "3", "--directory", str(place))
        made.drorch(*words)
        shares = tuple(word for path in sorted(place.glob("*.txt"))[:2] for word in ("--share", str(path)))
        found = Province(installation=made, shares=shares, place=place)
        (before,) = found.drorch("backup", "ldg-vbdlis", "--json").json()["snapshots"]
        found.drorch("pin", before["snapshot"], "--reason", "before the cut-over")
        found.drorch("backup", *sorted(path.stem for path in (made.base / "policies").glob("*.yaml")))
        yield found


def test_what_is_not_drilled_says_so_in_its_file() -> None:
    told = {
        path.stem for path in (ROOT / "restore_tests").glob("*.yaml") if "Not tested by us" in path.read_text("utf-8")
    }
    assert told == NO_SERVER.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", DRILLED)
def test_a_shipped_restore_test_passes(province: Province, name: str) -> None:
    key = province.shares if name == "hotich-custodians" else province.installation.custodian.opens
    drilled = province.drorch("drill", "run", name, *key, "--no-paper", "--json").json()["drills"]
    assert len(drilled) == SOURCES.get(name, 1)
    for one in drilled:
        assert one["verdict"] in PASSED, one["summary"]
        assert {check["outcome"] for check in one["report"]["checks"]} <= {"ok", "finding"}
