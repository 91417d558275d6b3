"""Measure a restore drill beside pg_restore of the same database, both into the same kind of throw-away server, and many small drills.

    .venv/bin/python -m benchmarks.drills                    # 1.24 GB, 2 rounds
    .venv/bin/python -m benchmarks.drills --scale 0.25
    .venv/bin/python -m benchmarks.drills --small 50

Times are wall and processor seconds of everything that was started, the servers included; a busy machine spoils only the first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.measure import Measured, timed
from drorch.sandbox.interface import SandboxLimits
from drorch.sandbox.postgresql import throw_away_postgresql
from drorch.settings import default_settings
from drorch.wiring import Wiring
from tests.support.installations import (
    COMMAND,
    PASSPHRASE,
    ROOT_PASSPHRASE,
    Custodian,
    Installation,
    new_installation,
    run,
)

SCRIPT = Path(__file__).with_name("land-register.sql")
ROWS = 4_000_000
SMALL = """create table unit (code text primary key, name text not null);
create table parcel (id int primary key, unit text not null references unit, area numeric(12, 2), updated timestamptz default now());
insert into unit select 'u' || i, 'Đơn vị ' || i from generate_series(1, 20) i;
insert into parcel select i, 'u' || (i % 20 + 1), i / 3.0 from generate_series(1, 5000) i;
create index parcel_unit on parcel (unit);"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is 4 million parcels, 1.24 GB")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--small", type=int, default=0, metavar="COUNT", help="instead: so many small databases")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peer is not None:
        return restore_by_peer(chosen.peer)
    with tempfile.TemporaryDirectory(prefix="drorch-bench-", dir="/var/tmp") as place:
        here = Path(place)
        here.chmod(0o711)
        if chosen.small:
            small(here, chosen.small)
        else:
            large(here, chosen.scale, chosen.rounds)
    return 0


def restore_by_peer(dump: Path) -> int:
    """Run pg_restore into a sandbox: the server is our child, so its time is counted with ours."""
    with (
        Wiring(default_settings(ENVIRONMENT)) as wiring,
        wiring.sandbox({"engine": "postgresql"}, SandboxLimits()) as place,
    ):
        where = parse_qs(urlsplit(place.sandbox.url).query)
        login = ["-h", where["host"][0], "-p", where["port"][0], "-U", "postgres"]
        subprocess.run(["createdb", *login, "-T", "template0", "drill"], check=True)
        subprocess.run(["pg_restore", *login, "-j", "2", "-d", "drill", str(dump)], check=True)
    return 0


def large(here: Path, scale: float, rounds: int) -> None:
    """Measure one database."""
    installation = installed(here)
    with throw_away_postgresql(here) as server:
        server.execute("postgres", ["create database land;"])
        server.execute("land", [SCRIPT.read_text(encoding="utf-8").replace(f"1,{ROWS}", f"1,{int(ROWS * scale)}")])
        lines = f"host: {server.directory}\n    port: {server.port}\n    database: land\n    user: postgres"
        installation.policy("land", f'name: land\nsource:\n  postgresql:\n    {lines}\nschedule: "30 1 * * *"\n')
        patiently(installation.command("backup", "land"))
        dump = here / "land.dump"
        with dump.open("wb") as file:
            words = [
                str(server.programs / "pg_dump"),
                "-Fc",
                "-Z0",
                "-h",
                str(server.directory),
                "-U",
                "postgres",
                "land",
            ]
            subprocess.run(words, stdout=file, check=True)
    drills, peers, shares = [], [], []
    for _ in range(rounds):
        peers.append(timed([sys.executable, "-m", "benchmarks.drills", "--peer", dump], dict(os.environ)))
        drills.append(timed(drill(installation, "land"), ENVIRONMENT))
        shares.append(share_of_content(installation))
        tell("pg_restore -j 2", peers[-1:])
        tell("drill run", drills[-1:])
    wall, cpu = (
        median(getattr(one, name) for one in drills) / median(getattr(one, name) for one in peers)
        for name in ("wall_seconds", "cpu_seconds")
    )
    print(f"drill to pg_restore: {wall:.2f} of the wall time, {cpu:.2f} of the processor time; wanted: at most 2.5")
    print(f"comparing content adds {median(shares):.0%} to the restore's wall time; wanted: at most 75 %, aim 50 %")


def small(here: Path, count: int) -> None:
    """Measure many small databases of one server, drilled by one command: a few, then all, by width."""
    installation = installed(here)
    with throw_away_postgresql(here) as server:
        for number in range(count):
            server.execute("postgres", [f"create database land_d{number:03};"])
            server.execute(f"land_d{number:03}", [SMALL])
        lines = f'host: {server.directory}\n    user: postgres\n    databases: {{match: ["land_d*"]}}'
        installation.policy("land", f'name: land\nsource:\n  postgresql:\n    {lines}\nschedule: "30 1 * * *"\n')
        patiently(installation.command("backup", "land"))
    tests = installation.base / "restore_tests"
    tests.mkdir(exist_ok=True)
    samples = sorted({min(6, count), count})
    for sample in samples:
        text = f"name: sample-{sample}\npolicy: land\nsample: {{count: {sample}, stratify: [size]}}\n"
        (tests / f"sample-{sample}.yaml").write_text(text)
    for width in (os.cpu_count() or 1, 1):
        for sample in samples:
            words = [*drill(installation, f"sample-{sample}"), "--no-paper", "--at-once", str(width)]
            tell(f"{sample} drills, {width} at once", [timed(words, ENVIRONMENT)])


def patiently(command: Sequence[str | Path]) -> None:
    """Run what is not measured to its end, however loaded the machine is."""
    subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)


def installed(here: Path) -> Installation:
    """Return an installation with one directory as its store."""
    custodian = Custodian(directory=here / "custodian")
    custodian.directory.mkdir()
    custodian.passphrase.write_text(f"{PASSPHRASE}\n")
    (custodian.directory / "root-passphrase").write_text(f"{ROOT_PASSPHRASE}\n")
    words = ["keys", "generate", "custodian", "--directory", str(custodian.directory)]
    run([*COMMAND, *words, "--passphrase-file", str(custodian.passphrase)])
    return new_installation(here / "etc", custodian, "disk=disk")


def drill(installation: Installation, name: str) -> list[str | Path]:
    """Return the command that drills a source."""
    return [*installation.command("drill", "run", name, *installation.custodian.opens, "--quiet")]


def share_of_content(installation: Installation) -> float:
    """Return what comparing the content took of the last drill, as a share of its restore."""
    listed = installation.drorch("drill", "list", "--json").json()
    newest = listed["drills"][0]["drill"]
    report = installation.drorch("drill", "show", newest, "--json").json()
    checks = {one["check"]: one["duration_ms"] for one in find_checks(report)}
    return float(checks["content"]) / float(checks["restore"])


def find_checks(document: Any) -> list[dict[str, Any]]:
    """Return the checks of a report, wherever in the answer it lies."""
    if isinstance(document, dict):
        if isinstance(document.get("checks"), list):
            return list(document["checks"])
        return next((found for one in document.values() if (found := find_checks(one))), [])
    return []


def tell(name: str, measured: list[Measured]) -> None:
    """Print the medians of one row."""
    wall, cpu = median(one.wall_seconds for one in measured), median(one.cpu_seconds for one in measured)
    peak = max(one.peak_bytes for one in measured) / 2**20
    print(f"{name:<24} wall {wall:7.1f} s   processor {cpu:7.1f} s   memory at most {peak:6.0f} MiB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
