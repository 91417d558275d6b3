"""What a run leaves for whoever asks next morning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk


def log_of(desk: Desk, run: str) -> list[str]:
    return [line["text"] for line in desk.drorch("history", "--run", run, "--json").json()["log"]]


def test_a_good_run_tells_what_it_read_and_where_it_lies(desk: Desk) -> None:
    desk.policy("civil", "probes:\n  who: select max(caller) from request_log\n", source="exclude_data: [birth]")
    snapshot = desk.back_up()["snapshot"]
    first, policy, opened, read, *rest = log_of(desk, snapshot)
    assert first == f"backup of civil: sqlite://{desk.civil} -> disk, vault"
    assert policy.startswith("policy ")
    assert opened.startswith(f"sqlite://{desk.civil}: sqlite 3.")
    assert ", 2 tables, as of 20" in opened
    assert read.endswith("in 1 table, 1 row")
    assert "table/request_log: 3" in " ".join(rest)
    assert "rows left out: birth" in rest
    assert [line.partition(",")[0] for line in rest if "complete" in line] == [
        "disk: complete",
        "vault: complete",
        f"snapshot {snapshot[:8]}",
    ]
    assert "canary" not in " ".join(log_of(desk, snapshot))  # the answer of a probe is not in it


def test_a_person_reads_it_with_times(desk: Desk) -> None:
    told = desk.drorch("history", "--run", desk.back_up()["snapshot"][:8])
    told.says("backup of civil: complete", "disk: complete")
    lines = told.out.splitlines()
    (last,) = [line for line in lines if ", complete, " in line]
    assert last[2] == last[5] == ":"
    assert max(map(len, lines)) <= 80 or str(desk.civil) in told.out


def test_a_failed_run_ends_with_its_error(desk: Desk) -> None:
    desk.policy("civil", "probes:\n  odd_one: select * from no_such\n")
    desk.drorch("backup", "civil", expect=20)
    (run,) = desk.drorch("history", "--json").json()["runs"]
    assert run["state"] == "failed"
    log = log_of(desk, run["run"])
    assert log[0].startswith("backup of civil")
    assert any(line.startswith("error: probe odd_one: ") and line.endswith("(capture-failed)") for line in log)
    assert log[-1].startswith("  hint: ")


def test_a_store_that_is_away_is_named(desk: Desk, tmp_path: Path) -> None:
    desk.back_up()
    (desk.base / "vault").rename(tmp_path / "away")
    snapshot = desk.back_up(expect=3)["snapshot"]
    log = log_of(desk, snapshot)
    assert any(line.startswith("vault is left out: ") for line in log)
    assert any(line.startswith("vault: no complete copy: ") for line in log)
    assert log[-1].startswith(f"snapshot {snapshot[:8]}, partial")


def test_without_a_run_there_is_no_log(desk: Desk) -> None:
    desk.back_up()
    assert "log" not in desk.drorch("history", "--json").json()


@pytest.mark.parametrize("name", ["request_log", "a\nb"])
def test_names_cannot_forge_a_line(desk: Desk, name: str) -> None:
    desk.change(f'create table "x{name}" (a); insert into "x{name}" values (1);')
    told = desk.drorch("history", "--run", desk.back_up()["snapshot"])
    assert f"x{name}".replace("\n", "\\n") in told.out
