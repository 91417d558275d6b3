"""``drorch keys reseal``: let recipients that were added later open what is there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, wrapped
from drorch.cli.private_keys import key_options, read_recipient
from drorch.cli.progress import Silent, observer, summed
from drorch.errors import PARTIAL, UsageInvalid
from drorch.format.keyfile import KeyKind
from drorch.format.trust import TrustChain
from drorch.format.trust_record import Recipient
from drorch.operations.rotate_keys import resealing
from drorch.operations.rotate_keys.listed import find_key
from drorch.operations.rotate_keys.resealing import ResealPlan, ResealReport
from drorch.quantities import counted


@click.command(
    epilog="Example: drorch keys reseal --key custodians.key", short_help="Open older snapshots to added recipients."
)
@click.option("--to", "which", multiple=True, metavar="KEY", help="Only to this recipient: its label or id.")
@click.option("--plan", "plan_only", is_flag=True, help="Say how many runs are closed to whom; needs no key.")
@key_options
@common_options
def command(
    which: tuple[str, ...],
    plan_only: bool,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Seal the keys of existing snapshots to every recipient of the trust record who cannot open them. Data do not move.

    Needs the private key of a recipient who can, and this machine's maintenance key: bring it to the custodian's machine, not the other way round. It may be
    killed and run again. Exit 3 when some runs stay closed, or a store was away; it says which.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "seal keys again")
    output = invocation.output
    with invocation.wiring(settings) as wiring:
        repository = wiring.repository()
        plan = resealing.make_plan(repository, _recipients(repository.trust, which))
        report = None
        if not plan_only and plan.keys:
            key, opens = wiring.maintenance_key(), read_recipient(key_path, passphrase_file)
            bars = observer(output, "sealed")
            with bars or nullcontext(Silent()) as watching:
                progress = summed(watching, "sealed", unit="keys", total=plan.keys)
                report = resealing.run(repository, plan, opens=opens, key=key, clock=wiring.clock, progress=progress)
    left = bool(plan.problems) or (report is not None and bool(report.closed or report.missing))
    if output.as_json:
        output.document("drorch.keys-reseal/1", _document(plan, report, planned=plan_only, left=left))
    elif plan_only or left or not output.quiet:
        output.lines(_lines(plan, report, planned=plan_only, left=left))
    return PARTIAL if left else 0


def _recipients(trust: TrustChain, which: tuple[str, ...]) -> tuple[Recipient, ...]:
    found = [find_key(trust, one) for one in which]
    for key in found:
        if key.kind is not KeyKind.RECIPIENT:
            raise UsageInvalid(f"{key.label} reads nothing", expected="a recipient", found=key.kind.value)
    wanted = {key.key_id for key in found}
    return tuple(one for one in trust.recipients if not which or one.recipient_id in wanted)


def _lines(plan: ResealPlan, report: ResealReport | None, *, planned: bool, left: bool) -> Iterator[str]:
    names = ", ".join(printable(one.label) for one in plan.recipients)
    if planned:
        yield from wrapped(f"PLAN  {plan.runs_to_seal} of {counted(plan.runs, 'run')} closed to one of {names}", 6)
        yield from (
            wrapped(f"  seal    {counted(plan.keys, 'key')} in {counted(plan.bundles, 'bundle')}", 10)
            if plan.keys
            else ()
        )
    elif report is None:
        yield from wrapped(
            f"{'PARTIAL' if left else 'OK'}  nothing was sealed: {names} can open every run ({plan.runs})", 4
        )
    else:
        where = " and ".join(report.stores)
        text = f"{counted(report.keys, 'key')} of {counted(plan.runs_to_seal, 'run')} sealed again, in {counted(report.bundles, 'bundle')}, in {where}"
        yield from wrapped(f"{'PARTIAL' if left else 'OK'}  {text}", 4)
    for lane in plan.lanes if planned else ():
        yield from wrapped(f"  closed  {printable(lane.source)}: {counted(len(lane.missing), 'run')}", 10)
    for _, run, error in plan.problems:
        yield from wrapped(f"  FAIL    run {run.short}: {error.message}", 10)
    if report is not None and report.closed:
        text = f"{counted(len(report.closed), 'run')}, which this key does not open: try another recipient's"
        yield from wrapped(f"  closed  {text}", 10)
    for name, missing in (report.missing if report is not None else {}).items():
        yield from wrapped(f"  away    {name}: {missing.message}; drorch copy --to {name} brings it up", 10)


def _document(plan: ResealPlan, report: ResealReport | None, *, planned: bool, left: bool) -> dict[str, object]:
    return {
        "ok": not left,
        "planned": planned,
        "recipients": [{"label": one.label, "key": str(one.recipient_id)} for one in plan.recipients],
        "runs": plan.runs,
        "closed": [{"lane": str(lane.lane), "source": lane.source, "runs": len(lane.missing)} for lane in plan.lanes],
        "keys": 0 if report is None else report.keys,
        "bundles": 0 if report is None else report.bundles,
        "still_closed": [] if report is None else [str(run) for run in report.closed],
        "stores": [] if report is None else list(report.stores),
        "away": [] if report is None else sorted(report.missing),
        "problems": [
            {"lane": str(lane), "run": str(run), "error": error.slug, "message": error.message}
            for lane, run, error in plan.problems
        ],
    }
