"""Messages in words: short enough for a telephone, what is new first, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from drorch.catalog.interface import AlertRecord, Severity
from drorch.operations.error_words import ALERTS_IN_VIETNAMESE, ERRORS_IN_VIETNAMESE
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.quantities import counted

if TYPE_CHECKING:
    from drorch.operations.watch.telling import Notice

MOST_NAMES = 12
MOST_GROUPS = 15
_WORDS = {Severity.ERROR: "PROBLEM", Severity.WARNING: "WARNING", Severity.INFO: "note"}


def message_text(
    host: str, fresh: Sequence[Alert], solved: Sequence[AlertRecord], notices: Sequence[Notice] = ()
) -> tuple[str, str]:
    """Return title and body of a message about what is new and what is over."""
    counts = ((len(fresh) + len(notices), "new"), (len(solved), "over"))
    title = f"drorch on {host}: " + ", ".join(f"{count} {word}" for count, word in counts if count)
    lines = [f"{_WORDS[notice.severity]}  {notice.text}" for notice in notices]
    lines += list(_grouped(fresh))
    lines += list(_over(solved))
    return title, "\n".join([*lines, "", "drorch status shows everything."])


def digest_text(host: str, alerts: Sequence[Alert], summary: Iterable[str]) -> tuple[str, str]:
    """Return title and body of the message of the day: how everything stands, and what is still wrong."""
    count = len(alerts)
    state = "all is well" if not count else f"{count} open problem{'s' if count > 1 else ''}"
    lines = [*summary, *([""] if alerts else []), *_grouped(alerts)]
    return f"drorch on {host}: {state}", "\n".join(lines)


def _grouped(alerts: Sequence[Alert]) -> Iterator[str]:
    """Yield the lines of alerts, those of one policy and one kind together."""
    groups: dict[tuple[AlertCode, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.code, alert.policy or alert.subject), []).append(alert)
    for position, ((code, _), group) in enumerate(groups.items()):
        if position == MOST_GROUPS:
            yield f"... and {counted(len(groups) - MOST_GROUPS, 'kind')} of problems more"
            return
        yield from _group_lines(code, group)


def _group_lines(code: AlertCode, group: Sequence[Alert]) -> Iterator[str]:
    first = group[0]
    word = _WORDS[code.severity]
    if len(group) == 1:
        yield f"{word}  {first.subject}: {first.text}  ({code.value})"
        if first.details:
            yield f"    {first.details}"
    else:
        yield f"{word}  {first.policy}: {counted(len(group), 'source')}: {first.text}  ({code.value})"
        yield f"    {_names([one.subject for one in group])}"
    if first.remedy:
        yield f"    try: {first.remedy}"
    yield f"    {_in_vietnamese(code, group)}"


def _in_vietnamese(code: AlertCode, group: Sequence[Alert]) -> str:
    """Return what kind of problem it is, and why, where one kind of error is behind all of them."""
    causes = {alert.error for alert in group}
    why = ERRORS_IN_VIETNAMESE.get(causes.pop(), "") if len(causes) == 1 else ""
    return ALERTS_IN_VIETNAMESE[code.value] + (f": {why}" if why else "")


def _over(solved: Sequence[AlertRecord]) -> Iterator[str]:
    by_code: dict[str, list[str]] = {}
    for record in solved:
        by_code.setdefault(record.code, []).append(record.subject)
    for code, subjects in by_code.items():
        yield f"OVER  {_names(subjects)}  ({code})"


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
