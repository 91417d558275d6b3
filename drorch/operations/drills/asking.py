"""Ask the restored database: the probes of the policy, the questions of the test, and every foreign key for orphans."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence

from drorch.errors import SourceError
from drorch.evidence.drill_checks import Check, CheckResult, Compared, Difference, Outcome
from drorch.operations.drills.checking import of_differences, worst
from drorch.policy.restore_tests.model import Expected, Question
from drorch.quantities import counted
from drorch.sources.interface import Asks, DatabaseProof

PROBES, QUERIES, CONSTRAINTS = "probes answer as at the backup", "known answers", "foreign keys, sequences"
_LONGEST_ANSWER = 40


def ask_probes_again(asks: Asks, probes: Mapping[str, str], answered: Mapping[str, str]) -> CheckResult:
    """Ask what was asked inside the snapshot; ``answered`` are the answers of then. A probe that was not asked then proves nothing."""
    compared: list[Compared] = []
    differences: list[Difference] = []
    for name in sorted({*probes, *answered}):
        one, difference = _probe(asks, name, probes.get(name), answered.get(name))
        compared.append(one)
        differences += [] if difference is None else [difference]
    return _of_answers(Check.PROBES, "probe", compared, differences)


def _probe(asks: Asks, name: str, sql: str | None, then: str | None) -> tuple[Compared, Difference | None]:
    if sql is None:
        return _open(name, "asked", "the policy has it no longer, so it was not asked again", Outcome.FINDING)
    if then is None:
        return _open(name, "an answer of the backup", "it was not asked then: the policy is newer", Outcome.FINDING)
    try:
        now = asks.ask(sql)
    except SourceError as error:
        return _open(name, _shown(then), f"not answered: {error.message}", Outcome.INCONCLUSIVE)
    if now == then or _is_same_number(now, then):
        return Compared(name=name, outcome=Outcome.OK, expected=_shown(then), found=_shown(now)), None
    return _open(name, _shown(then), _shown(now), Outcome.FAIL)


def ask_questions(asks: Asks, questions: Sequence[Question]) -> CheckResult:
    """Ask the questions of the test; one that no row answers shows nothing, so it is no pass."""
    compared: list[Compared] = []
    differences: list[Difference] = []
    for question in questions:
        one, difference = _question(asks, question)
        compared.append(one)
        differences += [] if difference is None else [difference]
    return _of_answers(Check.QUERIES, "query", compared, differences)


def _question(asks: Asks, question: Question) -> tuple[Compared, Difference | None]:
    expected = str(question.expected)
    try:
        answer = asks.ask(question.sql)
    except SourceError as error:
        why = "no single value" if "0 rows" in error.found else error.message
        return _open(question.name, expected, f"not answered: {why}", Outcome.INCONCLUSIVE)
    if not answer:
        return _open(question.name, expected, "no answer (NULL or nothing)", Outcome.INCONCLUSIVE)
    found, is_met = _judged(question.expected, answer)
    if is_met:
        return Compared(name=question.name, outcome=Outcome.OK, expected=expected, found=found), None
    return _open(question.name, expected, found, Outcome.FAIL)


def _judged(expected: Expected, answer: str) -> tuple[str, bool]:
    """Return what may be shown of the answer, and whether it is the expected one. A text is never shown: it may be somebody's name."""
    if expected.digest is not None:
        digest = hashlib.sha256(unicodedata.normalize("NFC", answer).encode()).hexdigest()
        return str(Expected(digest=digest)), digest == expected.digest
    try:
        number = float(answer)
    except ValueError:
        return "an answer that is no number", False
    if expected.exactly is not None:
        return _number(answer, number), number == expected.exactly
    low, high = expected.at_least, expected.at_most
    return _number(answer, number), (low is None or number >= low) and (high is None or number <= high)


def _number(answer: str, number: float) -> str:
    return answer if len(answer) <= _LONGEST_ANSWER else repr(number)


def _is_same_number(one: str, other: str) -> bool:
    """Whether two texts are one number: servers of other versions print floats otherwise, dates and names never so."""
    if one.isdigit() or other.isdigit():  # counts and codes are exact
        return False
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-6)
    except ValueError:
        return False


def find_orphans(asks: Asks, proof: DatabaseProof, sequences: int, *, content_is_equal: bool) -> CheckResult:
    """Count rows without parents. Where the content is that of the backup they were there before, which somebody should know."""
    found = list(proof.orphans(asks))
    compared: list[Compared] = []
    differences: list[Difference] = []
    for key in found:
        outcome = Outcome.OK if key.count == 0 else Outcome.INCONCLUSIVE if key.count is None else Outcome.FAIL
        if outcome is Outcome.FAIL and content_is_equal:
            outcome = Outcome.FINDING
        told = f"not asked: {key.why}" if key.count is None else counted(key.count, "orphan")
        compared.append(Compared(name=key.name, outcome=outcome, expected="0 orphans", found=told))
        if outcome is not Outcome.OK:
            first = "they were so at the backup" if outcome is Outcome.FINDING else ""
            differences.append(Difference(name=key.name, expected="0 orphans", found=told, first=first))
    shown, told_lines = of_differences(differences)
    orphans = sum(key.count or 0 for key in found)
    return CheckResult(
        check=Check.CONSTRAINTS,
        title=CONSTRAINTS,
        outcome=worst(one.outcome for one in compared),
        expected="0 orphans, sequences where they stood",
        found=f"{counted(orphans, 'orphan')} in {counted(len(found), 'foreign key')}, {counted(sequences, 'sequence')} compared with the schema",
        note=counted(orphans, "orphan") if found else "no foreign keys",
        differences=shown,
        compared=tuple(compared),
        told=told_lines,
    )


def _of_answers(
    check: Check, noun: str, compared: Sequence[Compared], differences: Sequence[Difference]
) -> CheckResult:
    good = sum(one.outcome is Outcome.OK for one in compared)
    shown, told = of_differences(differences)
    nouns = noun if len(compared) == 1 else {"query": "queries"}.get(noun, f"{noun}s")
    return CheckResult(
        check=check,
        title=f"{good} of {len(compared)} {nouns}" if compared else f"no {nouns}",
        outcome=worst(one.outcome for one in compared),
        expected=f"{len(compared)} answered as expected",
        found=f"{good}",
        differences=shown,
        compared=tuple(compared),
        told=told,
    )


def _open(name: str, expected: str, found: str, outcome: Outcome) -> tuple[Compared, Difference]:
    return (
        Compared(name=name, outcome=outcome, expected=expected, found=found),
        Difference(name=f'"{name}"', expected=expected, found=found),
    )


def _shown(answer: str) -> str:
    """Return a probe's answer: a number or a time as it is, anything else by its digest."""
    is_plain = answer != "" and len(answer) <= _LONGEST_ANSWER and all(one in "0123456789.+-: TZ" for one in answer)
    if is_plain or not answer:
        return answer or "nothing"
    return str(Expected(digest=hashlib.sha256(answer.encode()).hexdigest()))
