"""Verifying a drill: by the reader's keys only, step by step, with every way in which evidence was ever faked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drorch.errors import EvidenceBroken, EvidenceUnknown, SignOffRefused, UsageInvalid
from drorch.evidence.drill_report import Selection
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.ledger_segment import chain_of
from drorch.evidence.sign_off import PersonRole, TrustedPerson
from drorch.evidence.steps import StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.format.keyfile import KeyKind, PublicKey
from drorch.format.signing import SigningKey
from drorch.operations.proof import signing, verifying
from drorch.operations.proof.reading import read_ledger
from drorch.operations.proof.verifying import Verification
from tests.support.drill_reports import DECLARED, drill_report
from tests.support.evidence import DRAW, TRUSTED, Bench, bench, drawn_bench, undrawn
from tests.support.ledgers import DRILL_HOST, WRITER, filled, objects
from tests.support.repositories import ManualClock, seed
from tests.support.statements import (
    OPERATOR,
    OPERATOR_PERSON,
    VERIFIER,
    VERIFIER_PERSON,
    passing_report,
    person,
)

DRILL = passing_report().drill
MONTH = f"{ManualClock().now():%Y-%m}"


def verify(bench: Bench, wanted: str = DRILL, trusted: TrustedKeys = TRUSTED) -> Verification:
    return verifying.run(bench.dossier(), wanted, trusted)


def outcome(verification: Verification, name: str) -> set[StepOutcome]:
    return {step.outcome for step in verification.steps if step.name == name}


def failures(verification: Verification) -> str:
    return "; ".join(f"{step.name}: {step.found}" for step in verification.steps if step.outcome is StepOutcome.FAIL)


def signed_bench() -> Bench:
    made = bench()
    made.drill()
    made.both_sign()
    return made


def test_a_drill_that_two_people_signed_verifies_by_root_and_peoples_keys() -> None:
    verification = verify(signed_bench())
    assert (verification.exit_code, failures(verification)) == (0, "")
    assert [step.name for step in verification.steps] == [
        "trust root",
        "ledger",
        "signature",
        "statement",
        "sign-off",
        "sign-off",
        "time-stamp",
    ]


def test_a_failed_drill_verifies_just_as_well() -> None:
    made = bench()
    made.drill(undrawn(drill_report()))
    verification = verify(made, drill_report().drill)
    assert verification.exit_code == 0
    assert verification.drills[0].entry.entry.kind is EntryKind.DRILL_FAILED


def test_what_nobody_signed_is_told_and_no_failure() -> None:
    made = bench()
    made.drill()
    notes = [step.found for step in verify(made).steps if step.outcome is StepOutcome.NOTE]
    assert notes == ["not signed by an operator", "not signed by a verifier", "none"]


@pytest.mark.parametrize(
    ("trusted", "unknown"),
    [
        (TrustedKeys(), {"trust root", "signature", "sign-off"}),
        (replace(TRUSTED, root=bytes(16)), {"trust root", "signature"}),
        (replace(TRUSTED, people=()), {"sign-off"}),
    ],
    ids=["nothing", "another root", "nobody"],
)
def test_who_trusts_no_key_learns_that_it_is_consistent_and_by_nobody(trusted: TrustedKeys, unknown: set[str]) -> None:
    verification = verify(signed_bench(), trusted=trusted)
    assert verification.exit_code == 61
    assert {step.name for step in verification.steps if step.outcome is StepOutcome.UNKNOWN} == unknown
    assert failures(verification) == ""


def test_an_entry_that_says_something_else_of_a_drill_is_found() -> None:
    made = bench()
    report = made.drill()
    (entry,) = verify(made).drills
    lying = replace(entry.entry.entry, facts={**entry.entry.entry.facts, "verdict": "fail"}, subject="01KB9999")
    made.writer.append([lying])
    assert "something else" in failures(verify(made, "01KB9999"))
    assert report.drill == DRILL


def test_a_statement_that_is_gone_or_altered_is_found() -> None:
    made = signed_bench()
    contents = objects(made.store, "")
    name = f"evidence/2026/{DRILL.lower()}.dsse"
    for kept in ({}, {name: contents[name][:-2] + b"}}"}):
        rest = {one: content for one, content in contents.items() if one != name}
        assert verify(Bench(filled({**rest, **kept}))).exit_code == 60


def test_a_sign_off_that_is_gone_or_altered_is_found() -> None:
    made = signed_bench()
    contents = objects(made.store, "")
    names = [one for one in contents if "verifier" in one]
    assert len(names) == 2
    for name in names:
        rest = {one: content for one, content in contents.items() if one != name}
        assert verify(Bench(filled(rest))).exit_code == 60


def test_a_key_that_the_reader_revoked_counts_no_more() -> None:
    made = signed_bench()
    for key in (WRITER, VERIFIER):
        trusted = TRUSTED.with_revoked(key.key_id, DECLARED.replace(year=2020), "stolen")
        assert "revoked" in failures(verify(made, trusted=trusted))
        later = TRUSTED.with_revoked(key.key_id, DECLARED.replace(year=2030), "stolen")
        assert verify(made, trusted=later).exit_code == 0


def test_a_machine_can_be_trusted_by_its_own_key() -> None:
    made = bench()
    made.drill()
    machine = PublicKey(kind=KeyKind.WRITER, label="backup1", public=WRITER.public)
    verification = verify(made, trusted=TrustedKeys().with_key(machine))
    assert outcome(verification, "signature") == {StepOutcome.OK}
    assert outcome(verification, "trust root") == {StepOutcome.UNKNOWN}


# -- people


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (OPERATOR_PERSON, person("verifier1", PersonRole.VERIFIER, OPERATOR)),
        (OPERATOR_PERSON, person("operator1", PersonRole.VERIFIER, VERIFIER)),
        (OPERATOR_PERSON, OPERATOR_PERSON),
    ],
    ids=["one key", "one person, two keys", "twice"],
)
def test_one_person_never_fills_both_roles(first: TrustedPerson, second: TrustedPerson) -> None:
    made = bench()
    made.drill()
    keys = {one.key_id: one for one in (OPERATOR, VERIFIER)}
    made.sign(first, OPERATOR)
    with pytest.raises(SignOffRefused):
        made.sign(second, keys[second.public.key_id])
    assert verify(made).exit_code == 0


@pytest.mark.parametrize("key", [WRITER, DRILL_HOST])
def test_a_machines_key_is_nobody_when_signing_and_when_verifying(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench()
    made.drill()
    robot = person("verifier1", PersonRole.VERIFIER, key)
    with pytest.raises(SignOffRefused, match="machine"):
        made.sign(robot, key)
    with monkeypatch.context() as patch:
        patch.setattr(signing, "require_separate_people", lambda *_: None)
        made.sign(robot, key)
    verification = verify(made, trusted=replace(TRUSTED, people=(robot,)))
    assert (verification.exit_code, "machine" in failures(verification)) == (60, True)


def test_two_roles_by_one_hand_are_found_when_verifying(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench()
    made.drill()
    double = person("operator1", PersonRole.VERIFIER, VERIFIER)
    made.sign(OPERATOR_PERSON, OPERATOR)
    with monkeypatch.context() as patch:
        patch.setattr(signing, "require_separate_people", lambda *_: None)
        made.sign(double, VERIFIER)
    assert "operator and verifier" in failures(verify(made, trusted=replace(TRUSTED, people=(OPERATOR_PERSON, double))))


def test_a_key_that_is_not_the_persons_signs_nothing() -> None:
    made = bench()
    made.drill()
    with pytest.raises(SignOffRefused, match="not verifier1's"):
        made.sign(VERIFIER_PERSON, OPERATOR)


def test_a_person_who_objects_is_heard_and_the_verdict_stays() -> None:
    made = bench()
    made.drill()
    made.sign(VERIFIER_PERSON, VERIFIER, agrees=False)
    verification = verify(made)
    assert verification.exit_code == 0
    assert any("OBJECTS" in step.found for step in verification.steps)


def test_nobody_signs_evidence_that_does_not_hold() -> None:
    made = bench()
    made.drill()
    contents = objects(made.store, "")
    del contents[f"evidence/2026/{DRILL.lower()}.dsse"]
    with pytest.raises(Exception, match="does not hold"):
        Bench(filled(contents)).sign(VERIFIER_PERSON, VERIFIER)


# -- draws


def test_a_draw_is_drawn_again_and_all_that_were_drawn_were_drilled() -> None:
    verification = verify(drawn_bench(), MONTH)
    assert (verification.exit_code, failures(verification)) == (0, "")
    assert len(verification.drills) == 3


@pytest.mark.parametrize("wanted", [MONTH, "01KB3W0T5Q8N2R7T4V6W1Y3Z00"])
def test_a_drawn_source_that_was_not_drilled_is_a_failure(wanted: str) -> None:
    assert "drawn and not drilled" in failures(verify(drawn_bench(drilled=2), wanted))


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"seed": seed("better").hex()}, "not the one that was committed"),
        ({"seed": "zz"}, "cannot be read"),
        ({"list": [["d1", ""], ["d2", ""], ["d3", ""]]}, "list is not the one"),
        ({"excluded": {}}, "list is not the one"),
        ({"drawn": ["d1", "d2", "d3"]}, "draws others"),
        ({"count": 2}, "draws others"),
    ],
    ids=["seed", "no seed", "list", "exclusions", "drawn", "count"],
)
def test_a_draw_that_was_helped_is_found(lies: dict[str, Any], words: str) -> None:
    assert words in failures(verify(drawn_bench(**lies), MONTH))


def test_a_draw_that_was_repeated_until_it_suited_is_found() -> None:
    made = drawn_bench()
    (again,) = [one.entry for one in read_ledger(made.repository).entries() if one.entry.kind is EntryKind.DRAWN]
    made.writer.append([again])
    assert verify(made, MONTH).exit_code == 0, "one that was entered twice after a crash is the same draw"
    made.writer.append([replace(again, facts={**again.facts, "seed": seed("better").hex()})])
    assert "more than once" in failures(verify(made, MONTH))


def test_a_drill_that_claims_a_draw_without_one_is_found() -> None:
    made = bench()
    report = passing_report()
    assert report.snapshot is not None
    assert report.snapshot.selection is Selection.RANDOM
    made.drill(report)
    assert "names no draw" in failures(verify(made))
    made.drill(replace(report, drill="01KB4"), draw="nowhere")
    assert "has no draw nowhere" in failures(verify(made, "01KB4"))


def test_a_drill_of_a_source_that_was_not_drawn_is_found() -> None:
    made = drawn_bench()
    made.drill(replace(passing_report("01KB5"), source="d99"), draw=DRAW)
    assert "d99 is not among those" in failures(verify(made, "01KB5"))


# -- which drill


def test_a_drill_is_found_by_its_first_characters_if_they_are_only_its() -> None:
    made = drawn_bench()
    assert verify(made, "01kb3w0t5q8n2r7t4v6w1y3z01").drills[0].entry.entry.subject.endswith("Z01")
    with pytest.raises(UsageInvalid):
        verify(made, "01KB3W0T")
    for nothing in ("01K", "XXXXXXXX", "2019-01"):
        with pytest.raises(EvidenceUnknown):
            verify(made, nothing)


def test_a_superseded_drill_says_so_and_stays() -> None:
    made = signed_bench()
    made.drill(undrawn(passing_report("01KC0000")))
    signing.supersede(
        "01KB3W0T", "01KC0000", reason="wrong server", person="operator1", trusted=TRUSTED, writer=made.writer
    )
    verification = verify(made)
    assert verification.exit_code == 0
    assert [step.found for step in verification.steps if step.name == "superseded"] == ["by 01KC0000: wrong server"]
    with pytest.raises(UsageInvalid):
        signing.supersede("01KC", "01KC0000", reason="x", person="operator1", trusted=TRUSTED, writer=made.writer)


def test_a_ledger_with_a_gap_is_a_failure_for_what_stands_above_and_below() -> None:
    made = signed_bench()
    made.drill(undrawn(passing_report("01KC0000")))
    contents = objects(made.store, "")
    del contents[f"ledger/{chain_of(WRITER.key_id)}/000000000002"]
    gapped = Bench(filled(contents))
    assert verify(gapped, "01KC0000").exit_code == 60
    with pytest.raises(EvidenceBroken, match="missing or altered"):
        verify(gapped)
