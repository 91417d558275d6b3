"""``drorch drill show``: one drill with every check."""

from __future__ import annotations

import click

from drorch.catalog.interface import SUPERSEDED
from drorch.cli.drill.told import check_lines, ending_lines, has_something
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time, wrapped
from drorch.evidence.drill_document import report_of
from drorch.evidence.drill_report import SCHEDULE
from drorch.ids import SHORT_LENGTH
from drorch.operations.drills.session import Drilled


@click.command(epilog="Example: drorch drill show 01KB3W0T", short_help="Show one drill with every check.")
@click.argument("drill", metavar="ID")
@common_options
def command(drill: str, invocation: Invocation) -> int:
    """Show one drill with every check, as this machine's catalog has it; evidence that stands alone is in the stores."""
    with invocation.wiring() as wiring:
        catalog, zone = wiring.catalog(), str(wiring.settings.time_zone)
        record = catalog.find_drill(drill)
        words = catalog.drill_signatures([record.drill])
    signatures = tuple(one for one in words if one.role != SUPERSEDED)
    superseded = next((one for one in words if one.role == SUPERSEDED), None)
    report = report_of(record.document)
    if invocation.output.as_json:
        signed = [{"person": one.person, "role": one.role, "signed_at": one.signed_at} for one in signatures]
        document = {"ok": True, "drill": record.drill, "report": record.document, "signatures": signed}
        document["superseded_at"] = None if superseded is None else superseded.signed_at
        invocation.output.document("drorch.drill-show/1", document)
        return 0
    first = f"Drill {report.drill[:SHORT_LENGTH]}  {report.source}  {local_time(report.declared_at, zone)}"
    lines = [first]
    if report.snapshot is not None:
        moment = local_time(report.snapshot.restore_point, zone)
        lines.append(f"  snapshot {report.snapshot.id[:SHORT_LENGTH]} of {moment}, copy in {report.snapshot.store}")
    if report.sandbox is not None:
        lines.append(f"  sandbox: {report.sandbox.kind}, {report.sandbox.isolation[0]}")
    if report.test.trigger == SCHEDULE:
        lines += wrapped(f"  unattended: machine {report.machine.host}, by schedule", 4)
    if superseded is not None:
        told = (
            f"SUPERSEDED on {local_time(superseded.signed_at, zone)} by {superseded.person}: it proves nothing any more"
        )
        lines += wrapped(f"  {told}", 4)
    lines += ["", *(line for check in report.checks if has_something(check) for line in check_lines(check)), ""]
    people = tuple(one.person for one in signatures if one.role != "machine")
    ending = ending_lines(Drilled(report=report, recorded=None), zone, people)
    lines += [line for line in ending if not line.startswith("  evidence")]
    invocation.output.lines(lines)
    return 0
