"""Many sources in one command: a server that says nothing holds up nobody, what is told of failures, a reader that leaves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.desk import Desk

SILENT = """\
name: silent
for_each: silent.csv
source:
  postgresql: {{host: 127.0.0.1, port: {port}, database: "{{id}}", user: nobody, tls: none}}
schedule: "0 1 * * *"
"""
MANY = """\
name: many
for_each: many.csv
source: {{sqlite: {{file: "{base}/{{id}}.db"}}}}
schedule: "0 1 * * *"
"""
NAMES = [f"d{number}" for number in range(5)]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


@pytest.fixture
def many(desk: Desk) -> Desk:
    for name in NAMES:
        shutil.copy(desk.civil, desk.base / f"{name}.db")
    (desk.base / "policies/many.csv").write_text("id\n" + "".join(f"{name}\n" for name in NAMES))
    (desk.base / "policies/many.yaml").write_text(MANY.format(base=desk.base))
    return desk


def test_a_silent_server_is_given_up_after_two_tries_and_holds_up_nobody(many: Desk, silent_port: int) -> None:
    with (many.base / "drorch.yaml").open("a") as settings:
        settings.write("\nlimits: {connect_timeout: 1s}\n")
    names = [f"s{number}" for number in range(12)]
    (many.base / "policies/silent.csv").write_text("id\n" + "".join(f"{name}\n" for name in names))
    (many.base / "policies/silent.yaml").write_text(SILENT.format(port=silent_port))
    document = many.drorch("backup", "silent", "many", "--json", expect=3).json()
    assert [one["source"] for one in document["snapshots"]] == [f"many/{name}" for name in NAMES]
    assert [one["source"] for one in document["failures"]] == [f"silent/{name}" for name in names]
    tried = [one for one in document["failures"] if "gave no answer" not in one["error"]["found"]]
    assert 2 <= len(tried) <= 4
    history = many.drorch("history", "silent", "--json", "--limit", "100").json()["runs"]
    assert len(history) == 12
    assert {run["state"] for run in history} == {"failed"}
    many.drorch("status").says("LATE silent 12 of 12 sources: no good snapshot yet", "no answer in time: s0 s1")


def test_failures_are_told_by_cause_and_only_they_are_repeated(many: Desk) -> None:
    many.drorch("backup", "many")
    kept = (many.base / "d1.db").read_bytes()
    for name in ("d1", "d3"):
        (many.base / f"{name}.db").unlink()
    (many.base / "d2.db").write_bytes(b"no database")
    answer = many.drorch("backup", "many", expect=3)
    answer.says("PARTIAL 2 of 5 sources have a new snapshot; 3 have none", "try again: drorch backup many --failed")
    summary = answer.out[answer.out.index("PARTIAL") :].splitlines()
    assert summary[1].split()[0] == "2"
    assert summary[1].endswith("d1 d3") or summary[2].strip() == "d1 d3"
    for name in ("d1", "d2", "d3"):
        (many.base / f"{name}.db").write_bytes(kept)
    again = many.drorch("backup", "many", "--failed")
    assert sorted(line.split()[0] for line in again.out.splitlines()) == ["many/d1", "many/d2", "many/d3"]
    assert many.drorch("backup", "many", "--failed").out == ""


def test_what_all_failures_share_is_the_exit_code(many: Desk) -> None:
    for name in NAMES:
        (many.base / f"{name}.db").unlink()
    many.drorch("backup", "many", expect=28).says("FAIL 0 of 5 sources have a new snapshot; 5 have none")


def test_a_reader_that_leaves_stops_no_backup(many: Desk) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "drorch", "backup", "many", "--config", str(many.base / "drorch.yaml")]
    told = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, text=True)
    os.close(writer)
    assert (told.returncode, told.stderr) == (0, "")
    assert len(many.drorch("snapshots", "--json").json()["snapshots"]) == len(NAMES)


def test_the_policy_named_and_one_of_its_sources_are_backed_up_once(many: Desk) -> None:
    document = many.drorch("backup", "many/d2", "many", "--json").json()
    assert sorted(one["source"] for one in document["snapshots"]) == [f"many/{name}" for name in NAMES]


def test_a_line_that_was_renamed_goes_on(many: Desk) -> None:
    many.drorch("backup", "many")
    (many.base / "d4.db").rename(many.base / "d9.db")
    (many.base / "policies/many.csv").write_text("id,was\n" + "".join(f"{name},\n" for name in NAMES[:4]) + "d9,d4\n")
    answer = many.drorch("backup", "many/d9", "--json").json()
    assert answer["snapshots"][0]["chunks"]["new"] == 0
    lanes = {one["lane"] for one in many.drorch("snapshots", "--json").json()["snapshots"]}
    assert len(lanes) == len(NAMES)
