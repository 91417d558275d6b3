"""``drorch evidence log``: the ledger, its heads, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time, printable, utc_time, wrapped
from drorch.cli.repositories import Where, repository, store_options
from drorch.evidence.ledger import NumberedEntry, ProblemKind
from drorch.ids import grouped
from drorch.operations.proof import log
from drorch.operations.proof.log import LogReport
from drorch.quantities import counted

SHOWN_ENTRIES = 20


@click.command(
    epilog="Example: drorch evidence log --expect 9c41-d202-77e0-51ab",
    short_help="Show the ledger, compare its copies.",
)
@click.option("--expect", metavar="HEAD", help="A head that you wrote down: fail unless every store still holds it.")
@click.option(
    "--last", "count", type=click.IntRange(0), default=SHOWN_ENTRIES, metavar="N", help="How many entries are shown."
)
@store_options
@common_options
def command(expect: str | None, count: int, where: Where, invocation: Invocation) -> int:
    """Read the ledger in every store, compare the stores, and show its last entries and heads.

    Write a head down, or get it by post: whoever cuts the ledger, in all stores, cannot cut that.
    """
    with invocation.wiring(invocation.settings_or_bare()) as wiring:
        opened = repository(wiring, where, invocation.output)
        report = log.run(opened, expect)
        zone = str(wiring.settings.time_zone)
    if invocation.output.as_json:
        invocation.output.document("drorch.evidence-log/1", _document(report))
    elif not invocation.output.quiet or report.exit_code:
        invocation.output.lines(_lines(report, count, zone))
    return report.exit_code


def _lines(report: LogReport, count: int, zone: str) -> Iterator[str]:
    entries = report.ledger.entries()
    for one in entries[len(entries) - count :] if count else ():
        yield from wrapped(printable(_entry_line(report, one, zone)), 8)
    if entries:
        yield ""
    for chain in report.ledger.chains.values():
        last = chain.segments[-1]
        yield f"head  {grouped(last.digest.raw[:16])}  {chain.signer}, {counted(last.next_entry - 1, 'entry')}"
    for problem in report.ledger.problems:
        word = "note" if problem.kind is ProblemKind.BEHIND else "FAIL"
        where = f"{problem.where}: " if problem.where else ""
        yield from wrapped(printable(f"  {word}  {where}{problem.words}"), 8)
    for store, error in report.ledger.unreadable.items():
        yield from wrapped(printable(f"  note  {store} was not read: {error.message}"), 8)
    yield from wrapped(_verdict(report, len(entries)), 4)


def _entry_line(report: LogReport, one: NumberedEntry, zone: str) -> str:
    entry, signer = one.entry, report.ledger.chains[one.chain].signer
    more = " ".join(str(entry.facts[name]) for name in ("source", "verdict", "person") if entry.facts.get(name))
    return f"{one.number:>6,}  {local_time(entry.at, zone)[:16]}  {entry.kind.value:<14}  {entry.subject}  {more}  {signer}"


def _verdict(report: LogReport, count: int) -> str:
    stores = " and ".join(report.ledger.heads)
    if report.wanted and report.expected is None:
        return (
            f"FAIL  no store holds the head {report.wanted[:16]}...: entries were cut, or it is of another repository"
        )
    if report.lacking:
        return f"FAIL  {' and '.join(report.lacking)} does not hold the head {report.wanted[:16]}..."
    if report.ledger.alarms:
        return "FAIL  somebody altered or removed something in the ledger"
    if report.ledger.problems or report.ledger.unreadable:
        return f"PARTIAL  {counted(count, 'entry')} whole; a store is behind or away and follows with the next entry"
    return f"OK  {counted(count, 'entry')}, whole in {stores}" + (
        ", the expected head among them" if report.wanted else ""
    )


def _document(report: LogReport) -> dict[str, object]:
    ledger = report.ledger
    return {
        "ok": report.exit_code == 0,
        "expected": report.wanted or None,
        "expected_found": report.expected is not None,
        "lacking": list(report.lacking),
        "heads": [
            {
                "signer": chain.signer,
                "chain": str(identity),
                "segment": chain.head.number,
                "entries": chain.segments[-1].next_entry - 1,
                "digest": str(chain.head.digest),
                "stores": {store: heads[identity].number for store, heads in ledger.heads.items() if identity in heads},
            }
            for identity, chain in ledger.chains.items()
        ],
        "entries": [
            {
                "number": one.number,
                "chain": str(one.chain),
                "at": utc_time(one.entry.at),
                "kind": one.entry.kind.value,
                "subject": one.entry.subject,
                "facts": dict(one.entry.facts),
                "documents": [{"name": each.name, "sha256": str(each.digest)} for each in one.entry.documents],
            }
            for one in ledger.entries()
        ],
        "problems": [{"kind": one.kind.value, "store": one.where, "words": one.words} for one in ledger.problems],
        "unreadable": [{"store": store, "message": error.message} for store, error in ledger.unreadable.items()],
    }
