"""Hundreds of databases on two servers as one policy: all at once, one server stopped, what is told and what it costs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import COMMAND, Custodian, Installation, run
from tests.support.province import Province, province

DISTRICTS = 40
MANY = 484
SHORT = "district-land"


@pytest.fixture(scope="module")
def districts(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with province(tmp_path_factory.mktemp("province") / "etc", custodian, districts=DISTRICTS) as found:
        yield found


def measured(installation: Installation, *words: str) -> tuple[int, str, float, int]:
    """Run a command as a child of a small program; return exit code, output, seconds, and its peak memory in kB."""
    program = (
        "import resource, subprocess, sys, time; began = time.monotonic();"
        " told = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE);"
        " used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
        " sys.stdout.buffer.write(b'%d %f %d\\n' % (told.returncode, time.monotonic() - began, used) + told.stdout)"
    )
    command = [COMMAND[0], "-c", program, *installation.command(*words)]
    head, _, out = run(command, cwd=installation.base, longest_seconds=1_800).out.partition("\n")
    code, seconds, kilobytes = head.split()
    return int(code), out, float(seconds), int(kilobytes)


def test_all_are_backed_up_by_one_command(districts: Province) -> None:
    answer = districts.installation.drorch("backup", SHORT)
    lines = answer.out.splitlines()
    assert len(lines) == DISTRICTS
    assert {line.split()[0] for line in lines} == {f"{SHORT}/{name}" for name in districts.names}
    assert all(re.match(r"\S+ ok [0-9a-z]{8} \d", line) for line in lines)
    status = districts.installation.drorch("status", "--check")
    status.told(f"{DISTRICTS} of {DISTRICTS} sources are inside their RPO", f"district-land {DISTRICTS} today")
    one = f"{SHORT}/{districts.names[0]}"
    assert districts.installation.drorch("backup", "--quiet", one, f"{SHORT}/{districts.names[-1]}").out == ""


def test_a_server_that_is_stopped_takes_its_half_and_no_more(districts: Province) -> None:
    installation, half = districts.installation, districts.half
    installation.drorch("backup", "--failed", SHORT)
    districts.east.stop()
    try:
        answer = installation.drorch("backup", SHORT, expect=3)
        document = installation.drorch("backup", SHORT, "--failed", "--json", expect=22).json()
        status = installation.drorch("status", "--check", expect=3)
        found = installation.drorch("status", "--json").json()
    finally:
        districts.east.start()
    assert (len(document["snapshots"]), len(document["failures"])) == (0, half)
    assert {one["error"]["code"] for one in document["failures"]} == {22}
    assert [one["source"] for one in document["failures"]] == [f"{SHORT}/{name}" for name in districts.names[half:]]

    answer.fits()
    answer.told(f"PARTIAL {half} of {DISTRICTS} sources have a new snapshot; {half} have none")
    answer.told(f"{half} connection refused", "try again: drorch backup district-land --failed")
    summary = answer.out[answer.out.index("PARTIAL") :]
    assert len(summary.splitlines()) <= 8, summary

    status.fits()
    status.told(f"FAILED district-land {half} of {DISTRICTS} sources", f"connection refused: {districts.names[half]} ")
    assert len(status.out.splitlines()) <= 23
    states = {one["source"]: one["state"] for one in found["sources"]}
    assert [name for name in districts.names if states[f"{SHORT}/{name}"] == "failed"] == list(districts.names[half:])
    assert not found["ok"]

    installation.drorch("backup", SHORT, "--failed").told(f"{SHORT}/{districts.names[-1]} ok")
    assert installation.drorch("backup", SHORT, "--failed").out == ""


def test_each_source_is_addressed_by_its_name(districts: Province) -> None:
    installation = districts.installation
    source = f"{SHORT}/{districts.names[3]}"
    answer = installation.drorch("backup", source)
    assert len(answer.out.splitlines()) == 1
    answer.told(f"{source} ok")
    assert {one["source"] for one in installation.snapshots(source)} == {source}
    assert {one["source"] for one in installation.drorch("history", source, "--json").json()["runs"]} == {source}
    installation.drorch("verify", source).told("OK")
    installation.drorch("doctor", source).told("nothing stands in the way")
    installation.drorch("status", source).told(source)
    installation.drorch("backup", f"{SHORT}/d999", expect=14).told("there is no source `district-land/d999`")


@pytest.mark.slow
def test_the_whole_province(custodian: Custodian, tmp_path: Path) -> None:
    """484 sources: one process, flat memory, one screen. Prints the figures of docs/SIZING.md."""
    with province(tmp_path / "etc", custodian, districts=MANY) as many:
        installation = many.installation
        figures: dict[str, Any] = {"sources": MANY, "processors": os.cpu_count()}
        code, _out, seconds, kilobytes = measured(installation, "backup", SHORT, "--json")
        assert code == 0
        figures["first"] = {"seconds": round(seconds, 1), "peak_mb": kilobytes // 1_000}
        code, _out, seconds, kilobytes = measured(installation, "backup", SHORT)
        assert code == 0
        figures["second"] = {"seconds": round(seconds, 1), "peak_mb": kilobytes // 1_000}
        many.east.stop()
        code, out, seconds, kilobytes = measured(installation, "backup", SHORT)
        assert code == 3
        assert "PARTIAL  242 of 484 sources have a new snapshot; 242 have none" in out
        figures["one server stopped"] = {"seconds": round(seconds, 1), "peak_mb": kilobytes // 1_000}
        tries = [measured(installation, "status") for _ in range(5)]
        screen = tries[0][1].splitlines()
        assert len(screen) <= 23
        figures["status"] = {"seconds": round(min(one[2] for one in tries), 2), "lines": len(screen)}
        code, out, seconds, _kilobytes = measured(installation, "status", "--json")
        assert len(json.loads(out)["sources"]) == MANY
        figures["status --json"] = {"seconds": round(seconds, 2)}
        assert figures["second"]["peak_mb"] < 250
        sys.stdout.write("\n".join(["", json.dumps(figures, indent=2), *screen, ""]))
