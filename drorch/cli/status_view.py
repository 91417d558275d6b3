"""One overview at 80 columns, on one screen: problems first, what has one cause told once, one line for each policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from drorch import __version__
from drorch.cli.daemon_line import daemon_words
from drorch.cli.output import WIDTH, local_time, printable, table, wrapped
from drorch.operations.causes import Failure, cause_of
from drorch.operations.estate.alarms import Alarm, AlarmKind
from drorch.operations.occurrences.standing import DaemonStanding, DaemonState
from drorch.operations.overview import Overview, SourceStanding, Standing, Trouble
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.operations.watch.decide import SHOWN_BY_OVERVIEW
from drorch.operations.watch.facts import PROVEN, Facts
from drorch.policy.problems import Problem
from drorch.quantities import format_promise, format_size
from drorch.settings import Settings

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WORDS = {
    Standing.NEVER: "LATE",
    Standing.LATE: "LATE",
    Standing.GONE: "GONE",
    Standing.OPEN: "OPEN",
    Standing.FAILED: "FAILED",
    Standing.MISSED: "MISSED",
    Standing.PARTIAL: "COPIES",
}
_ALARM_WORDS = {
    AlarmKind.UNASKED: "FAILED",
    AlarmKind.COUNT: "COUNT",
    AlarmKind.OPEN: "OPEN",
    AlarmKind.TWICE: "note",
}
_ALERT_WORDS = {
    AlertCode.SNAPSHOT_WITHHELD: "HIDDEN",
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
_ABOVE_SOURCES = (AlertCode.SNAPSHOT_WITHHELD, AlertCode.DAEMON_DOWN, AlertCode.DISK_FULL)
_PROVEN_WITHIN = timedelta(days=90)
_LEAST_PROBLEM_LINES = 6
_NAMES_LENGTH = 55  # a line of details, and how many more there are
_ALL = "drorch status --all"


class View:
    """Lines for people. ``most_lines`` is what fits on their screen, ``None`` for everything."""

    def __init__(
        self,
        found: Overview,
        daemon: DaemonStanding,
        settings: Settings,
        host: str,
        *,
        most_lines: int | None,
        alerts: Sequence[Alert] = (),
        facts: Facts | None = None,
    ) -> None:
        self._found = found
        self._daemon = daemon
        self._alerts = [alert for alert in alerts if alert.code not in SHOWN_BY_OVERVIEW]
        self._facts = facts
        self._settings = settings
        self._host = host
        self._zone = str(settings.time_zone)
        self._most_lines = most_lines

    def lines(self, *, only: str | None) -> list[str]:
        """Return everything: header, problems, table, sums. ``only`` is the policy or source that was asked for."""
        header, sums = self._header(), self._sums()
        rows = self._by_policy() if only is None else self._by_source()
        problems = list(self._problems())
        more = _ALL if only is None else f"drorch status {only} --all"
        if self._most_lines is not None:
            room = self._most_lines - len(header) - len(sums) - 2 - (2 if problems else 0)
            for_problems = max(_LEAST_PROBLEM_LINES, room - _height(rows))
            problems = _cut_problems(problems, for_problems, more)
            rows = _cut_rows(rows, room - _height(problems), more)
        shown = ["", "PROBLEMS", *(line for problem in problems for line in problem)] if problems else []
        return [*header, *shown, "", *(line for row in rows for line in row), "", *sums]

    def _header(self) -> list[str]:
        local = self._found.at.astimezone(self._settings.time_zone)
        shown = local_time(self._found.at, self._zone)
        moment = f"{_DAYS[local.weekday()]} {shown[:16]} {shown[20:]}"
        name = f"drorch {__version__} on {self._host}, {self._settings.file}"
        if len(name) + 2 + len(moment) <= WIDTH:
            return [name.ljust(WIDTH - len(moment)) + moment]
        return [*wrapped(name, 2), moment.rjust(WIDTH)]

    # -- problems

    def _problems(self) -> Iterator[list[str]]:
        """Yield the lines of each problem, the worst first; sources of one policy with one cause are one problem."""
        if self._found.policy_problems:
            yield list(_policy_problem_lines(self._found.policy_problems))
        notes = [alarm for alarm in self._found.alarms if alarm.kind.is_only_a_note]
        yield from _alert_blocks(alert for alert in self._alerts if alert.code in _ABOVE_SOURCES)
        yield from (_alarm_lines(alarm) for alarm in self._found.alarms if alarm.kind is AlarmKind.UNASKED)
        for group in _rolled_up(one for one in self._found.sources if one.trouble is not None):
            yield self._single(group[0]) if len(group) == 1 else self._many(group)
        for alarm in self._found.alarms:
            if alarm.kind in (AlarmKind.COUNT, AlarmKind.OPEN):
                yield _alarm_lines(alarm)
        yield from _alert_blocks(alert for alert in self._alerts if alert.code not in _ABOVE_SOURCES)
        yield from (_alarm_lines(alarm) for alarm in notes)

    def _single(self, one: SourceStanding) -> list[str]:
        trouble = one.trouble or Trouble(text="")
        text = trouble.text
        if one.standing is Standing.GONE and one.last_seen_at is not None:
            text = f"on the server until {self._day(one.last_seen_at)}, not since"
        return _problem_lines(_WORDS[one.standing], one.address, text, trouble.details, trouble.remedy)

    def _many(self, group: Sequence[SourceStanding]) -> list[str]:
        """Return the lines of sources of one policy that share what is wrong with them."""
        first = group[0]
        policy, standing = first.policy, first.standing
        promised = sum(one.policy == policy for one in self._found.protected)
        text = f"{len(group)} of {promised} sources: {self._told_of_many(group)}"
        cause = _cause(first)
        names = _some((one.address.removeprefix(f"{policy}/") for one in group), _NAMES_LENGTH - len(cause))
        remedy = {
            Standing.GONE: "drorch source retire SOURCE --reason TEXT",
            Standing.OPEN: f"drorch policy show {policy} --at TIME",
            Standing.NEVER: f"drorch backup {policy} --failed",
            Standing.PARTIAL: f"drorch backup {policy}",
        }.get(standing, f"drorch backup {policy} --failed")
        return _problem_lines(_WORDS[standing], policy, text, f"{cause}: {names}" if cause else names, remedy)

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

    # -- tables

    def _by_policy(self) -> list[list[str]]:
        head = ("POLICY", "SOURCES", "LAST GOOD", "RPO", "COPIES", "LAST DRILL", self._next())
        by_policy: dict[str, list[SourceStanding]] = {}
        for one in self._found.protected:
            by_policy.setdefault(one.policy, []).append(one)
        if not by_policy:
            return [wrapped("There is no policy yet. `drorch policy new NAME` writes one.", 0)]
        return _table_with_long_names([head, *(self._row(name, sources) for name, sources in by_policy.items())])

    def _row(self, name: str, sources: Sequence[SourceStanding]) -> tuple[str, ...]:
        inside = sum(one.is_inside_rpo for one in sources)
        good = [one.newest_good.restore_point for one in sources if one.newest_good is not None]
        promise = format_promise(sources[0].rpo_target_seconds or 0)
        due = [one.due_at for one in sources if one.due_at is not None]
        worst = min(sources, key=lambda one: one.copies_complete)
        return (
            name,
            str(len(sources)) if inside == len(sources) else f"{inside}/{len(sources)}",
            self._moment(max(good)) if good else "never",
            f"{promise} {'ok' if inside == len(sources) else 'LATE'}",
            f"{worst.copies_complete} of {worst.copies_promised}",
            self._drill(sources),
            self._due(min(due)) if due else "",
        )

    def _drill(self, sources: Sequence[SourceStanding]) -> str:
        """Return the newest drill of any source of a policy: its verdict and its age."""
        drills = {} if self._facts is None else self._facts.last_drills
        own = [drills[one.address] for one in sources if one.address in drills]
        if not own:
            return "never"
        newest = max(own, key=lambda drill: drill.ended_at)
        word = "pass" if newest.verdict in PROVEN else newest.verdict
        return f"{word} {(self._found.at - newest.ended_at).days:>3}d"

    def _proven_line(self, promised: Sequence[SourceStanding]) -> str:
        passed = {} if self._facts is None else self._facts.passed_drills
        since = self._found.at - _PROVEN_WITHIN
        proven = sum(one.address in passed and passed[one.address].ended_at >= since for one in promised)
        return f"Proven     {proven} of {len(promised)} were restored by a drill in the last {_PROVEN_WITHIN.days} days"

    def _copies_line(self, promised: Sequence[SourceStanding]) -> str:
        complete = sum(one.copies_complete == one.copies_promised > 0 for one in promised)
        away = [alert for alert in self._alerts if alert.code is AlertCode.STORE_AWAY]
        told = "; ".join(f"{alert.subject}: {alert.text.partition(';')[0]}" for alert in away)
        line = f"Copies     {complete} of {len(promised)} are in every store of their policy"
        return f"{line}; {told}" if told else line

    def _delta_lines(self) -> list[str]:
        """Return how much of what was read did not have to be stored again, in words; nothing where nothing was read."""
        good = [one.newest_good for one in self._found.protected if one.newest_good is not None]
        read, stored = sum(one.bytes_read for one in good), sum(one.bytes_stored for one in good)
        if not read:
            return []
        share = 100 * stored / read
        return [
            f"Stored     {format_size(stored)} for {format_size(read)} read by the newest snapshots ({share:.1f} %)"
        ]

    def _by_source(self) -> list[list[str]]:
        rows = [("SOURCE", "SNAPSHOT", "LAST GOOD", "RPO", "COPIES", "LAST RUN", self._next())]
        for one in self._found.sources:
            if one.standing is Standing.CLOSED and not one.copies_promised:
                continue  # retired, or of a policy that is no more: `drorch source list` has it
            good = one.newest_good
            promise = "" if one.rpo_target_seconds is None else format_promise(one.rpo_target_seconds)
            rows.append(
                (
                    one.address,
                    "" if good is None else good.snapshot[:8],
                    "never" if good is None else self._moment(good.restore_point),
                    f"{promise} {'ok' if one.is_inside_rpo else 'LATE'}" if promise else "",
                    f"{one.copies_complete} of {one.copies_promised}",
                    "running" if one.is_running else "" if one.last_run is None else one.last_run.state.value,
                    "" if one.due_at is None else self._due(one.due_at),
                )
            )
        return _table_with_long_names(rows)

    def _next(self) -> str:
        """Return the heading over when something is due: only a daemon that lives will run it then."""
        return "NEXT RUN" if self._daemon.state is DaemonState.RUNNING else "NEXT DUE"

    def _moment(self, moment: datetime) -> str:
        local, today = moment.astimezone(self._settings.time_zone), self._found.at.astimezone(self._settings.time_zone)
        if local.date() == today.date():
            return f"today {local:%H:%M}"
        return f"{local:%d/%m %H:%M}" if (today - local).days < 300 else f"{local:%d/%m/%Y}"

    def _day(self, moment: datetime) -> str:
        return self._moment(moment).removeprefix("today ").split()[0]

    def _due(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._settings.time_zone):%d/%m %H:%M}"

    # -- sums

    def _sums(self) -> list[str]:
        promised = self._found.protected
        total = len(promised)
        running = [one.address for one in self._found.sources if one.is_running]
        daemon = daemon_words(self._daemon, self._settings.time_zone)
        daemon += f"; running now: {_some(running, _NAMES_LENGTH)}" if running else ""
        lines = []
        if total:
            lines.append(_protected_line(promised))
            lines.append(self._proven_line(promised))
            lines += wrapped(self._copies_line(promised), 11)
            lines += self._delta_lines()
        return [*lines, *wrapped(f"Daemon     {daemon}", 11)]


def _protected_line(promised: Sequence[SourceStanding]) -> str:
    inside = sum(one.is_inside_rpo for one in promised)
    gone = sum(one.standing is Standing.GONE for one in promised)
    late = len(promised) - inside - gone
    text = f"Protected  {inside} of {len(promised)} sources are inside their RPO"
    counts = ", ".join(f"{count} {word}" for count, word in ((late, "late"), (gone, "gone")) if count)
    return f"{text}{f'({counts})':>{WIDTH - len(text)}}" if counts else text


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


def _some(names: Iterable[str], room: int) -> str:
    """Return the first of the names, as many as fit, and how many more there are."""
    every = list(names)
    shown: list[str] = []
    for name in every:
        if shown and len(" ".join([*shown, name])) > room:
            break
        shown.append(name)
    left = len(every) - len(shown)
    return printable(" ".join(shown)) + (f" and {left} more" if left else "")


def _policy_problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    first = problems[0]
    files = len({problem.file for problem in problems})
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    subject = first.file if files == 1 else f"{files} policy files"
    yield from wrapped(f"  FAILED  {subject}   not loaded: {count}", 10)
    yield from wrapped(f"          {first.location}  {first.message}", 10)
    yield "          try: drorch policy validate"


def _alert_blocks(alerts: Iterable[Alert]) -> Iterator[list[str]]:
    """Yield the lines of each alert; many of one policy and one kind are one problem."""
    groups: dict[tuple[AlertCode, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.code, alert.policy or alert.subject), []).append(alert)
    for (code, _), group in groups.items():
        first, word = group[0], _ALERT_WORDS.get(code, "note")
        if len(group) == 1:
            yield _problem_lines(word, first.subject, printable(first.text), printable(first.details), first.remedy)
            continue
        names = _some((one.subject.removeprefix(f"{first.policy}/") for one in group), _NAMES_LENGTH)
        yield _problem_lines(word, first.policy, f"{len(group)} sources: {first.text}", names, first.remedy)


def _alarm_lines(alarm: Alarm) -> list[str]:
    return _problem_lines(_ALARM_WORDS[alarm.kind], alarm.subject, printable(alarm.text), alarm.details, alarm.remedy)


def _problem_lines(word: str, subject: str, text: str, details: str, remedy: str) -> list[str]:
    indent = 4 + len(word)
    lines = wrapped(f"  {word}  {subject}   {text}", indent)
    lines += wrapped(" " * indent + details, indent) if details else []
    return [*lines, *(wrapped(f"{' ' * indent}try: {remedy}", indent) if remedy else [])]


def _cut_problems(problems: Sequence[list[str]], room: int, more: str) -> list[list[str]]:
    """Return the problems that fit into ``room`` lines, the first in any case, and a line about the others."""
    kept: list[list[str]] = []
    for position, problem in enumerate(problems):
        is_last = position == len(problems) - 1
        used = _height(kept)
        if kept and used + len(problem) + (not is_last) > room:
            return [*kept, [f"  and {len(problems) - position} more: {more}"]]
        kept.append(problem)
    return kept


def _cut_rows(rows: list[list[str]], room: int, more: str) -> list[list[str]]:
    """Return the head and as many rows as fit, and a line about the others."""
    if _height(rows) <= room:
        return rows
    kept = 2
    while kept < len(rows) and _height(rows[: kept + 1]) < room:
        kept += 1
    return [*rows[:kept], [f"and {len(rows) - kept} more: {more}"]]


def _height(blocks: Iterable[list[str]]) -> int:
    return sum(len(block) for block in blocks)


def _table_with_long_names(rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return the rows of the table, head first; a name that would push it over 80 columns gets a line of its own."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    shown = [(row[0] if len(row[0]) <= room else "", *row[1:]) for row in rows]
    lines = zip(rows, table(shown, right=frozenset({1})), strict=True)
    return [[line] if len(row[0]) <= room else [row[0], line] for row, line in lines]
