"""The problems of an overview, the worst first; what has one cause is told once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drorch.cli.status.fitting import NAMES_LENGTH, first_names
from drorch.cli.status.moments import Moments
from drorch.cli.status.problem_lines import alarm_lines, alert_blocks, policy_problem_lines, problem_lines
from drorch.operations.causes import Failure, cause_of
from drorch.operations.estate.alarms import AlarmKind
from drorch.operations.overview import Overview, SourceStanding, Standing, Trouble
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.quantities import format_promise

_WORDS = {
    Standing.NEVER: "LATE",
    Standing.LATE: "LATE",
    Standing.GONE: "GONE",
    Standing.OPEN: "OPEN",
    Standing.FAILED: "FAILED",
    Standing.MISSED: "MISSED",
    Standing.PARTIAL: "COPIES",
}
_ABOVE_SOURCES = (AlertCode.SNAPSHOT_WITHHELD, AlertCode.SNAPSHOT_FOREIGN, AlertCode.DAEMON_DOWN, AlertCode.DISK_FULL)


class Problems:
    """What is wrong, as blocks of lines."""

    def __init__(self, found: Overview, alerts: Sequence[Alert], moments: Moments) -> None:
        self._found = found
        self._alerts = alerts
        self._moments = moments

    def blocks(self) -> Iterator[list[str]]:
        """Yield the lines of each problem, the worst first; sources of one policy with one cause are one problem."""
        if self._found.policy_problems:
            yield list(policy_problem_lines(self._found.policy_problems))
        notes = [alarm for alarm in self._found.alarms if alarm.kind.is_only_a_note]
        yield from alert_blocks(alert for alert in self._alerts if alert.code in _ABOVE_SOURCES)
        yield from (alarm_lines(alarm) for alarm in self._found.alarms if alarm.kind is AlarmKind.UNASKED)
        for group in _rolled_up(one for one in self._found.sources if one.trouble is not None):
            yield self._single(group[0]) if len(group) == 1 else self._many(group)
        for alarm in self._found.alarms:
            if alarm.kind in (AlarmKind.COUNT, AlarmKind.OPEN):
                yield alarm_lines(alarm)
        yield from alert_blocks(alert for alert in self._alerts if alert.code not in _ABOVE_SOURCES)
        yield from (alarm_lines(alarm) for alarm in notes)

    def _single(self, one: SourceStanding) -> list[str]:
        trouble = one.trouble or Trouble(text="")
        text = trouble.text
        if one.standing is Standing.GONE and one.last_seen_at is not None:
            text = f"on the server until {self._moments.day(one.last_seen_at)}, not since"
        return problem_lines(_WORDS[one.standing], one.address, text, trouble.details, trouble.remedy)

    def _many(self, group: Sequence[SourceStanding]) -> list[str]:
        """Return the lines of sources of one policy that share what is wrong with them."""
        first = group[0]
        policy, standing = first.policy, first.standing
        promised = sum(one.policy == policy for one in self._found.protected)
        text = f"{len(group)} of {promised} sources: {self._told_of_many(group)}"
        cause = _cause(first)
        names = first_names((one.address.removeprefix(f"{policy}/") for one in group), NAMES_LENGTH - len(cause))
        remedy = {
            Standing.GONE: "drorch source retire SOURCE --reason TEXT",
            Standing.OPEN: f"drorch policy show {policy} --at TIME",
            Standing.NEVER: f"drorch backup {policy} --failed",
            Standing.PARTIAL: f"drorch backup {policy}",
        }.get(standing, f"drorch backup {policy} --failed")
        return problem_lines(_WORDS[standing], policy, text, f"{cause}: {names}" if cause else names, remedy)

    def _told_of_many(self, group: Sequence[SourceStanding]) -> str:
        first = group[0]
        target = first.rpo_target_seconds
        promise = "" if target is None else f", promised {format_promise(target)}"
        if first.standing is Standing.LATE:
            ages = [one.rpo_actual_seconds for one in group if one.rpo_actual_seconds is not None]
            return f"oldest {int(max(ages) // 3600)}h ago{promise}" if ages else f"late{promise}"
        return {
            Standing.NEVER: f"no good snapshot yet{promise}",
            Standing.GONE: "their servers have them no longer",
            Standing.OPEN: "no policy protects them any more",
            Standing.FAILED: "the last run failed, still inside the RPO",
            Standing.MISSED: "were due, nothing ran",
            Standing.PARTIAL: "newest snapshot not in every store",
        }[first.standing]


def _rolled_up(troubled: Iterable[SourceStanding]) -> list[list[SourceStanding]]:
    """Return sources that have one thing wrong together: of one policy, in one state, for one cause."""
    groups: dict[tuple[str, str, str], list[SourceStanding]] = {}
    for one in troubled:
        is_of_many = one.address != one.policy
        key = (one.policy, one.standing.value, _cause(one)) if is_of_many else (one.address, "", "")
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _cause(one: SourceStanding) -> str:
    """Return why the last run of a source failed, in few words; empty when that is not what is wrong with it."""
    last, trouble = one.last_run, one.trouble
    if last is None or trouble is None or trouble.name is None or last.error_slug is None:
        return ""
    failure = Failure(slug=last.error_slug, message=last.error_message or "", found=last.hint or "")
    return cause_of(one.address, failure).text
