"""The numbered steps of a verification, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from drorch.errors import EvidenceBroken, SignerUnknown


class StepOutcome(Enum):
    """What one step showed; the value is the first word of its line."""

    OK = "ok"
    NOTE = "note"
    UNKNOWN = "unknown"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at; ``found`` says what, in a clause."""

    name: str
    outcome: StepOutcome
    found: str


def exit_code_of(steps: Iterable[Step]) -> int:
    """Return 60 when a step failed, 61 when one could not say who signed, else 0."""
    outcomes = {step.outcome for step in steps}
    if StepOutcome.FAIL in outcomes:
        return EvidenceBroken.exit_code
    return SignerUnknown.exit_code if StepOutcome.UNKNOWN in outcomes else 0
