"""Who vouches for a trust root: drorch.yaml, ``--trust``, or nobody, and then everything says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from drorch.errors import TrustMismatch
from tests.support.desk import Desk

WRONG = "0000-" * 7 + "0000"


@pytest.fixture
def bare(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing but the store."""
    desk.back_up()
    elsewhere = tmp_path / "bare"
    elsewhere.mkdir()
    shutil.copytree(desk.base / "disk", elsewhere / "store")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DRORCH_CONFIG", "")
    return elsewhere / "store"


@pytest.mark.parametrize("words", [["snapshots"], ["verify"]])
def test_what_nobody_vouched_for_says_so_everywhere(desk: Desk, bare: Path, words: list[str]) -> None:
    where = ("--store", bare.name, "--trust-on-first-use")
    for quiet in ([], ["--quiet"]):
        answer = desk.call(*words, *where, *quiet)
        assert answer.code == 0, answer
        answer.says("unauthenticated")
    assert json.loads(desk.call(*words, *where, "--json").out)["authenticated"] is False


def test_what_somebody_vouched_for_does_not(desk: Desk) -> None:
    desk.back_up()
    assert "authenticated" not in desk.drorch("snapshots", "--store", "disk", "--json").json()


@pytest.mark.parametrize("store", [[], ["--store", "disk"]])
def test_a_trust_root_that_is_given_counts_for_named_stores_too(desk: Desk, store: list[str]) -> None:
    desk.back_up()
    answer = desk.drorch("verify", *store, "--trust", WRONG, expect=TrustMismatch.exit_code)
    answer.says("another trust root")


def test_a_store_that_is_left_out_is_told(desk: Desk) -> None:
    desk.back_up()
    shutil.rmtree(desk.base / "vault")
    desk.restore("latest:civil", desk.base / "back.db").says("vault is left out", "what only it holds is not seen")
