"""What ``drorch backup`` tells of a run: what it left out, what its probes answered, and what it did when one failed."""

from __future__ import annotations

from contextlib import closing

import pytest

from drorch.errors import CaptureFailed
from drorch.format.entries import Entry
from drorch.format.keys import RecipientKey
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Replica, open_repository
from drorch.repository.reader import SnapshotReader
from drorch.storage.filesystem import FilesystemStore
from tests.support.desk import Desk
from tests.support.repositories import seed

PROBES = "probes:\n  births: select count(*) from birth\n  newest: select max(name) from birth\n  none: select null\n"


def test_rows_left_out_are_told_by_backup_and_by_restore(desk: Desk) -> None:
    desk.policy("civil", source="exclude_data: [request_*, requets_log]")
    told = desk.drorch("backup", "civil").out
    assert told.rstrip().endswith("copies=2/2 left_out=2")
    snapshot = desk.back_up()
    assert snapshot["left_out"] == [
        {"kind": "excluded_data", "names": ["request_log"]},
        {"kind": "exclude_data_unused", "names": ["requets_log"]},
    ]
    assert (snapshot["tables"], snapshot["rows"]) == (1, 2)
    restored = desk.restore("latest:civil", desk.base / "back.db")
    restored.says("note comes without rows (exclude_data): request_log")
    desk.restore("latest:civil", desk.base / "new.db", "--plan").says("comes without rows (exclude_data): request_log")


def test_a_whole_snapshot_says_nothing_of_it(desk: Desk) -> None:
    assert "left_out" not in desk.drorch("backup", "civil").out
    assert desk.back_up()["left_out"] == []


def test_a_person_sees_what_was_left_out_and_the_answers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drorch.cli.output.Output.is_terminal", True)
    desk.policy("civil", PROBES, source="exclude_data: [request_log]")
    told = desk.drorch("backup", "civil")
    assert "  rows left out   request_log\n" in told.out
    told.says("probe births: 2", "probe newest: Trần Văn Hai", "probe none:")


def test_answers_of_probes_are_in_the_document_and_sealed_with_the_snapshot(desk: Desk) -> None:
    desk.policy("civil", PROBES)
    assert desk.back_up()["probes"] == {"births": "2", "newest": "Trần Văn Hai", "none": ""}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select count(*) from no_such", "no such table"),
        ("select name from birth", "one row of one column"),
        ("delete from birth", "readonly"),
    ],
)
def test_a_failing_probe_fails_the_run_by_name_and_nothing_is_stored(desk: Desk, sql: str, words: str) -> None:
    desk.policy("civil", f"probes:\n  good: select 1\n  odd_one: {sql}\n")
    failed = desk.drorch("backup", "civil", expect=CaptureFailed.exit_code)
    failed.says("probe odd_one:", words, "Nothing was stored")
    assert desk.drorch("snapshots", "--json").json()["snapshots"] == []
    (run,) = desk.drorch("history", "--json").json()["runs"]
    assert run["state"] == "failed"
    assert "probe odd_one" in run["error"]["message"]


def test_an_answer_cannot_move_the_cursor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drorch.cli.output.Output.is_terminal", True)
    desk.policy("civil", "probes:\n  odd: select 'a' || char(27) || '[2J' || char(10) || 'b'\n")
    told = desk.drorch("backup", "civil")
    assert "\x1b" not in told.out
    told.says(r"odd: a\x1b[2J\nb")


def entries(desk: Desk) -> dict[str, Entry]:
    """Return the entries of the one snapshot in store ``disk``."""
    opened = open_repository([Replica(name="disk", store=FilesystemStore(desk.base / "disk"))], None)
    (snapshot,) = [one for lane in list_lanes(opened) for one in list_lane(opened, lane).snapshots]
    with closing(SnapshotReader(opened, snapshot.link, [RecipientKey.from_seed(seed("test custodian"))])) as reader:
        return {entry.name: entry for entry in reader.entries()}


@pytest.mark.parametrize("choice", ["always", "never"])
def test_rows_are_digested_as_the_policy_says(desk: Desk, choice: str) -> None:
    desk.policy("civil", source=f"rows_digest: {choice}")
    assert desk.back_up()["rows"] == 3
    birth = entries(desk)["table/birth"]
    assert birth.rows == 2
    assert (birth.buckets is not None) == (choice != "never")
    key = ("--key", str(desk.base / "custodian.key"), "--passphrase-file", str(desk.base / "passphrase"))
    desk.drorch("verify", "--read-data", "100", *key).says("OK 1 snapshot")
    desk.restore("latest:civil", desk.base / "back.db").says("3 rows")


def test_a_choice_that_cannot_be_acted_on_is_refused(desk: Desk) -> None:
    desk.policy("civil", source="rows_digest: sample")
    desk.drorch("policy", "validate", expect=10).says("`rows_digest` is `sample`", "`always`, `never`")
