"""Checks that were not come to: told like any other, so that nothing is missing in a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.operations.drills import located, restoring, wiping
from drorch.operations.drills.proving import NOT_RESTORED, not_carried_out

_ENDED = "the drill ended before"
_STEPS = {
    Check.KEY: located.TITLE,
    Check.RESTORE: restoring.RESTORE,
    Check.CHUNKS: restoring.CHUNKS,
    Check.CONTROLS: restoring.CONTROLS,
    Check.WIPED: wiping.TITLE,
}


def completed(checks: Iterable[CheckResult], why: str = "") -> list[CheckResult]:
    """Return the checks with a result for each that is missing, in the order of reports; ``why`` is told at the first of those."""
    found = {one.check: one for one in checks}
    missing = [one for one in nothing_tried(why or _ENDED, why or NOT_RESTORED) if one.check not in found]
    if Check.WIPED not in found:
        missing[-1] = _nothing_to_wipe(missing[-1])
    if why and missing:
        missing[0] = replace(missing[0], told=(f"{missing[0].title}: {why}",))
    return sorted((*found.values(), *missing), key=_place)


def nothing_tried(why: str, why_not_asked: str = "") -> tuple[CheckResult, ...]:
    """Return every check as one that was not carried out, in the order of reports."""
    steps = [_not_tried(check, title, why) for check, title in _STEPS.items()]
    return tuple(sorted((*steps, *not_carried_out(why_not_asked or why)), key=_place))


def _place(result: CheckResult) -> int:
    return list(Check).index(result.check)


def _not_tried(check: Check, title: str, why: str) -> CheckResult:
    return CheckResult(
        check=check,
        title=title,
        outcome=Outcome.INCONCLUSIVE,
        expected="carried out",
        found=f"not carried out: {why}",
        note="not carried out",
    )


def _nothing_to_wipe(result: CheckResult) -> CheckResult:
    there_was_none = "there was none"
    return replace(result, outcome=Outcome.OK, expected="nothing left", found=there_was_none, note=there_was_none)
