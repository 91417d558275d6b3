"""Restore tests made in a line, beside a policy that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from drorch.policy.document import PolicyText
from drorch.policy.restore_tests.loading import LoadedTests, TestFacts, load_restore_tests
from drorch.policy.restore_tests.model import RestoreTest
from tests.support.policies import POSTGRESQL, load

MANY = POSTGRESQL.replace("name: land", "name: districts").replace("database: land", 'databases: {match: ["land_d*"]}')
FACTS = TestFacts(
    zone=ZoneInfo("Asia/Ho_Chi_Minh"),
    stores=("hanoi", "dalat"),
    sandboxes=("drill-pg",),
    people=("operator1", "verifier1"),
    notifications=("duty-team", "head-of-office"),
    policies=load(POSTGRESQL, MANY).require(),
)


def load_tests(*texts: str, files: Mapping[str, str] | None = None, facts: TestFacts = FACTS) -> LoadedTests:
    """Return what comes of files called ``a.yaml``, ``b.yaml``, ... and SQL ``files`` beside them."""
    found = [
        PolicyText(file=f"{letter}.yaml", content=text.encode())
        for letter, text in zip("abcdefgh", texts, strict=False)
    ]
    questions = {name: PolicyText(file=name, content=text.encode()) for name, text in (files or {}).items()}
    return load_restore_tests(found, facts, questions)


def restore_test_of(text: str, **more: object) -> RestoreTest:
    """Return the one test of ``text``, which has no problem."""
    loaded = load_tests(text, **more)  # type: ignore[arg-type]
    assert loaded.problems == ()
    return loaded.tests[0]
