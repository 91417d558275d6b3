"""Statements: the one form that is taken, and verdicts that their checks do not bear out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.errors import EvidenceBroken
from drorch.evidence.drill_checks import Check, Outcome
from drorch.evidence.drill_report import DrillReport, Verdict
from drorch.evidence.statement import encode_statement, read_statement
from drorch.evidence.statement_text import encode_text
from tests.support.drill_reports import drill_report
from tests.support.statements import ok, passing_report

RAW = encode_statement(passing_report())
VALUE: dict[str, Any] = json.loads(RAW)


@pytest.mark.parametrize("report", [passing_report(), drill_report()], ids=["pass", "fail"])
def test_a_statement_says_what_the_report_said(report: DrillReport) -> None:
    assert read_statement(encode_statement(report)) == report


def test_the_answer_stands_first_and_the_subjects_are_what_it_is_about() -> None:
    assert list(VALUE) == ["_type", "subject", "predicateType", "predicate"]
    sections = list(VALUE["predicate"])
    assert sections == ["verdict", "identity", "who", "what", "where", "proof", "after", "seal", "record"]
    assert next(iter(VALUE["predicate"]["verdict"])) == "verdict"
    assert [one["name"].split()[0] for one in VALUE["subject"]] == ["snapshot", "policy", "restore", "drorch"]


def test_what_was_not_measured_is_null_and_never_zero() -> None:
    value = json.loads(encode_statement(drill_report()))["predicate"]["verdict"]["rto"]
    assert value == {"target_ms": 28_800_000, "actual_ms": None, "not_measured": "the data is not usable"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


PLACES = sorted(places(VALUE), key=str)


def changed(path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> bytes:
    value = copy.deepcopy(VALUE)
    inner: Any = value
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return encode_text(value)


def set_to(new: Any) -> Callable[[Any, Any], None]:
    return lambda inner, key: inner.__setitem__(key, new)


def is_refused(raw: bytes) -> bool:
    try:
        read_statement(raw)
    except EvidenceBroken:
        return True
    return raw == RAW


def test_no_field_can_be_of_another_type() -> None:
    accepted = [path for path in PLACES for new in ([7], {"a": 1}) if not is_refused(changed(path, set_to(new)))]
    assert accepted == []


def test_no_field_can_be_missing() -> None:
    """But for the items of the record's lists and maps: with one less it is another report, which was not signed."""
    fields = [one for one in PLACES if isinstance(one[-1], str) and one[-2:-1] != ("excluded",)]
    accepted = [path for path in fields if not is_refused(changed(path, lambda inner, key: inner.pop(key)))]
    assert accepted == []


def test_no_field_can_be_added() -> None:
    beside = [path for path in PLACES if isinstance(path[-1], str) and path[-2:-1] != ("excluded",)]
    accepted = [path for path in beside if not is_refused(changed((*path[:-1], "more"), set_to(None)))]
    assert accepted == []


def test_what_people_read_cannot_differ_from_what_was_recorded() -> None:
    shown = [one for one in PLACES if "record" not in one]
    assert [path for path in shown if not is_refused(changed(path, set_to("something else")))] == []


@settings(max_examples=300)
@given(place=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
def test_an_altered_byte_is_refused_or_makes_another_report(place: int, bit: int) -> None:
    """That another report was not signed is the envelope's matter; nothing may read as the same."""
    altered = bytearray(RAW)
    altered[place] ^= 1 << bit
    try:
        report = read_statement(bytes(altered))
    except EvidenceBroken:
        return
    assert report != passing_report()


def spelled_otherwise() -> Iterator[bytes]:
    yield RAW + b" "
    yield RAW.replace(b'":', b'": ', 1)
    yield json.dumps(VALUE, ensure_ascii=True, separators=(",", ":")).encode()
    yield json.dumps(VALUE, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    yield RAW[:-1] + b',"_type":"x"}'
    yield b"{}"
    yield b"[]"
    yield b"\xff"
    yield b"[" * 100_000
    yield RAW.replace(b"23100", b"23100.0", 1)


@pytest.mark.parametrize("raw", list(spelled_otherwise()))
def test_another_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceBroken):
        read_statement(raw)


def with_outcome(check: Check, outcome: Outcome, verdict: Verdict) -> DrillReport:
    report = passing_report()
    checks = tuple(replace(one, outcome=outcome) if one.check is check else one for one in report.checks)
    return replace(report, checks=checks, verdict=verdict)


LIES = {
    "a pass beside a failed check": with_outcome(Check.SCHEMA, Outcome.FAIL, Verdict.PASS),
    "findings beside a failed check": with_outcome(Check.SCHEMA, Outcome.FAIL, Verdict.PASS_WITH_FINDINGS),
    "inconclusive beside a failed check": with_outcome(Check.SCHEMA, Outcome.FAIL, Verdict.INCONCLUSIVE),
    "a pass beside an inconclusive check": with_outcome(Check.FILES, Outcome.INCONCLUSIVE, Verdict.PASS),
    "findings beside an inconclusive check": with_outcome(
        Check.FILES, Outcome.INCONCLUSIVE, Verdict.PASS_WITH_FINDINGS
    ),
    "a pass with a finding": with_outcome(Check.ENCODING, Outcome.FINDING, Verdict.PASS),
    "a fail without a failed check": replace(passing_report(), verdict=Verdict.FAIL),
    "a pass that compared nothing": replace(passing_report(), checks=(ok(Check.RESTORE),)),
    "a pass without a snapshot": replace(passing_report(), snapshot=None),
    "a pass with a check left out": replace(
        passing_report(), test=replace(passing_report().test, left_out={"files": "none"})
    ),
    "one check twice": replace(passing_report(), checks=(*passing_report().checks, ok(Check.FILES))),
    "one person in two roles": replace(passing_report(), people=replace(passing_report().people, verifier="operator1")),
}


@pytest.mark.parametrize("report", LIES.values(), ids=LIES)
def test_a_verdict_that_the_checks_do_not_bear_out_is_neither_written_nor_read(
    report: DrillReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EvidenceBroken, match="contradicts itself"):
        encode_statement(report)
    with monkeypatch.context() as patch:
        patch.setattr("drorch.evidence.statement.contradiction", lambda _report: None)
        raw = encode_statement(report)
    with pytest.raises(EvidenceBroken, match="contradicts itself"):
        read_statement(raw)
