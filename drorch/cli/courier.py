"""``drorch courier``: snapshots on removable media, for islands and other places without a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click

from drorch.cli.addresses import complete_store
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.named_files import bytes_of
from drorch.cli.output import local_time, utc_time, wrapped
from drorch.cli.progress import Silent, observer, summed
from drorch.errors import PARTIAL, SettingsInvalid, UsageInvalid
from drorch.operations.courier import export as exporting
from drorch.operations.courier import ingest as ingesting
from drorch.operations.courier.export import ExportReport
from drorch.operations.courier.have import have
from drorch.operations.courier.ingest import IngestReport
from drorch.quantities import counted, format_size
from drorch.repository.copy_report import CopyReport

_PAGE_LIMIT_BYTES = 2**30


@click.group(epilog="Example: drorch courier export /media/disk1")
def command() -> None:
    """Carry snapshots on a disk, as ciphertext."""


@command.command(epilog="Example: drorch courier export /media/disk1 --want island.have")
@click.argument("directory", metavar="DIRECTORY", type=click.Path(file_okay=False))
@click.option(
    "--want", "want", metavar="FILE", type=click.Path(dir_okay=False), help="What the other side has (`courier want`)."
)
@click.option("--from", "source", metavar="STORE", shell_complete=complete_store, help="Read only from this store.")
@common_options
def export(directory: str, want: str | None, source: str | None, invocation: Invocation) -> int:
    """Put on a disk what the other side lacks, and seal it.

    What it has is read from --want, else from the page that came back on the disk; without either everything is put there. What the other side
    has is removed from the disk first. Needs the maintenance key, which signs the list, and no private key. It may be killed and run again.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "fill a medium")
    if source is not None:
        settings.require_store(source)
    page = None if want is None else bytes_of(Path(want), "what `drorch courier want` wrote", _PAGE_LIMIT_BYTES)
    with invocation.wiring(settings) as wiring, observer(invocation.output, "copied") or nullcontext(Silent()) as bar:
        report = exporting.run(
            wiring.repository([source] if source else ()),
            wiring.store_at(directory).store,
            wanted=page,
            key=wiring.maintenance_key(),
            clock=wiring.clock,
            progress=summed(bar, "copied", unit="bytes"),
        )
    output = invocation.output
    if output.as_json:
        output.document("drorch.courier-export/1", _export_document(report))
    elif report.copied.problems or not output.quiet:
        output.lines(_export_lines(report, directory))
    return PARTIAL if report.copied.problems else 0


@command.command(epilog="Example: drorch courier ingest /media/disk1 --to island")
@click.argument("directory", metavar="DIRECTORY", type=click.Path(file_okay=False))
@click.option(
    "--to", "target", required=True, metavar="STORE", shell_complete=complete_store, help="The store to fill."
)
@click.option("--new", "is_new", is_flag=True, help="The store is new and empty.")
@common_options
def ingest(directory: str, target: str, is_new: bool, invocation: Invocation) -> int:
    """Take from a disk what STORE lacks.

    Everything on the disk is checked before anything is written, and a disk that was altered is refused whole. Needs no private key and no signing key, but the role `maintenance`
    and a credential that may put. It may be killed and run again. At the end the disk gets the page of what STORE has, for the way back.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "take from a medium")
    settings.require_store(target)
    root = settings.keys.trust
    if root is None:
        raise SettingsInvalid("drorch.yaml does not name the trust root", expected="`keys: {trust: ...}`", found="none")
    with invocation.wiring(settings) as wiring, observer(invocation.output, "copied") or nullcontext(Silent()) as bar:
        report = ingesting.run(
            wiring.store_at(directory).store,
            wiring.replica(target),
            root,
            is_new=is_new,
            progress=summed(bar, "copied", unit="bytes"),
        )
    output = invocation.output
    if output.as_json:
        output.document("drorch.courier-ingest/1", _ingest_document(report, target))
    elif report.copied.problems or not output.quiet:
        output.lines(_ingest_lines(report, target, str(settings.time_zone)))
    return PARTIAL if report.copied.problems else 0


@command.command(epilog="Example: drorch courier want --of island island.have")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--of", "source", required=True, metavar="STORE", shell_complete=complete_store, help="Whose page.")
@common_options
def want(file: str, source: str, invocation: Invocation) -> int:
    """Write down what STORE has, for the other side.

    The page holds names of objects and nothing secret.
    """
    settings = invocation.settings()
    settings.require_store(source)
    with invocation.wiring(settings) as wiring:
        opened = wiring.repository([source])
        page = have(opened.replicas[0].store, opened.trust)
    _write(file, page)
    count = page.count(b"\n") - 1
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.courier-want/1", {"ok": True, "store": source, "file": file, "objects": count}
        )
    elif not invocation.output.quiet:
        invocation.output.lines([f"OK  {file} says what {source} has: {counted(count, 'object')}"])
    return 0


def _write(file: str, page: bytes) -> None:
    try:
        Path(file).write_bytes(page)
    except OSError as error:
        raise UsageInvalid(f"{file} cannot be written", found=str(error.strerror)) from error


# -- for people


def _export_lines(report: ExportReport, directory: str) -> Iterator[str]:
    word = "PARTIAL" if report.copied.problems else "OK"
    if not report.objects and word == "OK":
        yield "OK  the other side has everything; nothing to carry"
        return
    yield from wrapped(
        f"{word}  {directory} is sealed: {format_size(report.bytes)} in {counted(report.objects, 'object')};"
        f" {_snapshots(report.copied)} put there now",
        4,
    )
    if report.known:
        yield f"  note  the other side has {counted(report.known, 'object')} already"
    yield from _problems(report.copied)
    yield "  there: drorch courier ingest DIRECTORY --to STORE"


def _ingest_lines(report: IngestReport, target: str, zone: str) -> Iterator[str]:
    word = "PARTIAL" if report.copied.problems else "OK"
    sealed = local_time(report.sealed_at, zone)[:16]
    if report.copied.objects:
        size = format_size(report.copied.bytes)
        text = f"{_snapshots(report.copied)} taken into {target}: {size} in {counted(report.copied.objects, 'object')}"
    else:
        text = f"{target} has all that the disk carries"
    yield from wrapped(f"{word}  {text}; sealed {sealed}", 4)
    yield from _problems(report.copied)
    if report.not_returned is None:
        yield "  the disk says what is here now: send it back"
    else:
        yield from wrapped(f"  note  no page for the way back: {report.not_returned.message}", 8)


def _problems(copied: CopyReport) -> Iterator[str]:
    for one in copied.problems:
        yield from wrapped(f"  FAIL  {one.name or f'lane {str(one.lane)[:12]}...'}: {one.error.message}", 8)
        if one.error.hint:
            yield from wrapped(f"        {one.error.hint}", 8)


def _snapshots(copied: CopyReport) -> str:
    return counted(len(copied.snapshots), "snapshot")


# -- for programs


def _export_document(report: ExportReport) -> dict[str, object]:
    return {
        "ok": not report.copied.problems,
        "snapshots": [str(one.link.manifest.run) for one in report.copied.snapshots],
        "objects": report.objects,
        "bytes": report.bytes,
        "known": report.known,
        "problems": _problem_documents(report.copied),
    }


def _ingest_document(report: IngestReport, target: str) -> dict[str, object]:
    return {
        "ok": not report.copied.problems,
        "to": target,
        "sealed_at": utc_time(report.sealed_at),
        "snapshots": [str(one.link.manifest.run) for one in report.copied.snapshots],
        "objects": report.copied.objects,
        "bytes": report.copied.bytes,
        "returned": report.not_returned is None,
        "problems": _problem_documents(report.copied),
    }


def _problem_documents(copied: CopyReport) -> list[dict[str, object]]:
    return [
        {"lane": str(one.lane), "object": one.name, "error": one.error.slug, "message": one.error.message}
        for one in copied.problems
    ]
