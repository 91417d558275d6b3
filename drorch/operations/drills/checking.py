"""What all checks share: taking the time, and saying that a check could not be carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from drorch.clock import Clock
from drorch.errors import Bug, DrorchError, IntegrityError, Interrupted, StoreError, TargetError, TargetFull, Terminated
from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome

ENDS_A_DRILL = (Interrupted, Terminated, Bug)  # no result of any check
_RANK = (Outcome.OK, Outcome.FINDING, Outcome.INCONCLUSIVE, Outcome.FAIL)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome that weighs most; ``OK`` when there is none."""
    return max(outcomes, key=_RANK.index, default=Outcome.OK)


def timed(clock: Clock, check: Check, title: str, carry_out: Callable[[], CheckResult]) -> CheckResult:
    """Carry a check out and say how long it took. An error of ours is a result: the drill goes on and tells it.

    What was damaged or refused its statement fails the check; what kept it from being carried out makes it inconclusive.
    """
    started = clock.monotonic_seconds()
    try:
        result = carry_out()
    except ENDS_A_DRILL:
        raise
    except DrorchError as error:
        result = failed_by(check, title, error)
    return taking(clock, result, started)


def taking(clock: Clock, result: CheckResult, started: float) -> CheckResult:
    """Return the result with the time since ``started``."""
    return replace(result, duration_ms=round((clock.monotonic_seconds() - started) * 1_000))


def failed_by(check: Check, title: str, error: DrorchError) -> CheckResult:
    """Return the result of a check that an error ended."""
    is_damage = isinstance(error, IntegrityError | TargetError)
    is_damage = is_damage and not isinstance(
        error, StoreError | TargetFull
    )  # a disk that is full says nothing of the backup
    found = error.message + (f": {error.found}" if error.found else "")
    return CheckResult(
        check=check,
        title=title,
        outcome=Outcome.FAIL if is_damage else Outcome.INCONCLUSIVE,
        expected=error.expected or "the check carried out",
        found=found,
        differences=(Difference(name=error.slug, expected=error.expected or "no error", found=found),),
        told=(f"{title}: {found}",),
    )


def left_out(check: Check, title: str, reason: str) -> CheckResult:
    """Return the result of a check that the restore test leaves out: a finding, never silence."""
    return CheckResult(
        check=check,
        title=title,
        outcome=Outcome.FINDING,
        expected="carried out",
        found=f"left out: {reason}",
        note="left out",
        told=(f"{title}: left out by the restore test: {reason}",),
    )


def of_differences(
    differences: Sequence[Difference], *, outcome: Outcome = Outcome.FAIL, most: int = 20
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Return the first differences and a sentence for each, and one more for those that are not listed."""
    told = [sentence(one) for one in differences[:most]]
    if len(differences) > most:
        told.append(f"and {len(differences) - most:,} more")
    return tuple(differences[:most]) if outcome is not Outcome.OK else (), tuple(told)


def sentence(difference: Difference) -> str:
    """Return a difference in one sentence."""
    more = f"; first difference: {difference.first}" if difference.first else ""
    return f"{difference.name}: expected {difference.expected}, found {difference.found}{more}"
