"""``drorch prune``: let go what the policies no longer keep."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import click

from drorch.catalog.interface import SourceState
from drorch.cli.addresses import complete_source, complete_store
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, local_time, printable, utc_time, wrapped
from drorch.errors import PARTIAL
from drorch.ids import LaneId, RunId
from drorch.operations import prune
from drorch.operations.prune import JudgedSnapshot, LanePlan, Place, PrunedLane, PrunePlan, PruneReport, PruneRequest
from drorch.operations.prune_books import PruneBooks
from drorch.operations.watch.facts import PROVEN
from drorch.policy.model import Policy
from drorch.policy.words import retention_words
from drorch.quantities import counted, format_size
from drorch.settings import load_policies
from drorch.wiring import Wiring, this_machine

_EXEMPT = {
    SourceState.GONE: "the source is gone from its server: nothing goes until somebody retires it",
    SourceState.CLOSED: "the source is closed: nothing goes",
}


@click.command(epilog="Example: drorch prune --plan")
@click.argument("wanted", nargs=-1, metavar="[POLICY[/NAME]]...", shell_complete=complete_source)
@click.option(
    "--plan", "plan_only", is_flag=True, help="Show what would go, and why everything stays or goes; change nothing."
)
@click.option(
    "--confirm",
    "confirmed",
    metavar="DIGEST",
    default="",
    help="Carry out the plan of this digest, though it removes much.",
)
@click.option(
    "--store", "stores", multiple=True, metavar="STORE", shell_complete=complete_store, help="Only in this store."
)
@common_options
def command(
    wanted: tuple[str, ...], plan_only: bool, confirmed: str, stores: tuple[str, ...], invocation: Invocation
) -> int:
    """Let go the snapshots that `retention` does not keep, and delete what nothing else needs.

    Needs no private key, but the role `maintenance`, the maintenance key and a credential that may delete. A plan that removes more
    than a quarter of a source's snapshots, or its last one that passed a drill, wants --confirm with the digest that --plan shows.
    Pinned and held snapshots stay. While a store is away nothing is deleted in the others: somebody may hold a snapshot there.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "prune")
    for name in stores:
        settings.require_store(name)
    policies = {policy.name: policy for policy in load_policies(settings).require()}
    with invocation.wiring(settings) as wiring:
        heads = _heads(wiring)
        request = PruneRequest(
            policies=policies,
            wanted=wanted,
            exempt=_exempt(wiring),
            drilled=_drilled(wiring),
            stores=stores or None,
            heads=heads,
            only_looks=plan_only,
        )
        repository = wiring.repository()
        key = None if plan_only else wiring.maintenance_key()
        plan = prune.make_plan(repository, request, wiring.clock)
        if plan.problems and not plan.lanes:
            raise plan.problems[0].error
        if key is None:
            return _show_plan(plan, policies, invocation.output, str(settings.time_zone))
        report = prune.run(
            repository,
            plan,
            key=key,
            catalog=wiring.catalog(),
            clock=wiring.clock,
            heads=heads,
            confirmed=confirmed,
            require_fit=wiring.require_fit_for_prune,
            books=PruneBooks(wiring.catalog(), policies, this_machine(), wiring.clock, wiring.random_bytes),
        )
    is_good = report.complete and not any(one.report and one.report.refused for one in report.lanes)
    if invocation.output.as_json:
        invocation.output.document("drorch.prune/1", _document(report, is_good=is_good))
    elif not is_good or not invocation.output.quiet:
        invocation.output.lines(_lines(report, str(settings.time_zone)))
    return 0 if is_good else PARTIAL


def _heads(wiring: Wiring) -> Mapping[Place, int]:
    """Return how far the catalog saw each lane go: a store that hides the newest must not lead to deletions."""
    return {(head.store, LaneId.parse(head.lane)): head.sequence for head in wiring.catalog().heads()}


def _drilled(wiring: Wiring) -> Collection[RunId]:
    """Return the snapshots that this catalog saw pass a drill."""
    passed = wiring.catalog().drills(verdicts=PROVEN)
    return {RunId.parse(one.snapshot) for one in passed if one.snapshot is not None}


def _exempt(wiring: Wiring) -> Mapping[str, str]:
    records = wiring.catalog().sources()
    return {record.address: _EXEMPT[record.state] for record in records if record.state in _EXEMPT}


# -- the plan


def _show_plan(plan: PrunePlan, policies: Mapping[str, Policy], output: Output, zone: str) -> int:
    if output.as_json:
        output.document("drorch.prune-plan/1", _plan_document(plan))
    else:
        output.lines(_plan_lines(plan, policies, zone))
    return PARTIAL if plan.problems else 0


def _plan_lines(plan: PrunePlan, policies: Mapping[str, Policy], zone: str) -> Iterator[str]:
    yield "PLAN  nothing is changed"
    for lane in plan.lanes:
        yield ""
        goes, size = len(lane.goes), format_size(lane.size_bytes)
        count = f"{goes} of {_snapshots(len(lane.snapshots))} {'goes' if goes == 1 else 'go'}"
        yield from wrapped(f"{lane.source} in {lane.store}: {count}, {_objects(lane.objects)}, {size}", 2)
        if lane.rule:
            rule = policies[lane.rule].retention.in_store(lane.store)
            name = f" ({rule.preset})" if rule.preset else ""
            yield from wrapped(f"  keeps {retention_words(rule)}{name}", 8)
        for one in lane.snapshots:
            yield from _decision(one, zone)
        yield from _locked_lines(lane, zone)
    for problem in plan.problems:
        yield from wrapped(printable(f"  FAIL  {problem.store}: {problem.error.message}; nothing goes there"), 8)
    if any(problem.lane is None for problem in plan.problems) and plan.lanes:
        text = "while it is away nothing goes in the others either: somebody may hold a snapshot there"
        yield from wrapped(f"  STOP  {text}; `--store NAME` prunes only that one", 8)
    yield ""
    goes = sum(len(lane.goes) for lane in plan.lanes)
    size = format_size(sum(lane.size_bytes for lane in plan.lanes))
    yield f"{_snapshots(goes)} would go, {size} in all stores. Digest of the plan: {plan.digest}"
    for doubt in plan.doubts:
        yield from wrapped(f"  STOP  {doubt}", 8)
    if plan.doubts:
        yield f"  do it with: drorch prune --confirm {plan.digest}"


def _decision(one: JudgedSnapshot, zone: str) -> Iterator[str]:
    word = "stays" if one.decision.keep else "GOES"
    manifest = one.link.manifest
    doubt = f" ({one.standing.words})" if one.standing.words else ""
    why = ", ".join(one.decision.reasons)
    head = f"  {word:<5}  {manifest.run.short}  {local_time(manifest.restore_point, zone)[:16]}{doubt}  "
    yield from wrapped(printable(head + why), 9)


def _snapshots(count: int) -> str:
    return counted(count, "snapshot")


def _objects(count: int) -> str:
    return counted(count, "object")


def _plan_document(plan: PrunePlan) -> dict[str, object]:
    return {
        "ok": not plan.problems,
        "digest": plan.digest,
        "doubts": list(plan.doubts),
        "lanes": [_lane_document(lane) for lane in plan.lanes],
        "problems": _problems(plan),
    }


def _lane_document(lane: LanePlan) -> dict[str, object]:
    return {
        "store": lane.store,
        "lane": str(lane.lane),
        "source": lane.source,
        "policy": lane.rule,
        "objects": lane.objects,
        "bytes": lane.size_bytes,
        "locked": len(lane.locked),
        "locked_until": utc_time(max(lane.locked.values())) if lane.locked else None,
        "snapshots": [
            {
                "snapshot": str(one.link.manifest.run),
                "restore_point": utc_time(one.link.manifest.restore_point),
                "keep": one.decision.keep,
                "standing": one.standing.name.lower(),
                "reasons": list(one.decision.reasons),
            }
            for one in lane.snapshots
        ],
    }


def _problems(plan: PrunePlan) -> list[dict[str, object]]:
    return [
        {
            "store": one.store,
            "lane": "" if one.lane is None else str(one.lane),
            "error": one.error.slug,
            "message": one.error.message,
        }
        for one in plan.problems
    ]


# -- what was done


def _lines(report: PruneReport, zone: str) -> Iterator[str]:
    done = [one for one in report.lanes if one.report is not None]
    goes = sum(len(one.plan.goes) - len(one.report.spared) for one in done if one.report)
    objects = sum(len(one.report.deleted) for one in done if one.report)
    word = "OK" if report.complete else "PARTIAL"
    if not report.lanes and report.complete:
        yield "OK  nothing has to go"
    else:
        yield f"{word}  {_snapshots(goes)} let go, {_objects(objects)} deleted"
    for one in report.lanes:
        yield from _lane_lines(one)
    for lane in report.plan.lanes:
        yield from _locked_lines(lane, zone)
    for problem in report.plan.problems:
        yield from wrapped(printable(f"  FAIL  {problem.store}: {problem.error.message}; nothing went there"), 8)
        if problem.error.hint:
            yield from wrapped(f"        {problem.error.hint}", 8)


def _lane_lines(done: PrunedLane) -> Iterator[str]:
    plan, report = done.plan, done.report
    if report is None:
        assert done.error is not None
        yield from wrapped(printable(f"  FAIL  {plan.source} in {plan.store}: {done.error.message}"), 8)
        if done.error.hint:
            yield from wrapped(f"        {done.error.hint}", 8)
        return
    goes = len(plan.goes) - len(report.spared)
    yield from wrapped(f"  ok    {plan.source} in {plan.store}: {_snapshots(goes)}, {_objects(len(report.deleted))}", 8)
    if report.spared:
        yield from wrapped(f"  note  {_snapshots(len(report.spared))} had come to be held meanwhile, and stay", 8)
    if report.kept:
        yield from wrapped(f"  note  {_objects(len(report.kept))} stay: a run that came meanwhile needs them", 8)
    if report.refused:
        text = (
            f"{plan.store} refused to delete {_objects(len(report.refused))}: locked, or the credential may not delete"
        )
        yield from wrapped(f"  FAIL  {text}; `drorch store bucket-policy maintainer` prints the rights", 8)


def _locked_lines(lane: LanePlan, zone: str) -> Iterator[str]:
    """Say what nothing needs any more and the store still locks."""
    if lane.locked:
        last = local_time(max(lane.locked.values()), zone)[:10]
        is_or_are = "is" if len(lane.locked) == 1 else "are"
        text = f"{_objects(len(lane.locked))} of {lane.source} {is_or_are} locked in {lane.store} until {last} at most"
        yield from wrapped(f"  note  {text}; a later prune deletes what is free then", 8)


def _document(report: PruneReport, *, is_good: bool) -> dict[str, object]:
    return {
        "ok": is_good,
        "digest": report.plan.digest,
        "lanes": [
            {
                "store": one.plan.store,
                "lane": str(one.plan.lane),
                "source": one.plan.source,
                "snapshots": [
                    str(each.link.manifest.run)
                    for each in one.plan.goes
                    if one.report is not None and each.link.manifest.run not in one.report.spared
                ],
                "deleted": 0 if one.report is None else len(one.report.deleted),
                "kept": 0 if one.report is None else len(one.report.kept),
                "refused": 0 if one.report is None else len(one.report.refused),
                "locked": len(one.plan.locked),
                "error": None if one.error is None else one.error.slug,
                "message": "" if one.error is None else one.error.message,
            }
            for one in report.lanes
        ],
        "problems": _problems(report.plan),
    }
