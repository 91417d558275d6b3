"""What a sysadmin mistypes is answered with what was expected, what was found and what to do; one installation, many mistakes."""

from __future__ import annotations

from pathlib import Path

from tests.support.desk import Desk

MISTAKES = (
    ("backup", "nosuch"),
    ("drill", "run", "nosuch"),
    ("drill", "show", "01ZZZZ"),
    ("snapshots", "show", "zzzzzzzz"),
    ("evidence", "verify", "01ZZZZ"),
    ("restore", "zzzzzzzz", "--to", "sqlite:///x.db"),
    ("restore", "latest:civil", "--to", "sqlite:///x.db", "--key", "nothere.key"),
    ("restore", "latest:civil", "--to", "sqlite:///x.db", "--key", "custodian.pub"),
    ("keys", "add", "nosuch.pub", "--root-key", "root.key"),
    ("keys", "add", "custodian.pub", "--plan"),
    ("keys", "remove", "nobody", "--plan"),
    ("store", "validate", "nosuch"),
    ("status", "nosuch"),
)


def test_every_mistake_is_answered_with_both_sides_and_a_way_on(desk: Desk) -> None:
    desk.back_up()
    for words in MISTAKES:
        named = [str(desk.base / word) if word.endswith((".key", ".pub")) else word for word in words]
        answer = desk.call(*named, "--json", "--config", str(desk.base / "drorch.yaml"))
        said = answer.json()["error"]
        assert answer.code != 0, words
        assert [part for part in ("expected", "found", "hint") if not said[part]] == [], (words, said)


def test_a_configuration_that_is_not_there_says_what_makes_one(desk: Desk, tmp_path: Path) -> None:
    answer = desk.call("status", "--config", str(tmp_path / "nosuch.yaml"))
    assert answer.code == 11
    answer.says("expected", "No such file", "drorch init")
