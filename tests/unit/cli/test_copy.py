"""A store is away for two nights; ``drorch copy`` makes 'complete on 1 of 2' good again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drorch.errors import StoreMissing, UsageInvalid
from tests.support.desk import Desk


def objects(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.fixture
def behind(desk: Desk, tmp_path: Path) -> list[str]:
    """The snapshots of two nights that ``vault`` missed."""
    desk.back_up()
    (desk.base / "vault").rename(tmp_path / "away")
    missed = []
    for night in (1, 2):
        desk.change(f"insert into birth (name) values (hex(randomblob(40000)) || {night})")
        missed.append(desk.back_up(expect=3)["snapshot"])
    (tmp_path / "away").rename(desk.base / "vault")
    return missed


def copies(desk: Desk, snapshot: str) -> set[str]:
    listed = desk.drorch("snapshots", "--json").json()["snapshots"]
    return set(next(one["stores"] for one in listed if one["snapshot"] == snapshot))


def new_pack(desk: Desk) -> Path:
    there = objects(desk.base / "vault")
    fresh = {name: raw for name, raw in objects(desk.base / "disk").items() if "/p/" in name and name not in there}
    return desk.base / "disk" / max(fresh, key=lambda name: len(fresh[name]))


def test_the_store_catches_up_and_takes_part_again(desk: Desk, behind: list[str]) -> None:
    still = desk.drorch("backup", "civil", "--json", expect=3).json()["snapshots"][0]
    assert [copy["state"] for copy in still["copies"]] == ["complete", "failed"]
    told = desk.drorch("copy", "--to", "vault")
    assert told.out.startswith("OK  3 snapshots copied to vault: ")
    assert objects(desk.base / "vault") == objects(desk.base / "disk")
    assert [copies(desk, snapshot) for snapshot in behind] == [{"disk", "vault"}] * 2
    assert "2 of 2" in desk.drorch("status").out
    desk.drorch("verify").says("OK 4 snapshots")
    assert [copy["state"] for copy in desk.back_up()["copies"]] == ["complete", "complete"]
    assert desk.drorch("copy", "--to", "vault").out == (
        "OK  vault has every snapshot that it can have; nothing was copied\n"
    )
    assert desk.drorch("copy", "--to", "disk", "--quiet").out == ""


def test_from_the_copy_alone_everything_comes_back(desk: Desk, behind: list[str], tmp_path: Path) -> None:
    desk.drorch("copy", "--to", "vault", "--from", "disk", "--quiet")
    (desk.base / "disk").rename(tmp_path / "burnt")
    desk.restore(behind[-1], desk.base / "back.db").says("5 rows")


def test_the_document(desk: Desk, behind: list[str]) -> None:
    document = desk.drorch("copy", "--to", "vault", "--json").json()
    assert (document["schema"], document["ok"], document["to"]) == ("drorch.copy/1", True, "vault")
    assert [one["snapshot"] for one in document["snapshots"]] == behind
    assert {(one["source"], one["state"]) for one in document["snapshots"]} == {("civil", "complete")}
    assert document["objects"] > 6
    assert document["bytes"] > 40_000
    assert (document["problems"], document["voided"]) == ([], [])


def test_a_damaged_pack_is_named_and_mended_when_it_is_whole_again(desk: Desk, behind: list[str]) -> None:
    pack = new_pack(desk)
    raw = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    told = desk.drorch("copy", "--to", "vault", expect=3)
    told.says("PARTIAL", pack.name, "is not whole")
    document = desk.drorch("copy", "--to", "vault", "--json", expect=3).json()
    (problem,) = document["problems"]
    assert problem["object"] == str(pack.relative_to(desk.base / "disk"))
    damaged = [one["snapshot"] for one in document["snapshots"] if one["state"] == "damaged"]
    assert damaged
    assert "vault" not in copies(desk, damaged[0])
    assert [copy["state"] for copy in desk.back_up()["copies"]] == ["complete", "complete"]
    pack.write_bytes(raw)
    assert desk.drorch("copy", "--to", "vault").out.startswith("OK  ")
    assert all(copies(desk, snapshot) == {"disk", "vault"} for snapshot in behind)


def test_a_store_that_still_is_away_is_told(desk: Desk, behind: list[str], tmp_path: Path) -> None:
    (desk.base / "vault").rename(tmp_path / "away again")
    desk.drorch("copy", "--to", "vault", expect=34).says("is not there")
    assert all(copies(desk, snapshot) == {"disk"} for snapshot in behind)


@pytest.fixture
def third(desk: Desk) -> Path:
    """An empty store that was written into drorch.yaml later."""
    settings = desk.base / "drorch.yaml"
    settings.write_text(settings.read_text().replace("stores:\n", "stores:\n  third:\n    directory: third\n", 1))
    (desk.base / "third").mkdir()
    return desk.base / "third"


def test_a_new_store_is_filled_when_it_is_said_to_be_new(desk: Desk, third: Path, tmp_path: Path) -> None:
    desk.back_up()
    refused = desk.drorch("copy", "--to", "third", expect=StoreMissing.exit_code)
    assert "--new" in refused.err
    assert list(third.rglob("*.*")) == []
    desk.drorch("copy", "--to", "third", "--new").says("OK 1 snapshot copied to third")
    assert objects(third) == objects(desk.base / "disk")
    desk.drorch("verify", "--store", "third").says("OK")
    desk.drorch("copy", "--to", "third", "--new").says("nothing was copied")
    for name in ("disk", "vault"):
        (desk.base / name).rename(tmp_path / name)
    assert len(desk.drorch("snapshots", "--store", "third", "--json").json()["snapshots"]) == 1


@pytest.mark.parametrize(
    "words", [("--to", "nowhere"), ("--to", "vault", "--from", "nowhere"), ("--to", "vault", "--from", "vault"), ()]
)
def test_a_wrong_store_is_a_mistake_of_usage(desk: Desk, words: tuple[str, ...]) -> None:
    answer = desk.drorch("copy", *words, "--json", expect=UsageInvalid.exit_code)
    assert json.loads(answer.out)["error"]["name"] == "usage"


def test_a_machine_without_the_role_may_not(desk: Desk) -> None:
    settings = desk.base / "drorch.yaml"
    text = settings.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("roles:")]
    settings.write_text("\n".join([*lines, "roles: [backup]", ""]), encoding="utf-8")
    desk.drorch("copy", "--to", "vault", expect=13).says("may not copy between stores")
