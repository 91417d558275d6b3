"""What the sysadmin wants to be drilled, as frozen values. Made only by ``loading``; every value has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from drorch.policy.schedule import Schedule

LATEST = "latest"
RANDOM = "random"
ROTATE = "rotate"
AUTO = "auto"
# The checks that a test may leave out, by their names in ``evidence.drill_checks``, which this layer does not import; a test compares them.
SKIPPABLE = ("content", "probes", "schema", "constraints", "encoding", "queries", "files", "controls")


class Scenario(Enum):
    """What is taken to have happened; the values are those of ``evidence.drill_report.Scenario``."""

    SINGLE_DATABASE = "single_database"
    ONE_TABLE = "one_table"
    FIRST_STORE_LOST = "first_store_lost"
    BAD_CUT_OVER = "bad_cut_over"
    COLD_START = "cold_start"
    CUSTODIANS = "custodians"


# Their place: a module in ``operations.drills.scenarios``, a value above and one in ``evidence.drill_report``.
LATER_SCENARIOS = ("ransomware_walk_back", "whole_site")


class Stratum(Enum):
    """By what a sample is spread: the longest not drilled first, or small and large ones alike."""

    LAST_DRILLED = "last_drilled"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The answer to a question: a number, bounds of one, or the SHA-256 of the answer's text."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """Say it in words; a digest shortened, for it stands for a value that nobody shall read."""
        if self.digest is not None:
            return f"digest {self.digest[:8]}..{self.digest[-4:]}"
        if self.exactly is not None:
            return str(self.exactly)
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with a known answer, asked of what was restored: ``sql`` yields one value."""

    name: str
    sql: str
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """So many sources of a policy are drawn by lot."""

    count: int
    stratify: tuple[Stratum, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who drills and who verifies, by their names in ``people:`` of drorch.yaml; the command line may name others."""

    operator: str | None = None
    verifier: str | None = None
    observers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnObjectives:
    """What this test promises otherwise than the policy; ``None``: as the policy says."""

    rpo_seconds: int | None = None
    rto_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTest:
    """One restore test. ``policy`` is ``POLICY``, all of its sources, or ``POLICY/NAME``; ``text`` is what its digest is of."""

    name: str
    policy: str
    description: str = ""
    schedule: Schedule | None = None
    snapshot: str = LATEST
    store: str = ROTATE
    sandbox: str = AUTO
    scenario: Scenario = Scenario.SINGLE_DATABASE
    tables: tuple[str, ...] = ()
    queries: tuple[Question, ...] = ()
    objectives: OwnObjectives = field(default_factory=OwnObjectives)
    people: People = field(default_factory=People)
    notify: tuple[str, ...] | None = None
    timeout_seconds: int | None = None
    skip: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sample: Sample | None = None
    file: str = ""
    text: str = field(default="", repr=False)


def plain_test(address: str) -> RestoreTest:
    """Return the test of a source that has none of its own: every standard check, no questions."""
    return RestoreTest(name=address, policy=address, text=f"name: {address}\npolicy: {address}\n")
