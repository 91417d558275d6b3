"""The lines of a problem: a word for how bad it is, whose it is, what is wrong, and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drorch.cli.output import printable, wrapped
from drorch.cli.status.fitting import NAMES_LENGTH, first_names
from drorch.operations.estate.alarms import Alarm, AlarmKind
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.policy.problems import Problem
from drorch.quantities import counted

_ALARM_WORDS = {
    AlarmKind.UNASKED: "FAILED",
    AlarmKind.COUNT: "COUNT",
    AlarmKind.OPEN: "OPEN",
    AlarmKind.TWICE: "note",
}
_ALERT_WORDS = {
    AlertCode.SNAPSHOT_WITHHELD: "HIDDEN",
    AlertCode.SNAPSHOT_FOREIGN: "FOREIGN",
    AlertCode.DAEMON_DOWN: "DAEMON",
    AlertCode.DISK_FULL: "FULL",
    AlertCode.SIZE_COLLAPSED: "SHRUNK",
    AlertCode.DRILL_FAILED: "DRILL",
    AlertCode.RTO_MISSED: "DRILL",
    AlertCode.DRILL_OVERDUE: "DRILL",
    AlertCode.EVIDENCE_UNSIGNED: "UNSIGNED",
    AlertCode.LOCK_SHORT: "LOCK",
    AlertCode.STORE_AWAY: "AWAY",
    AlertCode.NOTIFICATION_FAILED: "NOTIFY",
}


def policy_problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield the lines about policies that cannot be read."""
    first = problems[0]
    files = len({problem.file for problem in problems})
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    subject = first.file if files == 1 else f"{files} policy files"
    yield from wrapped(f"  FAILED  {subject}   not loaded: {count}", 10)
    yield from wrapped(f"          {first.location}  {first.message}", 10)
    yield "          try: drorch policy validate"


def alert_blocks(alerts: Iterable[Alert]) -> Iterator[list[str]]:
    """Yield the lines of each alert; many of one policy and one kind are one problem."""
    groups: dict[tuple[AlertCode, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.code, alert.policy or alert.subject), []).append(alert)
    for (code, _), group in groups.items():
        first, word = group[0], _ALERT_WORDS.get(code, "note")
        if len(group) == 1:
            yield problem_lines(word, first.subject, printable(first.text), printable(first.details), first.remedy)
            continue
        names = first_names((one.subject.removeprefix(f"{first.policy}/") for one in group), NAMES_LENGTH)
        yield problem_lines(word, first.policy, f"{counted(len(group), 'source')}: {first.text}", names, first.remedy)


def alarm_lines(alarm: Alarm) -> list[str]:
    """Return the lines about a server, or about a policy as a whole."""
    return problem_lines(_ALARM_WORDS[alarm.kind], alarm.subject, printable(alarm.text), alarm.details, alarm.remedy)


def problem_lines(word: str, subject: str, text: str, details: str, remedy: str) -> list[str]:
    """Return the lines of one problem; ``details`` and ``remedy`` may be empty."""
    indent = 4 + len(word)
    lines = wrapped(f"  {word}  {subject}   {text}", indent)
    lines += wrapped(" " * indent + details, indent) if details else []
    return [*lines, *(wrapped(f"{' ' * indent}try: {remedy}", indent) if remedy else [])]
