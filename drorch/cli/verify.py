"""``drorch verify``: check that the stores hold what they must."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from drorch import __version__
from drorch.catalog.interface import RollingCheck
from drorch.cli.finite import FiniteRange
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, printable, wrapped
from drorch.cli.private_keys import key_options, read_recipient
from drorch.cli.progress import Silent, observer
from drorch.cli.repositories import Where, repository, store_options
from drorch.errors import UsageInvalid
from drorch.format import names
from drorch.operations import contacts, observing, touched_files, verify
from drorch.operations.rolling import remember, rolling_depth
from drorch.operations.verify import Memory, VerifyRequest
from drorch.quantities import counted, format_duration, format_size
from drorch.repository.findings import CheckReport, Finding, Kind, Level
from drorch.repository.opening import Repository
from drorch.wiring import Wiring, help_files, random_bytes

SHOWN_SNAPSHOTS = 4
SHOWN_STREAMS = 6
SHOWN_FINDINGS = 40
_LONG = re.compile(r"[0-9a-f]{27,}")


@click.command(epilog="Example: drorch verify lamdong-land --read-data 5")
@click.argument("wanted", required=False, metavar="[SNAPSHOT|POLICY[/NAME]]")
@click.option(
    "--read-data",
    "percent",
    type=FiniteRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="Also read this share of what is stored, drawn anew each time.",
)
@click.option("--rolling", is_flag=True, help="Read the share that follows on what was read last: in time, all of it.")
@key_options
@store_options
@common_options
def command(
    wanted: str | None,
    percent: float,
    rolling: bool,
    key_path: Path | None,
    passphrase_file: Path | None,
    where: Where,
    invocation: Invocation,
) -> int:
    """Check every signature, every list, and that each pack is there with its size; change nothing.

    With --read-data a share of the packs is read and compared with its digest; this takes no key. With --key
    everything that is read is decoded as for a restore, and compared with what was captured. --rolling goes on where the last such
    check of each store ended, as the catalog remembers; the daemon does it so.
    """
    if rolling and (wanted is not None or not percent):
        raise UsageInvalid(
            "--rolling reads a share of everything",
            expected="--read-data PERCENT and no name",
            found=wanted or "no share",
        )
    with invocation.wiring(invocation.settings_or_bare()) as wiring:
        opened = repository(wiring, where, invocation.output, with_spool=False)
        recipients = () if key_path is None else (read_recipient(key_path, passphrase_file),)
        request = VerifyRequest(
            wanted=wanted,
            read_data_percent=percent,
            recipients=recipients,
            help_version=__version__,
            help_files=help_files(),
        )
        places: Mapping[str, RollingCheck] = {}
        if rolling:
            stores = [replica.name for replica in opened.replicas]
            depth, places = rolling_depth(wiring.catalog(), stores, percent, random_bytes, wiring.clock.now())
            request = replace(request, rolling=replace(depth, recipients=recipients))
        started = wiring.clock.monotonic_seconds()
        with observer(invocation.output, "read") or nullcontext(Silent()) as watching:
            memory = _memory(wiring, opened)
            report = verify.run(opened, request, memory, random_bytes=random_bytes, progress=watching.advance)
            report = touched_files.run(opened, report, recipients, wiring.file_places)
            remember(wiring.catalog(), places, report, percent, wiring.clock.now()) if places else None
            _note(wiring, opened, report, memory, is_everything=wanted is None)
        seconds = wiring.clock.monotonic_seconds() - started
    _tell(report, opened, request, seconds, invocation.output)
    return report.exit_code


def _memory(wiring: Wiring, opened: Repository) -> Memory:
    if wiring.settings.file is None:
        return Memory()
    stores = {replica.name for replica in opened.replicas} & wiring.settings.stores.keys()
    answered = [replica.name for replica in opened.replicas if replica.name in stores]
    contacts.note(wiring.catalog(), wiring.clock, answered=answered, failed=opened.unusable)
    return Memory.of(wiring.catalog(), stores)


def _note(wiring: Wiring, opened: Repository, report: CheckReport, memory: Memory, *, is_everything: bool) -> None:
    """Let ``status`` and the watch know; the stores of a bare machine are nobody's to watch."""
    if wiring.settings.file is not None:
        observing.note_check(
            wiring.catalog(),
            report,
            stores={replica.name for replica in opened.replicas} & wiring.settings.stores.keys(),
            sources=memory.sources,
            is_everything=is_everything,
            now=wiring.clock.now(),
        )


def _tell(report: CheckReport, opened: Repository, request: VerifyRequest, seconds: float, output: Output) -> None:
    if output.as_json:
        output.document("drorch.verify/1", _document(report, opened, seconds))
    elif report.errors or not output.quiet:
        output.lines(_lines(report, opened, request, seconds))


# -- for people


def _lines(report: CheckReport, opened: Repository, request: VerifyRequest, seconds: float) -> Iterator[str]:
    counts = report.counts
    yield from wrapped(f"{_verdict(report, _names(opened))}; {format_duration(seconds)}", 6)
    yield f"  looked at   {counted(counts.packs, 'pack')}, {format_size(counts.bytes)}: presence and size, all signatures"
    if request.read_data_percent:
        how = "decoded" if request.recipients else "compared with its digest"
        yield f"  read        {counted(counts.packs_read, 'pack')}, {format_size(counts.bytes_read)}, each {how}"
    if request.recipients and request.read_data_percent:
        yield f"  compared    {counted(counts.streams_read, 'stream')} with what was captured"
    findings = sorted(report.findings, key=lambda finding: finding.level is Level.NOTE)
    for finding in findings[:SHOWN_FINDINGS]:
        yield from _finding_lines(finding)
    left_out = report.left_out + max(0, len(findings) - SHOWN_FINDINGS)
    if left_out:
        yield f"  and {left_out:,} more; --json shows {len(findings):,}"
    if report.errors:
        yield ""
        yield from _what_now(report, opened)


def _names(opened: Repository) -> str:
    return ", ".join(replica.name for replica in opened.replicas)


def _verdict(report: CheckReport, stores: str) -> str:
    everything = len(report.good) + len(report.harmed)
    snapshots = counted(everything, "snapshot")
    if not report.errors:
        is_or_are = "is" if everything == 1 else "are"
        return f"OK  {snapshots} {is_or_are} whole in {stores}"
    if report.harmed:
        has = "has" if len(report.harmed) == 1 else "have"
        return f"FAIL  {len(report.harmed):,} of {snapshots} {has} no whole copy in {stores}"
    return f"FAIL  something is wrong in {', '.join(sorted({finding.store for finding in report.errors}))}"


def _finding_lines(finding: Finding) -> Iterator[str]:
    word = "FAIL" if finding.level is Level.ERROR else "note"
    yield from wrapped(printable(f"  {word}  {finding.store}: {_LONG.sub(_cut, finding.text)}"), 8)
    if finding.name:
        yield f"        {printable(_LONG.sub(_cut, finding.name))}"
    if finding.snapshots:
        yield from wrapped("        snapshots " + _some((run[:8] for run in finding.snapshots), SHOWN_SNAPSHOTS), 18)
        yield from wrapped("        of " + ", ".join(finding.sources), 11)
    if finding.files:
        count = counted(len(finding.files), "file")
        yield from wrapped(f"        touches {count}: {_some(finding.files, SHOWN_STREAMS)}", 16)
    elif finding.streams:
        yield from wrapped("        touches " + _some(finding.streams, SHOWN_STREAMS), 16)


def _some(values: Iterable[str], most: int) -> str:
    every = list(values)
    rest = f" and {len(every) - most:,} more" if len(every) > most else ""
    return printable(", ".join(every[:most]) + rest)


def _cut(digest: re.Match[str]) -> str:
    """Return a digest so short that an object's name fits on a line; --json has all of it."""
    return f"{digest[0][:12]}..."


def _what_now(report: CheckReport, opened: Repository) -> Iterator[str]:
    if report.good:
        count = f"{counted(len(report.good), 'snapshot')} {'is' if len(report.good) == 1 else 'are'}"
        yield f"Still good: {count} whole in at least one store."
    else:
        yield from wrapped(f"No snapshot is known to be whole in {_names(opened)}.", 0)
    sources = sorted({source for finding in report.errors for source in finding.sources})
    kinds = {finding.kind for finding in report.errors}
    if kinds & {Kind.HIDDEN, Kind.TRUST, Kind.SIGNATURE}:
        yield from wrapped("Somebody may have changed the store: ask who keeps it before anything else is done.", 0)
    damaged = sorted({finding.store for finding in report.errors if finding.kind in (Kind.MISSING, Kind.ALTERED)})
    if damaged and len(opened.replicas) > 1:
        yield "A restore takes it from another store. To mend it from there:"
        yield f"  drorch copy --to {damaged[0] if len(damaged) == 1 else 'STORE'} --repair"
    elif damaged:
        yield "Only this store was asked. Where another one holds it too, mend it from there:"
        yield f"  drorch copy --to {damaged[0]} --repair"
    if report.harmed and sources:
        yield "A new backup stores again what is lost:"
        yield f"  drorch backup {_some(sources, 1).split(' and ')[0]}"
    if not any(finding.streams for finding in report.errors) and report.harmed:
        yield "To see which tables are touched:"
        yield f"  drorch verify {report.harmed[0][:8]} --read-data 100 --key FILE"


# -- for programs


def _document(report: CheckReport, opened: Repository, seconds: float) -> dict[str, object]:
    counts = report.counts
    return {
        "ok": not report.errors,
        "stores": [replica.name for replica in opened.replicas],
        "trust_root": str(opened.trust.root_digest),
        "duration_s": round(seconds, 3),
        "checked": {
            "lanes": counts.lanes,
            "snapshots": counts.snapshots,
            "packs": counts.packs,
            "bytes": counts.bytes,
            "packs_read": counts.packs_read,
            "bytes_read": counts.bytes_read,
            "streams_read": counts.streams_read,
        },
        "findings": _findings(report.findings),
        "findings_left_out": report.left_out,
        "good": list(report.good),
        "harmed": list(report.harmed),
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [
        {
            "level": finding.level.value,
            "kind": finding.kind.value,
            "store": finding.store,
            "object": finding.name,
            "lane": str(names.lane_of(finding.name) or ""),
            "text": finding.text,
            "snapshots": list(finding.snapshots),
            "sources": list(finding.sources),
            "streams": list(finding.streams),
            "files": list(finding.files),
        }
        for finding in findings
    ]
