"""``drorch drill list``: drills and their verdicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from drorch.catalog.interface import SUPERSEDED, DrillRecord, DrillSignature
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time, table, utc_time
from drorch.ids import SHORT_LENGTH
from drorch.quantities import format_span

_MOST = 10_000
_NONE_UNSIGNED = "No drill waits for its verifier."


@click.command(epilog="Example: drorch drill list --unsigned")
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--unsigned", is_flag=True, help="Only those that their verifier has not signed.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, newest first.")
@common_options
def command(source: str | None, unsigned: bool, limit: int, invocation: Invocation) -> int:
    """List drills and their verdicts, newest first."""
    with invocation.wiring() as wiring:
        catalog, zone = wiring.catalog(), str(wiring.settings.time_zone)
        most = _MOST if unsigned else limit
        is_policy = source is not None and "/" not in source
        records = catalog.drills(policy=source, limit=most) if is_policy else catalog.drills(source=source, limit=most)
        signatures = catalog.drill_signatures([record.drill for record in records])
    signed = {(one.drill, one.role) for one in signatures}
    if unsigned:
        waiting = (one for one in records if signed.isdisjoint({(one.drill, "verifier"), (one.drill, SUPERSEDED)}))
        records = tuple(waiting)[:limit]
    if invocation.output.as_json:
        listed = [_document(record, signatures) for record in records]
        invocation.output.document("drorch.drill-list/1", {"ok": True, "drills": listed})
    else:
        invocation.output.lines(
            _lines(records, signed, zone) if records else [_NONE_UNSIGNED if unsigned else "No drill yet."]
        )
    return 0


def _lines(records: Sequence[DrillRecord], signed: Collection[tuple[str, str]], zone: str) -> list[str]:
    rows = [("DRILL", "DECLARED", "SOURCE", "VERDICT", "RTO", "SIGNED")]
    for one in records:
        rto = "" if one.rto_ms is None else format_span(one.rto_ms / 1000)
        words = [role for role in ("operator", "verifier") if (one.drill, role) in signed]
        verdict = one.verdict.replace("_", " ") + (" LATE" if one.objectives == "missed" else "")
        verdict = f"superseded ({verdict})" if (one.drill, SUPERSEDED) in signed else verdict
        rows.append(
            (
                one.drill[:SHORT_LENGTH],
                local_time(one.declared_at, zone)[:16],
                one.source,
                verdict,
                rto,
                ", ".join(words) or "no",
            )
        )
    return table(rows, right=frozenset({4}))


def _document(record: DrillRecord, signatures: Sequence[DrillSignature]) -> dict[str, object]:
    words = [one for one in signatures if one.drill == record.drill]
    return {
        "drill": record.drill,
        "source": record.source,
        "policy": record.policy,
        "test": record.test,
        "scenario": record.scenario,
        "verdict": record.verdict,
        "objectives": record.objectives,
        "declared_at": utc_time(record.declared_at),
        "ended_at": utc_time(record.ended_at),
        "snapshot": record.snapshot,
        "store": record.store,
        "rto_ms": record.rto_ms,
        "rpo_ms": record.rpo_ms,
        "operator": record.operator,
        "verifier": record.verifier,
        "summary": record.summary,
        "superseded_at": next((utc_time(one.signed_at) for one in words if one.role == SUPERSEDED), None),
        "signatures": [
            {"person": one.person, "role": one.role, "signed_at": utc_time(one.signed_at)}
            for one in words
            if one.role != SUPERSEDED
        ],
    }
