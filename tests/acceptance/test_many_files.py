"""Many small files: what is not changed is not read, memory and requests stay within their limits. A million by hand."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.file_trees import compare, scans_policy
from tests.support.installations import BARE, Custodian, Installation, new_installation, peak_kib

FEW, MANY, IN_A_DIRECTORY = 8_000, 1_000_000, 1_000
MOST_KIB = 256 * 1_024
MOST_OBJECTS_OF_AN_UNCHANGED_RUN = 60
PART = "hồ sơ 007"


def fill(tree: Path, count: int) -> None:
    rng = random.Random(7)
    for number in range(count):
        directory = tree / f"hồ sơ {number // IN_A_DIRECTORY:03d}"
        if number % IN_A_DIRECTORY == 0:
            directory.mkdir(parents=True)
        (directory / f"thửa {number:06d}.pdf").write_bytes(b"%PDF-1.4 " + rng.randbytes(rng.randrange(300)))
    time.sleep(2.1)  # what changed a moment before it is read is not taken for known the next time


def done(installation: Installation, *words: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Run one command, which must succeed within 256 MiB; return what it told, and its seconds and memory."""
    began = time.monotonic()
    with (installation.base / "told").open("w+b") as told:
        command = installation.command(*words, "--json")
        with subprocess.Popen(command, stdout=told, env=BARE, cwd=installation.base) as process:
            most_kib = peak_kib(process)
        told.seek(0)
        answer = told.read()
    assert process.returncode == 0, answer
    assert 20 * 1_024 < most_kib <= MOST_KIB
    return json.loads(answer), {"seconds": round(time.monotonic() - began, 1), "peak_mib": most_kib // 1_024}


def backed_up(installation: Installation) -> tuple[dict[str, Any], dict[str, float]]:
    told, cost = done(installation, "backup", "scans")
    snapshot: dict[str, Any] = told["snapshots"][0]
    return snapshot, cost | {key: snapshot[key] for key in ("bytes_read", "bytes_stored", "objects_stored")}


def is_unchanged(snapshot: dict[str, Any]) -> bool:
    return bool(snapshot["chunks"]["new"] == 0) and snapshot["objects_stored"] < MOST_OBJECTS_OF_AN_UNCHANGED_RUN


def test_thousands_of_files_keep_the_limits_of_memory_and_requests(custodian: Custodian, tmp_path: Path) -> None:
    installation, tree = new_installation(tmp_path / "etc", custodian, "disk=disk"), tmp_path / "scans"
    fill(tree, FEW)
    installation.policy("scans", scans_policy(tree))
    backed_up(installation)
    again, _cost = backed_up(installation)
    assert is_unchanged(again)
    assert again["bytes_stored"] < 200_000
    words = ["restore", "latest:scans", "--to", f"files://{tmp_path}/out", *custodian.opens]
    assert done(installation, *words)[0]["tables"] == FEW
    assert compare(tree, tmp_path / "out") == (0, f"equal: {FEW + FEW // IN_A_DIRECTORY + 1} names\n")


@pytest.fixture
def roomy() -> Iterator[Path]:
    """A directory that does not outlive the test: a million files are four gigabytes of blocks."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="drorch-million-") as directory:
        yield Path(directory)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_million_files(custodian: Custodian, roomy: Path) -> None:
    """Prints the figures of docs/BENCHMARKS.md."""
    installation, tree, out = new_installation(roomy / "etc", custodian, "disk=disk"), roomy / "scans", roomy / "out"
    began = time.monotonic()
    fill(tree, MANY)
    figures: dict[str, Any] = {"load": os.getloadavg()[0], "making them": round(time.monotonic() - began)}
    installation.policy("scans", scans_policy(tree))
    first, figures["first"] = backed_up(installation)
    again, figures["unchanged"] = backed_up(installation)
    words = ["restore", "latest:scans", "--to", f"files://{out}", "--path", f"/{PART}/", *custodian.opens]
    _told, figures["restore of a part"] = done(installation, *words)
    sys.stdout.write(f"\n{json.dumps(figures | {'load at the end': os.getloadavg()[0]}, indent=2)}\n")
    sys.stdout.flush()
    assert first["tables"] == MANY
    assert [path.name for path in out.iterdir()] == [PART]
    assert compare(tree / PART, out / PART) == (0, f"equal: {IN_A_DIRECTORY + 1} names\n")
    assert is_unchanged(again)
