"""How a drill is told: as it goes, line by line, and its verdict at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from drorch.cli.output import WIDTH, Output, labelled, local_time, printable, utc_time, wrapped
from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome
from drorch.evidence.drill_document import report_document
from drorch.evidence.drill_report import DrillReport, Measured, Selection, Verdict
from drorch.ids import SHORT_LENGTH
from drorch.operations.drills.request import DrillRequest
from drorch.operations.drills.scenarios.reached import Reached
from drorch.operations.drills.trees import NOTHING_OF_THE_KIND
from drorch.quantities import format_span

if TYPE_CHECKING:
    from drorch.operations.drills.session import Drilled

WORDS = {Outcome.OK: "ok", Outcome.FAIL: "FAIL", Outcome.INCONCLUSIVE: "OPEN", Outcome.FINDING: "note"}
VERDICTS = {
    Verdict.PASS: "PASS",
    Verdict.PASS_WITH_FINDINGS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.INCONCLUSIVE: "OPEN",
}
_TITLE_WIDTH = 29
_TIME_WIDTH = 8
_INDENT = " " * 8
_SELECTIONS = {
    Selection.LATEST: "latest",
    Selection.NAMED: "named",
    Selection.RANDOM: "drawn by lot",
    Selection.BEFORE_CUT_OVER: "pinned before the cut-over",
}


Say = Callable[[list[str]], None]


class Told:
    """Hears a drill and tells it by ``say``: to a person as a page, into a pipe as one line for each check."""

    def __init__(self, output: Output, request: DrillRequest, zone: str, now: datetime, say: Say) -> None:
        self._output = output
        self._say = say
        self._request = request
        self._zone = zone
        self._now = now
        self._is_silent = output.quiet or output.as_json
        if output.is_terminal and not self._is_silent:
            moment = local_time(now, zone)
            say([f"Drill {request.drill[:SHORT_LENGTH]}  {request.promise.address}  {moment}"])

    def reached(self, reached: Reached) -> None:
        """See ``Heard``."""
        if not self._output.is_terminal or self._is_silent:
            return
        manifest = reached.snapshot.link.manifest
        moment = local_time(manifest.restore_point, self._zone)
        age = format_span(max(0.0, (self._now - manifest.restore_point).total_seconds()))
        how = _SELECTIONS[reached.selection]
        text = f"  snapshot {reached.snapshot.short_id} of {moment[:5]} {moment[11:16]} ({how}), copy in {reached.store}, {age} old"
        self._say(wrapped(text, 4))

    def opened(self, description: str) -> None:
        """See ``Heard``."""
        if self._output.is_terminal and not self._is_silent:
            self._say([f"  sandbox: {description}", ""])

    def checked(self, result: CheckResult) -> None:
        """See ``Heard``."""
        if self._is_silent:
            return
        if self._output.is_terminal:
            self._say(check_lines(result) if has_something(result) else [])
            return
        taken = "" if result.duration_ms is None else f" {result.duration_ms / 1000:.1f}s"
        note = f" {printable(result.note)}" if result.note else ""
        first = f"{self._request.promise.address} {WORDS[result.outcome]} {result.check.value}{taken}{note}"
        self._say([first, *_details(result)])


def has_something(result: CheckResult) -> bool:
    """Whether a check had anything to look at; what had not is in the report, and is no line for people."""
    is_question = result.check in (Check.PROBES, Check.QUERIES)
    is_empty = is_question and not result.compared
    return result.outcome is not Outcome.OK or not (is_empty or result.expected == NOTHING_OF_THE_KIND)


def check_lines(result: CheckResult) -> list[str]:
    """Return the line of one check, and what is to be told below it."""
    taken = "" if result.duration_ms is None else _seconds(result.duration_ms)
    line = f"  {WORDS[result.outcome]:<5} {result.title:<{_TITLE_WIDTH}} {taken:>{_TIME_WIDTH}}"
    room = WIDTH - len(line) - 3
    note = printable(result.note)
    if note and len(note) <= room:
        return [f"{line}   {note}".rstrip(), *_details(result)]
    return [line.rstrip(), *(wrapped(f"{_INDENT}{note}", 8) if note else []), *_details(result)]


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 100_000 else format_span(milliseconds / 1000)


def _details(result: CheckResult) -> Iterator[str]:
    if result.outcome is Outcome.OK:
        return
    for difference in result.differences:
        yield from _difference(difference)
    if not result.differences:
        for text in result.told or ((result.found,) if result.outcome is not Outcome.FINDING else ()):
            yield from wrapped(f"{_INDENT}{printable(text)}", 8)


def _difference(difference: Difference) -> Iterator[str]:
    name = printable(difference.name)
    expected, found = (printable(text) for text in (difference.expected, difference.found))
    column = len(_INDENT) + len(name) + 3
    if column + 9 + max(len(expected), len(found)) <= WIDTH:
        yield f"{_INDENT}{name}   expected {expected}"
        yield f"{' ' * column}found    {found}"
    else:
        yield from wrapped(f"{_INDENT}{name}", 8)
        yield from wrapped(f"{_INDENT}  expected {expected}", 19)
        yield from wrapped(f"{_INDENT}  found    {found}", 19)
    if difference.first:
        yield from wrapped(f"{_INDENT}first difference: {printable(difference.first)}", 10)


def ending_lines(drilled: Drilled, zone: str, people: Sequence[str], papers: Sequence[str] = ()) -> list[str]:
    """Return the verdict and what belongs to it; ``people`` are those who have signed, ``papers`` where it is on paper."""
    report = drilled.report
    lines = wrapped(f"{VERDICTS[report.verdict]}  {printable(report.summary)}", 6)
    lines += _measured(report, zone)
    if report.verdict is Verdict.FAIL:
        lines.append("  production was not touched; every other snapshot is still as it was")
    lines += _signed(report, people)
    lines += _evidence(drilled)
    lines += labelled("report", ", ".join(papers), column=14) if papers else []
    for label, text in _next(report, people):
        lines += labelled(label, text, column=14)
    return lines


def _measured(report: DrillReport, zone: str) -> list[str]:
    last = (
        "" if report.before is None or report.before.rto_ms is None else f"last drill {_seconds(report.before.rto_ms)}"
    )
    newest = "" if report.newest_record is None else f"newest record in it: {_newest(report.newest_record, zone)}"
    found = []
    for label, measured, beside in (("RTO", report.rto, last), ("RPO", report.rpo, newest)):
        found += wrapped(f"  {label}   {_objective(measured):<22} {beside}".rstrip(), 8)
    return found


def _newest(text: str, zone: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return printable(text)
    return local_time(moment, zone) if moment.tzinfo is not None else printable(text)


def _objective(measured: Measured) -> str:
    promised = format_span(measured.target_ms / 1000)
    if measured.actual_ms is None:
        return f"{measured.not_measured}    (promised {promised})"
    missed = "" if measured.is_met else "  MISSED"
    return f"{_seconds(measured.actual_ms)} of {promised}{missed}"


def _signed(report: DrillReport, people: Sequence[str]) -> list[str]:
    waited_for = [one for one in (report.people.operator, report.people.verifier) if one and one not in people]
    by = ", ".join((f"{report.machine.host} (machine key)", *people))
    return labelled("signed by", by + (f"; not yet by {', '.join(waited_for)}" if waited_for else ""), column=14)


def _evidence(drilled: Drilled) -> list[str]:
    if drilled.recorded is None:
        error = drilled.not_recorded
        reason = "" if error is None else f" ({error.message})"
        return labelled("evidence", f"in this machine's catalog only{reason}", column=14)
    recorded = drilled.recorded
    text = f"{', '.join(recorded.stores)}: {recorded.name}, ledger entry {recorded.number:,}"
    away = "".join(f"; not in {name}: {error.message}" for name, error in recorded.failures.items())
    return labelled("evidence", text + away, column=14)


def _next(report: DrillReport, people: Sequence[str]) -> Iterator[tuple[str, str]]:
    if report.verdict is Verdict.FAIL and report.snapshot is not None:
        yield "next", f"drorch drill run {report.test.name} --snapshot latest"
        yield "", f"drorch verify {report.snapshot.id[:SHORT_LENGTH]} --read-data 100"
        return
    if report.verdict is Verdict.INCONCLUSIVE:
        yield "next", f"give the drill what it lacked, then drorch drill run {report.test.name}"
        return
    for person in (report.people.verifier,):
        if person and person not in people:
            yield "next", f"verifier: drorch drill sign {report.drill[:SHORT_LENGTH]} --as {person}"


def piped_line(drilled: Drilled) -> str:
    """Return the last line into a pipe."""
    report = drilled.report
    rto = "" if report.rto.actual_ms is None else f" rto={report.rto.actual_ms / 1000:.1f}s"
    rpo = "" if report.rpo.actual_ms is None else f" rpo={report.rpo.actual_ms // 1000}s"
    stores = "none" if drilled.recorded is None else ",".join(drilled.recorded.stores)
    snapshot = "none" if report.snapshot is None else report.snapshot.id[:SHORT_LENGTH]
    word = VERDICTS[report.verdict]
    return f"{report.source} {word} {report.drill[:SHORT_LENGTH]} snapshot={snapshot}{rto}{rpo} evidence={stores}: {printable(report.summary)}"


def drilled_document(drilled: Drilled, papers: Sequence[str] = ()) -> dict[str, object]:
    """Return one drill the way ``--json`` shows it."""
    recorded = drilled.recorded
    evidence = None
    if recorded is not None:
        evidence = {
            "name": recorded.name,
            "sha256": str(recorded.digest),
            "entry": recorded.number,
            "head": str(recorded.head.digest),
            "stores": list(recorded.stores),
        }
    return {
        "drill": drilled.report.drill,
        "source": drilled.report.source,
        "verdict": drilled.report.verdict.value,
        "objectives_met": drilled.report.objectives_met,
        "declared_at": utc_time(drilled.report.declared_at),
        "summary": drilled.report.summary,
        "report": report_document(drilled.report),
        "evidence": evidence,
        "papers": list(papers),
        "not_recorded": None if drilled.not_recorded is None else drilled.not_recorded.message,
    }
