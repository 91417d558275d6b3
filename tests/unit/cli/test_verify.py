"""``drorch verify`` as a person and as a program see it: exit code, words, 80 columns, the JSON object."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drorch.cli.main import main
from drorch.cli.output import printable
from drorch.format.keyfile import KeyKind, ScryptCost, seal_key_file
from drorch.format.objects import digest_of
from drorch.repository.opening import Repository
from drorch.storage.filesystem import FilesystemStore
from tests.support.desk import Desk
from tests.support.repositories import Household, back_up, counting_random, seed

HOUSEHOLD = Household()


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Verify = Callable[..., Answer]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    directory.mkdir()
    return directory


@pytest.fixture
def repository(directory: Path) -> Repository:
    made = HOUSEHOLD.create(FilesystemStore(directory))
    for day in (1, 2):
        streams = {"schema": b"create", "table/public.parcel": random.Random(day).randbytes(300_000)}
        back_up(made, streams, source="land/d595", random_bytes=counting_random(f"{day}"))
    back_up(made, {"a\x1b[2J": b"x" * 100_000}, source="other", random_bytes=counting_random("o"))
    return made


@pytest.fixture
def verify(
    directory: Path, repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Verify]:
    trust = digest_of((directory / "trust/0").read_bytes())
    monkeypatch.chdir(directory.parent)  # a short name for the store: long ones cannot be folded
    umask, terminate = os.umask(0o077), signal.getsignal(signal.SIGTERM)

    def call(*words: str) -> Answer:
        with pytest.raises(SystemExit) as stop:
            main(["verify", "--store", "store", "--trust", str(trust), *words])
        out, err = capsys.readouterr()
        assert max(map(len, out.splitlines()), default=0) <= 80 or "--json" in words
        return Answer(int(stop.value.code or 0), out, err)

    yield call
    os.umask(umask)
    signal.signal(signal.SIGTERM, terminate)


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    text = seal_key_file(
        kind=KeyKind.RECIPIENT,
        seed=seed("test custodian"),
        label="custodians",
        passphrase="right",
        random_bytes=counting_random(),
        cost=ScryptCost(n=2, r=1, p=1),
    )
    (tmp_path / "custodians.key").write_text(text, encoding="utf-8")
    (tmp_path / "passphrase").write_text("right\n", encoding="utf-8")
    return ["--key", str(tmp_path / "custodians.key"), "--passphrase-file", str(tmp_path / "passphrase")]


def largest_pack(directory: Path) -> Path:
    return max(directory.glob("l/*/p/*/*"), key=lambda path: path.stat().st_size)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)


def document(answer: Answer) -> Any:
    return json.loads(answer.out)


def test_a_whole_repository_is_ok(verify: Verify, directory: Path) -> None:
    answer = verify()
    assert answer.code == 0
    assert answer.out.startswith("OK  3 snapshots are whole in")
    assert verify("--quiet") == Answer(0, "", "")


def test_a_lost_pack_fails_with_what_it_touches_and_what_is_still_good(verify: Verify, directory: Path) -> None:
    largest_pack(directory).unlink()
    answer = verify()
    assert answer.code == 47
    assert answer.out.startswith("FAIL  1 of 3 snapshots has no whole copy")
    assert "the pack is gone" in answer.out
    assert "of land/d595" in answer.out
    assert "Still good: 2 snapshots are whole in at least one store." in answer.out
    assert "drorch backup land/d595" in answer.out
    assert verify("--quiet").code == 47
    assert verify("--quiet").out != ""


def test_an_altered_pack_is_found_by_reading_only(verify: Verify, directory: Path) -> None:
    flip(largest_pack(directory))
    assert verify().code == 0
    assert verify("--read-data", "100").code == 40


@pytest.mark.parametrize("share", ["nan", "inf", "-1", "101"])
def test_a_share_is_a_number_from_0_to_100(verify: Verify, share: str) -> None:
    assert verify("--read-data", share).code == 2


def test_with_the_key_the_tables_are_named(
    verify: Verify, directory: Path, key: list[str], repository: Repository
) -> None:
    largest = largest_pack(directory)
    both = {f"table/day_{day}": random.Random(day).randbytes(300_000) for day in (1, 2)}
    back_up(repository, both, source="land/d595", random_bytes=counting_random("3"))
    largest.unlink()
    answer = verify("--read-data", "100", *key)
    assert answer.code == 47
    assert "table/day_" in answer.out
    assert "table/day_1, table/day_2" not in answer.out


def test_only_what_is_asked_for_is_checked(verify: Verify, directory: Path, repository: Repository) -> None:
    whole = document(verify("--json"))
    largest_pack(directory).unlink()
    (harmed,) = document(verify("--json"))["harmed"]
    (good,) = document(verify("land/d595", "--json"))["good"]
    assert document(verify("land", "--json"))["checked"]["snapshots"] == 2
    assert {harmed, good} < set(whole["good"])
    assert verify(good[:8]).code == 0
    assert verify(harmed[:8]).code == 47
    assert verify("other").code == 0
    assert verify("latest:other").code == 0
    assert verify("nobody").code == 48


def test_the_json_object_has_its_keys(verify: Verify, directory: Path) -> None:
    largest_pack(directory).unlink()
    answer = document(verify("--json"))
    assert {key: type(value).__name__ for key, value in answer.items()} == {
        "schema": "str",
        "ok": "bool",
        "stores": "list",
        "trust_root": "str",
        "duration_s": "float",
        "checked": "dict",
        "findings": "list",
        "findings_left_out": "int",
        "good": "list",
        "harmed": "list",
    }
    assert answer["schema"] == "drorch.verify/1"
    assert answer["ok"] is False
    (finding,) = [one for one in answer["findings"] if one["level"] == "error"]
    assert (finding["kind"], finding["sources"], len(finding["lane"])) == ("missing", ["land/d595"], 32)
    assert finding["object"].startswith(f"l/{finding['lane']}/p/")


def test_a_wrong_passphrase_or_key_file_is_told(verify: Verify, key: list[str], tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("wrong\n", encoding="utf-8")
    assert verify(*key).code == 44
    assert verify("--key", str(tmp_path / "absent")).code == 43


def test_a_wrong_trust_root_is_refused(verify: Verify) -> None:
    assert verify("--trust", "0" * 32).code == 42


def test_names_from_databases_stay_off_the_terminal(verify: Verify, directory: Path, key: list[str]) -> None:
    for path in directory.glob("l/*/p/*/*"):
        path.unlink()
    assert "\x1b" not in verify("other", *key).out
    assert printable("a\x1b[2J\n") == "a\\x1b[2J\\n"


def test_a_rolling_check_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    for number in range(4):
        desk.change(f"insert into birth (name) values ('{random.Random(number).randbytes(2_000).hex()}')")
        desk.back_up()
    flip(largest_pack(desk.base / "disk"))
    words = ("verify", "--read-data", "50", "--rolling", "--json", "--config", str(desk.base / "drorch.yaml"))
    halves = [desk.call(*words) for _ in range(2)]
    assert sorted(one.code for one in halves) == [0, 40]  # in one half, and not in both
    checked = [one.json()["checked"] for one in halves]
    assert sum(one["packs_read"] for one in checked) == checked[0]["packs"]
    (disk, vault) = desk.drorch("status", "--json").json()["rolling_checks"]
    assert (disk["percent"], vault["percent"]) == (0, 0)
    assert None not in (disk["last_round_ended_at"], vault["last_round_ended_at"])
