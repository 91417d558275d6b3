"""Evidence at the command line: sign, verify, export, trust, supersede, and what each refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.format.keyfile import KeyKind, ScryptCost, encode_public, public_of, seal_key_file
from drorch.operations.proof import recording
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.authority import authority
from tests.support.desk import Desk
from tests.support.evidence import undrawn
from tests.support.repositories import counting_random, seed
from tests.support.statements import passing_report

DRILL = passing_report().drill


def give_key(desk: Desk, name: str, kind: KeyKind, *, of: str = "") -> None:
    own = seed(of or name)
    text = seal_key_file(
        kind=kind,
        seed=own,
        label=name,
        passphrase="right",
        random_bytes=counting_random(name),
        cost=ScryptCost(n=2, r=1, p=1),
    )
    (desk.base / f"{name}.key").write_text(text, encoding="utf-8")
    (desk.base / f"{name}.pub").write_text(encode_public(public_of(kind, own, name)), encoding="utf-8")


@pytest.fixture
def drilled(desk: Desk) -> Desk:
    people = "people:\n"
    for name, kind in (("operator1", KeyKind.OPERATOR), ("verifier1", KeyKind.VERIFIER)):
        give_key(desk, name, kind)
        people += f"  {name}: {{name: Cán bộ {name}, role: {kind.value}, key: {name}.pub}}\n"
    file = desk.base / "drorch.yaml"
    file.write_text(f"{file.read_text()}\n{people}", encoding="utf-8")
    with Wiring(load_settings(file, {})) as wiring:
        recording.run(undrawn(passing_report()), wiring.ledger_writer())
    return desk


def sign(desk: Desk, person: str, *words: str, expect: int = 0, key: str = "") -> str:
    opens = ["--key", str(desk.base / f"{key or person}.key"), "--passphrase-file", str(desk.base / "passphrase")]
    answer = desk.drorch("drill", "sign", "01KB3W0T", "--as", person, *opens, *words, expect=expect)
    return " ".join(f"{answer.out} {answer.err}".split())


def test_two_people_sign_and_an_auditor_verifies_by_a_file_of_his_own(drilled: Desk, tmp_path: Path) -> None:
    assert "operator operator1 stands for drill 01KB3W0T (verdict pass)" in sign(drilled, "operator1")
    sign(drilled, "verifier1", "--object", "--comment", "sai máy chủ")
    verified = drilled.drorch("evidence", "verify", "01KB3W0T")
    verified.says("OK the evidence of 1 drill holds", "operator1 (Cán bộ operator1) agrees", "OBJECTS")
    bundle, trust = tmp_path / "drill.zip", tmp_path / "auditor.txt"
    drilled.drorch("evidence", "export", "01KB3W0T", "--to", str(bundle))
    for name in ("operator1", "verifier1"):
        drilled.drorch("keys", "trust", "add", str(drilled.base / f"{name}.pub"), "--file", str(trust))
    root = drilled.drorch("recovery-sheet", "--json").json()["trust"]
    trust.write_text(f"{trust.read_text()}root {root}\n")
    drilled.drorch("evidence", "verify", str(bundle), "--trust", str(trust))
    drilled.drorch(
        "keys",
        "trust",
        "revoke",
        _key(drilled, "verifier1"),
        "--reason",
        "lost",
        "--since",
        "2020-01-01",
        "--file",
        str(trust),
    )
    drilled.drorch("evidence", "verify", str(bundle), "--trust", str(trust), expect=60).says("revoked: lost")
    drilled.drorch("keys", "trust", "list", "--file", str(trust)).says("root", "operator1", "since 01/01/2020: lost")


def _key(desk: Desk, name: str) -> str:
    return str(public_of(KeyKind.VERIFIER, seed(name), name).key_id)[:12]


def test_who_trusts_another_root_is_told_that_the_signer_is_unknown(drilled: Desk, tmp_path: Path) -> None:
    other = "0000-0000-0000-0000-0000-0000-0000-0001"
    drilled.drorch("evidence", "verify", "01KB3W0T", "--trust", other, expect=61).says("signer unknown")
    bundle = tmp_path / "drill.zip"
    drilled.drorch("evidence", "export", "01KB3W0T", "--to", str(bundle))
    (tmp_path / "bare").mkdir()
    answer = drilled.call("evidence", "verify", str(bundle), "--config", str(drilled.base / "drorch.yaml"))
    assert answer.code == 0
    altered = bytearray(bundle.read_bytes())
    altered[len(altered) // 2] ^= 1
    bundle.write_bytes(bytes(altered))
    drilled.drorch("evidence", "verify", str(bundle), expect=60)


@pytest.mark.parametrize(
    ("person", "key", "code", "words"),
    [
        ("verifier1", "operator1", 44, "is not the key of one whose role is verifier"),
        ("somebody", "operator1", 2, "nobody is called somebody"),
        ("operator1", "custodian", 44, "is not the key of one whose role is operator"),
    ],
)
def test_nobody_signs_with_anothers_key(drilled: Desk, person: str, key: str, code: int, words: str) -> None:
    assert words in sign(drilled, person, key=key, expect=code)


def test_one_word_of_each_person(drilled: Desk) -> None:
    sign(drilled, "operator1")
    assert "signed drill" in sign(drilled, "operator1", expect=64)
    assert "needs a reason" in sign(drilled, "verifier1", "--object", expect=2)


def test_a_superseded_drill_stays(drilled: Desk) -> None:
    words = ("drill", "supersede", "01KB3W0T", "--reason", "wrong server", "--as", "operator1")
    drilled.drorch(*words).says("is superseded: ledger entry 2 in disk, vault")
    drilled.drorch("evidence", "verify", DRILL).says("superseded", "wrong server", "OK")


def test_a_superseded_drill_says_so_in_lists_and_proves_nothing(drilled: Desk) -> None:
    drilled.drorch("catalog", "rebuild")
    assert drilled.drorch("drill", "list", "--json").json()["drills"][0]["superseded_at"] is None
    assert _proves(drilled)
    drilled.drorch("drill", "supersede", "01KB3W0T", "--reason", "wrong server", "--as", "operator1")
    for _ in "here", "and after the catalog was made anew":
        (known,) = drilled.drorch("drill", "list", "--json").json()["drills"]
        assert (known["superseded_at"] is None, known["signatures"]) == (False, [])
        drilled.drorch("drill", "list").says("superseded (pass)")
        drilled.drorch("drill", "list", "--unsigned").says("No drill waits for its verifier.")
        drilled.drorch("drill", "show", DRILL).says("SUPERSEDED on", "by operator1")
        assert not _proves(drilled)
        without_catalog(drilled).drorch("catalog", "rebuild")


def _proves(desk: Desk) -> bool:
    with Wiring(load_settings(desk.base / "drorch.yaml", {})) as wiring:
        return passing_report().source in wiring.catalog().newest_drill_by_source()


def test_a_stamp_that_is_owed_comes_with_the_schedule_and_onto_the_paper(drilled: Desk, tmp_path: Path) -> None:
    file = drilled.base / "drorch.yaml"
    state = load_settings(file, {}).state_directory
    owed, papers = state / "time-stamps-owed", state / "reports"
    drilled.drorch("evidence", "report", DRILL, "--to", str(papers))
    before = sorted(path.read_bytes() for path in papers.iterdir())
    owed.touch()
    with authority(tmp_path) as one:
        file.write_text(f"{file.read_text()}\nevidence: {{timestamp: {one.address}}}\n", encoding="utf-8")
        drilled.drorch("drill", "due").says("Nothing is due.")
        drilled.drorch("evidence", "stamp").says("OK 0 drills stamped, 0 waiting")
    assert not owed.exists()
    drilled.drorch("evidence", "verify", DRILL).says("time-stamp", one.address)
    drilled.drorch("evidence", "report", DRILL, "--to", str(tmp_path / "now"))
    printed = sorted(path.read_bytes() for path in papers.iterdir())
    assert printed == sorted(path.read_bytes() for path in (tmp_path / "now").iterdir())
    assert not set(printed) & set(before)


def test_a_catalog_made_anew_knows_the_drills_and_who_signed(drilled: Desk) -> None:
    sign(drilled, "operator1")
    for path in drilled.base.rglob("catalog.sqlite*"):
        path.unlink()
    assert drilled.drorch("drill", "list", "--json").json()["drills"] == []
    drilled.drorch("catalog", "rebuild").says("OK 0 snapshots listed, 1 drill")
    (known,) = drilled.drorch("drill", "list", "--json").json()["drills"]
    assert (known["drill"], known["verdict"]) == (DRILL, "pass")
    assert [one["person"] for one in known["signatures"]] == ["operator1"]
    drilled.drorch("drill", "show", DRILL).says("PASS", "operator1")
    (drilled.base / "operator1.pub").unlink()
    drilled.drorch("catalog", "rebuild", expect=3).says("who signed drills is not known")


def test_a_catalog_made_anew_takes_the_word_of_people_that_it_knows(drilled: Desk) -> None:
    sign(drilled, "operator1")
    give_key(drilled, "operator1", KeyKind.OPERATOR, of="somebody else")
    for path in drilled.base.rglob("catalog.sqlite*"):
        path.unlink()
    drilled.drorch("catalog", "rebuild")
    (known,) = drilled.drorch("drill", "list", "--json").json()["drills"]
    assert known["signatures"] == []


def without_catalog(desk: Desk) -> Desk:
    """Return the desk as another machine of the same repository finds it."""
    for path in desk.base.rglob("catalog.sqlite*"):
        path.unlink()
    return desk


def test_a_machine_that_did_not_drill_asks_the_stores_who_did(drilled: Desk) -> None:
    other = without_catalog(drilled)
    other.policy(passing_report().policy.name)
    file = other.base / "drorch.yaml"
    file.write_text(f"{file.read_text()}roles: [backup]\n", encoding="utf-8")
    other.drorch("drill", "coverage").says("restored within 90 days: 0 of", "--read-stores reads them now")
    assert other.drorch("drill", "list", "--json").json()["drills"] == []
    answer = other.drorch("drill", "coverage", "--read-stores", "--json").json()
    assert (answer["ok"], answer["problems"]) == (True, [])
    assert [one["drill"] for one in other.drorch("drill", "list", "--json").json()["drills"]] == [DRILL]
    for path in without_catalog(other).base.rglob(f"{DRILL.lower()}.dsse"):
        path.unlink()
    told = other.drorch("drill", "coverage", "--read-stores", expect=3)
    told.says(f"note the statement of drill {DRILL} is missing or altered")


def test_a_statement_that_was_altered_everywhere_is_not_believed(drilled: Desk) -> None:
    for path in drilled.base.rglob(f"{DRILL.lower()}.dsse"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    answer = drilled.drorch("catalog", "rebuild", "--json", expect=3).json()
    assert (answer["drills"], [one["lane"] for one in answer["problems"]]) == (0, ["ledger"])
    assert drilled.drorch("drill", "list", "--json").json()["drills"] == []


def test_a_head_that_was_written_down_is_found_again_until_it_is_cut(drilled: Desk) -> None:
    drilled.drorch("evidence", "log").says("drill", "OK 1 entry, whole in disk and vault")
    sign(drilled, "operator1")
    head = drilled.drorch("evidence", "log", "--json").json()["heads"][0]["digest"]
    drilled.drorch("evidence", "log", "--expect", head[:16]).says("the expected head among them")
    last = [max(drilled.base.glob(f"{store}/ledger/*/*")) for store in ("disk", "vault")]
    last[0].unlink()
    drilled.drorch("evidence", "log", expect=3).says("disk: lacks 1 segment")
    drilled.drorch("evidence", "log", "--expect", head, expect=60).says("disk does not hold the head")
    last[1].unlink()
    drilled.drorch("evidence", "log")
    drilled.drorch("evidence", "log", "--expect", head, expect=60).says("no store holds the head")
    drilled.drorch("evidence", "log", "--expect", "zz", expect=2)


def test_a_file_that_is_no_bundle_or_not_there_is_told_as_a_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "no.zip").mkdir()
    for name in ("gone.zip", "no.zip", "x" * 300 + ".zip"):
        desk.drorch("evidence", "verify", str(tmp_path / name), expect=2).says(
            "cannot be read", "drorch evidence export"
        )
    (tmp_path / "other.zip").write_bytes(b"PK")
    desk.drorch("evidence", "verify", str(tmp_path / "other.zip"), expect=60).says("cannot be read")
    desk.drorch("evidence", "verify", "01KB3W0T", "--trust", "y" * 300, expect=2).says("a file of trusted signers")


def test_what_does_not_exist_is_told(drilled: Desk) -> None:
    drilled.drorch("evidence", "verify", "01KZZZZZ", expect=66).says("the ledger has no drill 01KZZZZZ")
    drilled.drorch("evidence", "export", "2019-01", expect=66)
    drilled.drorch("keys", "trust", "add", "nothing.pub", expect=43)
