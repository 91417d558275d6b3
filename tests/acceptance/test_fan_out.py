"""Hundreds of databases on two servers as one policy: all at once, one server stopped, what is told and what it costs."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import Custodian, end, equal, measured, on_terminal, socket_url
from tests.support.province import Province, province

DISTRICTS = 24
MANY = 484
SHORT = "district-land"


@pytest.fixture(scope="module")
def districts(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with province(tmp_path_factory.mktemp("province") / "etc", custodian, districts=DISTRICTS) as found:
        yield found


def test_all_are_backed_up_by_one_command(districts: Province) -> None:
    answer = districts.installation.drorch("backup", SHORT)
    lines = answer.out.splitlines()
    assert len(lines) == DISTRICTS
    assert {line.split()[0] for line in lines} == {f"{SHORT}/{name}" for name in districts.names}
    assert all(re.match(r"\S+ ok [0-9a-z]{8} \d", line) for line in lines)
    status = districts.installation.drorch("status")  # no --check: other tests leave sources of other policies
    status.told(f"district-land {DISTRICTS} ", "24h ok")
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
        whole = installation.drorch("status", "--all")
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
    whole.told(f"FAILED district-land {half} of {DISTRICTS} sources", f"connection refused: {districts.names[half]} ")
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


FOUND = """\
name: found
source:
  postgresql:
    host: 127.0.0.1
    port: {port}
    user: province_backup
    password: file:secrets/districts
    tls_authority: {authority}
    databases:
      match: ["land_d00?"]
      except: ["land_d00[4-9]"]
      expect: 4
schedule: "0 22 * * *"
spread: 4h
"""


@pytest.fixture
def found(districts: Province) -> Iterator[Province]:
    """A policy that asks the server of the west for four of its databases; whatever a test does to them is undone."""
    west = districts.west
    districts.installation.policy("found", FOUND.format(port=west.port, authority=west.authority))
    yield districts
    (districts.installation.base / "policies/found.yaml").unlink()
    west.run("grant connect on database postgres, template1 to public")
    west.run("drop database if exists hr")
    if west.run("select 1 from pg_database where datname = 'merged'"):
        west.run("alter database merged rename to land_d002")


def test_a_group_across_two_servers_shares_an_id_and_says_how_far_apart_it_was(districts: Province) -> None:
    installation, sides = districts.installation, {"west": districts.west, "east": districts.east}
    for side, server in sides.items():
        name = districts.names[0] if side == "west" else districts.names[-1]
        source = f"host: 127.0.0.1, port: {server.port}, database: land_{name}, user: province_backup"
        more = f"password: file:secrets/districts, tls_authority: {server.authority}"
        text = f"name: land-{side}\nsource: {{postgresql: {{{source}, {more}}}}}\n"
        installation.policy(f"land-{side}", text + 'schedule: "0 1 * * *"\ngroup: {name: sides, max_skew: 10m}\n')
    try:
        answer = installation.drorch("backup", "land-west", "--json").json()
        one, other = (each["group"] for each in answer["snapshots"])
        assert one == other
        assert (one["members"], one["together"], one["exact"]) == (["land-east", "land-west"], True, False)
        districts.east.stop()
        try:
            answer = installation.drorch("backup", "land-west", "--json", expect=3).json()
        finally:
            districts.east.start()
        assert [each["source"] for each in answer["failures"]] == ["land-east"]
        assert [each["group"]["together"] for each in answer["snapshots"]] == [False]
    finally:
        for side in sides:
            (installation.base / f"policies/land-{side}.yaml").unlink()


def test_the_server_is_asked_and_all_of_it_is_restored_under_its_own_names(found: Province) -> None:
    installation, east = found.installation, found.east
    document = installation.drorch("backup", "found", "--json").json()
    names = [f"land_d00{number}" for number in range(4)]
    assert [one["source"] for one in document["snapshots"]] == [f"found/{name}" for name in names]
    assert [(one["databases"], one["expected"], one["gone"]) for one in document["discovered"]] == [(4, 4, [])]
    installation.drorch("backup", "found/land_d001").told("found/land_d001 ok")
    installation.drorch("doctor", "found/land_d001").told("nothing stands in the way")

    to = socket_url(east, "")
    plan = installation.restore("latest:found", to, "--plan", "--create-roles")
    plan.told("PLAN 4 of 4 databases of found can be restored")
    answer = installation.restore("latest:found", to, "--create-roles")
    answer.fits()
    answer.told("OK 4 of 4 databases of found are as at backup", "land_d003", "ok 3 tables, 51 rows")
    for name in names[::3]:
        equal("postgresql", socket_url(found.west, name), socket_url(east, name), programs=east.programs)

    east.run("drop database land_d002")
    again = installation.restore("latest:found", to, "--create-roles", expect=3)
    again.told("PARTIAL 1 of 4 databases of found are as at backup", "3 the database is not empty")
    for name in names:
        east.run(f"drop database {name}")


def test_ctrl_c_during_a_restore_of_many_leaves_nothing_of_those_that_had_begun(found: Province) -> None:
    installation, east = found.installation, found.east
    installation.drorch("backup", "found")

    def names(pattern: str) -> list[str]:
        return [name for (name,) in east.run(f"select datname from pg_database where datname ~ '{pattern}'")]

    words = ("latest:found", "--to", socket_url(east, ""), *installation.custodian.opens, "--create-roles")
    process = installation.start("restore", *words)
    try:
        wait_until(lambda: bool(names("__drorch_")) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=120)
    finally:
        end(process)
    assert process.returncode == 130, err
    wait_until(lambda: names("__drorch_") == [])
    done = names("^land_d00[0-3]$")
    assert len(done) < 4
    for name in done:
        east.run(f"drop database {name}")
    installation.restore(words[0], words[2], "--create-roles").told("OK 4 of 4")
    for name in names("^land_d00[0-3]$"):
        east.run(f"drop database {name}")


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_on_a_terminal_there_is_one_bar_and_a_summary(found: Province) -> None:
    code, text = on_terminal(found.installation.command("backup", "found"))
    assert code == 0
    assert "found  4 sources, 4 at a time" in text
    assert "4/4" in text
    assert "OK  4 of 4 sources have a new snapshot; " in text
    assert "found/land_d001" not in text


def test_what_is_gone_stays_until_it_is_retired(found: Province) -> None:
    installation, west = found.installation, found.west
    installation.drorch("backup", "found")
    west.run("create database hr")
    west.run("alter database land_d002 rename to merged")
    answer = installation.drorch("backup", "found", expect=3)
    answer.told("found: expected 4 databases on", "found 3", "found/land_d002 is gone: drorch source retire")
    answer.fits()
    status = installation.drorch("status", "--all", "--check", expect=3)
    status.told("GONE found/land_d002 on the server until", "try: drorch source retire found/land_d002 --reason TEXT")
    status.told("OPEN 127.0.0.1", "2 databases in no policy: hr, merged", "COUNT found expected 4 databases, found 3")
    status.told("note one database", "both back up")
    installation.drorch("backup", "found/land_d002", expect=28).told("the server does not have it any more")
    assert {
        one["source"]: one["state"]
        for one in installation.drorch("source", "list", "found", "--json").json()["sources"]
    }["found/land_d002"] == "gone"
    installation.drorch("source", "retire", "found/land_d002", "--reason", "merged into land_d001")
    assert "land_d002" not in installation.drorch("status", "found").out
    installation.snapshots("found/land_d002")[0]  # what was stored stays
    west.run("alter database merged rename to land_d002")
    west.run("drop database hr")
    installation.drorch("backup", "found").told("found/land_d002 ok")
    installation.drorch("status", "found", "--check")


def test_a_server_that_cannot_be_asked_is_a_failure_and_no_empty_list(found: Province) -> None:
    installation, west = found.installation, found.west
    installation.drorch("backup", "found")
    west.run("revoke connect on database postgres, template1 from public")
    answer = installation.drorch("backup", "found", expect=23)
    answer.told("found: no connection to the server", "permission denied for database")
    status = installation.drorch("status", "found", "--check", expect=3)
    status.told("FAILED found", "could not be asked for its databases", "Protected 4 of 4")
    assert "GONE" not in status.out
    installation.drorch("history", "found").told("discovery", "failed: source-rights")
    west.run("grant connect on database postgres, template1 to public")
    installation.policy(
        "found", FOUND.replace("land_d00?", "cadastre_*").format(port=west.port, authority=west.authority)
    )
    installation.drorch("backup", "found", expect=28).told("no database that the policy means", "cadastre_*")


def test_a_list_without_a_column_that_the_policy_needs(found: Province) -> None:
    path = found.installation.base / "policies/districts.csv"
    whole = path.read_text()
    try:
        path.write_text("\n".join(",".join(line.split(",")[:2] + line.split(",")[3:]) for line in whole.splitlines()))
        answer = found.installation.drorch("backup", SHORT, expect=10)
    finally:
        path.write_text(whole)
    answer.told("no column fills `{database}`")


def test_ctrl_c_ends_all_of_them_and_the_next_run_goes_on(districts: Province) -> None:
    installation = districts.installation
    process = installation.start("backup", SHORT)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # one has ended, others run
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=120)
        assert (process.returncode, time.monotonic() - began < 60) == (130, True)
        assert "interrupted" in err
    finally:
        end(process)
    asked = "select 1 from pg_stat_activity where application_name like 'drorch%'"
    wait_until(lambda: districts.west.run(asked) == [])
    installation.drorch("backup", SHORT)
    installation.drorch("status", "--check", SHORT)
    states = {one["state"] for one in installation.drorch("history", "--json", "--limit", "60").json()["runs"]}
    assert states & {"interrupted", "crashed"}
    assert "running" not in states, "what could not be ended in time is found as crashed by the next run"


@pytest.mark.slow
@pytest.mark.timeout(3_600)
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
