"""The life of a source: whose it is, taken over, retired, closed with proof, opened again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.interface import SourceState
from drorch.catalog.sqlite import open_sqlite
from tests.support.catalogs import START, a_source
from tests.support.desk import Desk

CLOSING = ("--reason", "commune dissolved", "--legal-basis", "QĐ 12/2026")


@pytest.fixture
def backed_up(desk: Desk) -> Desk:
    desk.policy("civil")
    desk.back_up()
    return desk


def keys(desk: Desk) -> tuple[str, ...]:
    return ("--key", str(desk.base / "custodian.key"), "--passphrase-file", str(desk.base / "passphrase"))


def catalog_file(desk: Desk) -> Path:
    return desk.base / "var/state/catalog.sqlite"


def states(desk: Desk) -> dict[str, str]:
    return {one["source"]: one["state"] for one in desk.drorch("source", "list", "--json").json()["sources"]}


def of_another_machine(desk: Desk) -> None:
    with closing(sqlite3.connect(catalog_file(desk))) as connection:
        connection.execute("update sources set machine_id = 'c0ffee'")
        connection.commit()


def lanes(desk: Desk) -> set[str]:
    return {one["lane"] for one in desk.drorch("snapshots", "--json").json()["snapshots"]}


class TestAdopt:
    def test_another_machine_is_refused_until_it_adopts_and_then_has_a_lane_of_its_own(self, backed_up: Desk) -> None:
        of_another_machine(backed_up)
        refused = backed_up.drorch("backup", "civil", expect=18)
        refused.says("civil belongs to another machine", "c0ffee", "drorch source adopt civil --reason TEXT")
        backed_up.drorch("source", "list").says("civil active machine c0ffee")
        backed_up.drorch("status", "--check", expect=3).says("civil belongs to another machine")
        answer = backed_up.drorch("source", "adopt", "civil", "--reason", "backup1 was replaced", "--json").json()
        assert [(one["before"], one["after"]) for one in answer["sources"]] == [("another machine", "this machine")]
        backed_up.back_up()
        assert len(lanes(backed_up)) == 2
        assert len(backed_up.drorch("snapshots", "civil", "--json").json()["snapshots"]) == 2

    def test_what_is_ours_is_not_adopted(self, backed_up: Desk) -> None:
        backed_up.drorch("source", "adopt", "civil", "--reason", "x", expect=4).says("civil is this machine's already")

    def test_a_copied_configuration_with_an_empty_catalog_feeds_nothing(self, backed_up: Desk) -> None:
        shutil.rmtree(backed_up.base / "var/state")
        refused = backed_up.drorch("backup", "civil", expect=18)
        refused.says(
            "1 snapshot by this host's key that this catalog does not know",
            "drorch catalog rebuild",
            "source adopt civil",
        )
        assert len(lanes(backed_up)) == 0
        backed_up.drorch("source", "adopt", "civil", "--reason", "the other one is gone")
        backed_up.back_up()
        backed_up.drorch("catalog", "rebuild")
        assert len(lanes(backed_up)) == 2

    def test_after_a_rebuild_the_source_is_known_again(self, backed_up: Desk) -> None:
        shutil.rmtree(backed_up.base / "var/state")
        backed_up.drorch("catalog", "rebuild")
        assert states(backed_up) == {"civil": "active"}
        backed_up.back_up()
        assert len(lanes(backed_up)) == 1


class TestRetire:
    def test_what_is_protected_is_not_retired(self, backed_up: Desk) -> None:
        backed_up.drorch("source", "retire", "civil", "--reason", "x", expect=4).says("a policy protects it")

    def test_what_no_policy_names_leaves_the_status(self, backed_up: Desk) -> None:
        (backed_up.base / "policies/civil.yaml").unlink()
        backed_up.drorch("status", "--check", expect=3).says("OPEN civil no policy protects it any more")
        backed_up.drorch("source", "retire", "civil", "--reason", "merged into land").says("OK civil is retired")
        backed_up.drorch("status", "--check")
        assert states(backed_up) == {"civil": "retired"}
        with closing(open_sqlite(catalog_file(backed_up))) as catalog:
            (event,) = catalog.events(source="civil")
        assert (event.kind, event.message) == ("source-retired", "merged into land")
        backed_up.drorch("source", "retire", "civil", "--reason", "x", expect=4).says("retired already")

    def test_nobody_knows_it(self, backed_up: Desk) -> None:
        backed_up.drorch("source", "retire", "land/d9", "--reason", "x", expect=14).says("there is no source land/d9")


class TestClose:
    def test_a_source_is_closed_when_its_last_snapshot_was_restored_and_is_held(self, backed_up: Desk) -> None:
        answer = backed_up.drorch("source", "close", "civil", *CLOSING, *keys(backed_up), "--json").json()
        (change,) = answer["sources"]
        assert (change["before"], change["after"]) == ("active", "closed")
        assert change["details"]["held_in"] == "disk, vault"
        assert change["details"]["restored_tables"] == "2"
        assert change["details"]["legal_basis"] == "QĐ 12/2026"
        snapshots = backed_up.drorch("snapshots", "civil", "--json").json()["snapshots"]
        assert change["details"]["snapshot"] == snapshots[0]["snapshot"]
        assert len(snapshots) == 2
        assert list((backed_up.base / "disk").glob("l/*/g/0"))
        backed_up.drorch("status", "--check")
        backed_up.drorch("backup", "civil", expect=4).says("civil is closed", "drorch source reopen civil")
        assert not list((backed_up.base / "var/temporary").glob("proof-*"))

    def test_it_can_be_opened_again(self, backed_up: Desk) -> None:
        backed_up.drorch("source", "close", "civil", *CLOSING, *keys(backed_up))
        backed_up.drorch("source", "reopen", "civil", "--reason", "still written to").says("OK civil is open")
        backed_up.back_up()
        backed_up.drorch("source", "reopen", "civil", "--reason", "x", expect=4).says("civil is open")

    def test_a_restore_that_cannot_be_made_leaves_it_open(self, backed_up: Desk) -> None:
        wrong = backed_up.base / "wrong"
        wrong.write_text("wrong\n")
        key = ("--key", str(backed_up.base / "custodian.key"), "--passphrase-file", str(wrong))
        backed_up.drorch("source", "close", "civil", *CLOSING, *key, expect=44)
        assert states(backed_up) == {"civil": "active"}
        assert len(backed_up.drorch("snapshots", "civil", "--json").json()["snapshots"]) == 1

    def test_a_store_that_is_away_leaves_it_open(self, backed_up: Desk) -> None:
        (backed_up.base / "vault").rename(backed_up.base / "away")
        answer = backed_up.drorch("source", "close", "civil", *CLOSING, *keys(backed_up), expect=34)
        answer.says("The source stays open")
        assert states(backed_up) == {"civil": "active"}


def test_a_new_name_goes_on_in_the_same_lane(backed_up: Desk) -> None:
    (backed_up.base / "policies/civil.yaml").unlink()
    backed_up.policy("civil-status", "was: civil\n")
    first = lanes(backed_up)
    second = backed_up.back_up("civil-status")
    assert lanes(backed_up) == first
    assert second["chunks"]["new"] == 0
    assert states(backed_up) == {"civil": "retired", "civil-status": "active"}
    backed_up.drorch("status", "--check")
    backed_up.policy("civil")
    backed_up.drorch("backup", "civil", expect=18).says("civil goes on as civil-status")


def test_a_new_name_without_was_is_a_new_source(backed_up: Desk) -> None:
    (backed_up.base / "policies/civil.yaml").unlink()
    backed_up.policy("civil-status")
    backed_up.back_up("civil-status")
    assert len(lanes(backed_up)) == 2
    assert states(backed_up) == {"civil": "open", "civil-status": "active"}


def test_a_rebuilt_catalog_knows_the_new_name(backed_up: Desk) -> None:
    (backed_up.base / "policies/civil.yaml").unlink()
    backed_up.policy("civil-status", "was: civil\n")
    backed_up.back_up("civil-status")
    shutil.rmtree(backed_up.base / "var/state")
    backed_up.drorch("catalog", "rebuild")
    backed_up.back_up("civil-status")
    assert len(lanes(backed_up)) == 1


def test_the_list_is_cut_and_says_so(backed_up: Desk) -> None:
    with closing(open_sqlite(catalog_file(backed_up))) as catalog:
        for number in range(60):
            catalog.put_source(
                a_source(address=f"p/d{number:02d}", policy="p", last_seen_at=START, state=SourceState.GONE)
            )
    lines = backed_up.drorch("source", "list").out.splitlines()
    assert len(lines) == 42
    assert lines[-1] == "and 21 more: --all"
    assert len(backed_up.drorch("source", "list", "--all").out.splitlines()) == 62
