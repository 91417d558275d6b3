"""``drorch drill coverage``: how much of what is promised was proven lately, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from drorch.cli.drill.told_by_stores import DENIED, recalled
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time, table, utc_time, wrapped
from drorch.errors import PARTIAL
from drorch.operations.drills.due import COVERAGE_DAYS, SourceCoverage, coverage
from drorch.settings import load_policies, load_restore_tests

_SHOWN = 20
_OTHERS = "what other machines drilled is known here as far as the stores were read: --read-stores reads them now"


@click.command(
    epilog="Example: drorch drill coverage --all", short_help="Show how much was proven lately, and what is due."
)
@click.option("--all", "every", is_flag=True, help="Every source, not only those that were not restored.")
@click.option("--read-stores", is_flag=True, help="First read in the stores what other machines drilled.")
@common_options
def command(every: bool, read_stores: bool, invocation: Invocation) -> int:
    """Show how many sources were restored by a drill within 90 days, which were not, and what is due next.

    A daemon reads every quarter of an hour what other machines drilled; --read-stores does it at once. A drill whose statement cannot
    be verified counts for nothing and is named (exit 3).
    """
    settings = invocation.settings()
    policies = load_policies(settings)
    tests = load_restore_tests(settings, policies)
    problems: tuple[str, ...] = ()
    with invocation.wiring(settings) as wiring:
        if read_stores:
            drills, problems = recalled(wiring, wiring.repository())
            problems = (DENIED,) if drills is None else problems
        now = wiring.clock.now()
        found = coverage(policies.policies, tests.tests, wiring.catalog(), now)
    covered = [one for one in found if one.is_covered(now)]
    if invocation.output.as_json:
        document = {
            "ok": not problems,
            "within_days": COVERAGE_DAYS,
            "drilled": len(covered),
            "sources": len(found),
            "next_due": min((one.next_due for one in found if one.next_due), default=None),
            "details": [_document(one, now) for one in found],
            "problems": list(problems),
        }
        invocation.output.document("drorch.drill-coverage/1", document)
    else:
        shown = found if every else [one for one in found if one not in covered]
        lines = _lines(found, len(covered), shown, now, str(settings.time_zone), every=every)
        for problem in problems:
            lines += wrapped(f"note  {problem}", 6)
        if not read_stores and "drill" not in settings.roles and any(one.last is None for one in found):
            lines += wrapped(f"note  {_OTHERS}", 6)
        invocation.output.lines(lines)
    return PARTIAL if problems else 0


def _lines(
    found: Sequence[SourceCoverage],
    covered: int,
    shown: Sequence[SourceCoverage],
    now: datetime,
    zone: str,
    *,
    every: bool,
) -> list[str]:
    lines = [f"restored within {COVERAGE_DAYS} days: {covered:,} of {len(found):,}"]
    due = min((one.next_due for one in found if one.next_due), default=None)
    lines.append(f"next due: {'nothing is scheduled' if due is None else local_time(due, zone)[:16]}")
    if shown:
        most = len(shown) if every else _SHOWN
        rows = [("SOURCE", "LAST DRILL", "VERDICT", "NEXT DUE")]
        rows += [_row(one, now, zone) for one in shown[:most]]
        lines += ["", *table(rows)]
        if len(shown) > most:
            lines.append(f"and {len(shown) - most:,} more; --all lists them")
    return lines


def _row(one: SourceCoverage, now: datetime, zone: str) -> tuple[str, str, str, str]:
    last = "never" if one.last is None else local_time(one.last.declared_at, zone)[:16]
    verdict = "" if one.last is None else one.last.verdict.replace("_", " ")
    due = "no restore test" if not one.tests else "" if one.next_due is None else local_time(one.next_due, zone)[:16]
    return one.source, last + (" LATE" if one.is_overdue(now) else ""), verdict, due


def _document(one: SourceCoverage, now: datetime) -> dict[str, object]:
    return {
        "source": one.source,
        "policy": one.policy,
        "covered": one.is_covered(now),
        "overdue": one.is_overdue(now),
        "last_drill": None
        if one.last is None
        else {"id": one.last.drill, "verdict": one.last.verdict, "declared_at": utc_time(one.last.declared_at)},
        "last_passed_at": None if one.last_passed is None else utc_time(one.last_passed.declared_at),
        "tests": list(one.tests),
        "next_due": None if one.next_due is None else utc_time(one.next_due),
    }
