"""The report of a drill on paper: the answer on page 1, then what it rests on. A rendering: the signed statement is the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial

from drorch.evidence.drill_checks import Check
from drorch.evidence.drill_report import SCHEDULE, DrillReport, Measured, Verdict
from drorch.evidence.sign_off import PersonRole, SignOff
from drorch.ids import Digest, grouped
from drorch.operations.error_words import ERRORS_IN_VIETNAMESE
from drorch.operations.proof.finding_words import in_vietnamese
from drorch.operations.proof.paper_words import Language, in_words
from drorch.paper.blocks import Answer, Block, Facts, Grid, Notes, Page, Signatures, Tone, pairs
from drorch.quantities import counted, format_size, format_span

_TONES: dict[Verdict, Tone] = {
    Verdict.PASS: "good",
    Verdict.PASS_WITH_FINDINGS: "good",
    Verdict.FAIL: "bad",
    Verdict.INCONCLUSIVE: "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPaper:
    """What goes onto the paper: the report, the digest of its signed statement, its place in the ledger, and who signed."""

    report: DrillReport
    digest: Digest
    entry: int
    head: Digest
    signed: tuple[SignOff, ...]
    timestamp: str


def drill_page(paper: DrillPaper, language: Language, zone: tzinfo) -> Page:
    """Return the page in that language, times in that zone."""
    report, say, tell = paper.report, partial(in_words, language), partial(_told, language)
    blocks: list[Block] = [_answer(paper, language), _signatures(paper, language, zone)]
    blocks += [_system(report, language, zone), _restored(report, language, zone), _checks(report, language)]
    causes = _causes(report)
    findings = tuple(_of_error(text, causes, language) if text in causes else tell(text) for text in report.findings)
    blocks.append(Notes(title=say("Findings"), texts=findings or (say("none"),)))
    moments = tuple((say(one.name), local(one.at, zone)) for one in report.timeline)
    blocks.append(Grid(title=say("Timeline"), head=(say("Moment"), say("Time")), rows=moments, widths=(1, 2)))
    blocks.append(_how_to_check(paper, language))
    return Page(
        title=say("Restore drill report"),
        subtitle=f"{report.drill} · {report.system_name} · {local(report.declared_at, zone)}",
        language=language,
        foot=f"{report.drill}  {paper.digest}",
        blocks=tuple(blocks),
    )


def local(moment: datetime, zone: tzinfo) -> str:
    """Return ``22/11/2026 10:15:02 +07:00``."""
    text = f"{moment.astimezone(zone):%d/%m/%Y %H:%M:%S %z}"
    return f"{text[:-2]}:{text[-2:]}"


def _answer(paper: DrillPaper, language: Language) -> Answer:
    report, say = paper.report, partial(in_words, language)
    place = say("entry {number}, head {head}").format(number=f"{paper.entry:,}", head=grouped(paper.head.raw[:16]))
    return Answer(
        word=say(report.verdict.value.replace("_", " ")).upper(),
        tone=_TONES[report.verdict],
        statement=_sentence(report, language),
        figures=(
            (say("RTO (recovery time)"), _measured(report.rto, language)),
            (say("RPO (data loss)"), _measured(report.rpo, language)),
            (say("Digest of the statement"), _in_groups(paper.digest)),
            (say("Ledger"), place),
        ),
    )


def _in_groups(digest: Digest) -> str:
    """Return all digits, in groups that may be broken into lines."""
    text = str(digest)
    return " ".join(text[start : start + 16] for start in range(0, len(text), 16))


def _sentence(report: DrillReport, language: Language) -> str:
    """Return the machine's sentence; in Vietnamese what it comes to, where there is more to say the English words follow."""
    if language == "en" or report.snapshot is None:
        return report.summary
    things = {"tables": "bảng", "files": "tệp"}.get(report.snapshot.things, report.snapshot.things)
    if report.verdict in (Verdict.PASS, Verdict.PASS_WITH_FINDINGS):
        return f"Khôi phục đủ {report.snapshot.tables:,} {things}, nội dung bằng bản chụp dữ liệu."
    words = "Dữ liệu không trở lại như bản chụp" if report.verdict is Verdict.FAIL else "Chưa chứng minh được"
    return f"{words}: {in_vietnamese(report.summary)}"


def _measured(one: Measured, language: Language) -> str:
    say = partial(in_words, language)
    target = format_span(one.target_ms / 1000)
    if one.actual_ms is None:
        return f"{say('not measured')} ({target})"
    seconds = one.actual_ms / 1000
    actual = f"{seconds:.1f} s" if seconds < 100 else format_span(seconds)
    return say("{actual} of at most {target}").format(actual=actual, target=target)


def _system(report: DrillReport, language: Language, zone: tzinfo) -> Facts:
    say = partial(in_words, language)
    rows: list[tuple[str, str | None]] = [
        (say("System"), f"{report.system_name} ({report.source})"),
        (say("Security level"), str(report.policy.security_level)),
        (say("Owner"), report.policy.owner),
        (say("Policy"), f"{report.policy.name}  {report.policy.text_digest[:16]}"),
        (say("Legal basis"), "; ".join(report.policy.legal_basis) or None),
        (say("Scenario"), say(report.scenario.value).replace("_", " ")),
        (say("Declared"), local(report.declared_at, zone)),
        (say("Carried out"), _carried_out(report, language, zone)),
    ]
    return Facts(title=say("System"), rows=pairs(rows, "–"))


def _carried_out(report: DrillReport, language: Language, zone: tzinfo) -> str:
    """Return by whom: a person, or a machine alone when it was due."""
    say, operator, due = partial(in_words, language), report.people.operator, report.test.scheduled_for
    if report.test.trigger == SCHEDULE:
        when = "–" if due is None else local(due, zone)
        return say("unattended: machine {host}, due {when}").format(host=report.machine.host, when=when)
    return say("by hand on {host}").format(host=report.machine.host) + (f", {operator}" if operator else "")


def _restored(report: DrillReport, language: Language, zone: tzinfo) -> Facts:
    say, tell, used = partial(in_words, language), partial(_told, language), report.snapshot
    rows: list[tuple[str, str | None]] = [(say("Snapshot"), None)]
    if used is not None:
        amounts = (tell(counted(used.tables, used.things.removesuffix("s"))), tell(counted(used.rows, "row")))
        rows = [
            (say("Snapshot"), f"{used.id} ({tell(used.selection.value)})"),
            (say("Restore point"), local(used.restore_point, zone)),
            (say("Copy used"), f"{used.store}{'' if used.site is None else f', {used.site}'}"),
            (say("Engine"), f"{used.engine} {used.engine_version}"),
            (say("Size"), ", ".join((format_size(used.size_bytes), *amounts))),
        ]
    sandbox = report.sandbox
    rows.append((say("Sandbox"), None if sandbox is None else "; ".join(map(tell, (sandbox.kind, *sandbox.isolation)))))
    return Facts(title=say("What was restored"), rows=pairs(rows, "–"))


def _checks(report: DrillReport, language: Language) -> Grid:
    say, tell = partial(in_words, language), partial(_told, language)
    made, causes = {result.check: result for result in report.checks}, _causes(report)
    rows = []
    for check in Check:
        result = made.get(check)
        if result is None:
            rows.append((say(check.value), say("left out"), tell(report.test.left_out.get(check.value, "–")), "–"))
        else:
            found = _of_error(result.found, causes, language) if result.found in causes else tell(result.found or "–")
            told = (tell(result.expected or "–"), found)
            rows.append((say(check.value), say(result.outcome.value), *told))
    head = (say("Check"), say("Result"), say("Expected"), say("Found"))
    return Grid(title=say("Checks"), head=head, rows=tuple(rows), widths=(3, 2, 4, 4))


def _causes(report: DrillReport) -> dict[str, str]:
    """Return the texts that tell of an error, with the slug of its class: what a lower layer said is not ours to translate."""
    found: dict[str, str] = {}
    for result in report.checks:
        slug = next((one.name for one in result.differences if one.name in ERRORS_IN_VIETNAMESE), None)
        if slug is not None:
            found |= dict.fromkeys((result.found, *result.told), slug)
    return found


def _of_error(text: str, causes: Mapping[str, str], language: Language) -> str:
    """Return a text about an error; in Vietnamese its kind comes first and the words of the program that met it follow."""
    if language == "en":
        return text
    told = in_vietnamese(text)
    return f"{ERRORS_IN_VIETNAMESE[causes[text]]} (nguyên văn: {told})"


def _told(language: Language, text: str) -> str:
    return in_vietnamese(text) if language == "vi" else text


def _signatures(paper: DrillPaper, language: Language, zone: tzinfo) -> Signatures:
    say = partial(in_words, language)
    boxes = tuple((say(role.value.capitalize()), _signed(paper.signed, role, language, zone)) for role in PersonRole)
    return Signatures(title=say("Sign-off"), boxes=boxes)


def _signed(words: Sequence[SignOff], role: PersonRole, language: Language, zone: tzinfo) -> str:
    said = next((word for word in words if word.role is role), None)
    if said is None:
        return in_words(language, "not signed yet")
    form = "signed by {name}, key {key}" if said.agrees else "OBJECTS: {name}, key {key}"
    text = in_words(language, form).format(name=said.name, key=grouped(said.key.raw[:8]))
    return f"{text}, {local(said.at, zone)}" + (f". {said.comment}" if said.comment else "")


def _how_to_check(paper: DrillPaper, language: Language) -> Notes:
    say = partial(in_words, language)
    words = "This page is a rendering. The signed statement with this digest is the original; check it by:"
    return Notes(
        title=say("How to check"),
        texts=(
            f"{say(words)} drorch evidence verify {paper.report.drill}",
            f"drorch evidence log --expect {grouped(paper.head.raw[:16])}",
            f"{say('Time-stamp')}: {say(paper.timestamp)}",
        ),
    )
