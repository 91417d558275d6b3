"""Which snapshot, and from which store: what the restore test says, or the person who drills, the way the scenario has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from drorch.errors import SnapshotUnknown
from drorch.evidence.drill_report import Selection
from drorch.format.manifest import Result
from drorch.operations.choose import LATEST, choose
from drorch.operations.drills.request import DrillRequest
from drorch.operations.drills.scenarios.bad_cut_over import bad_cut_over
from drorch.operations.drills.scenarios.first_store_lost import first_store_lost
from drorch.operations.drills.scenarios.reached import Asked, Reached
from drorch.operations.drills.scenarios.single_database import single_database
from drorch.operations.readable_lanes import readable_lanes
from drorch.policy.restore_tests.model import LATEST as LATEST_SNAPSHOT
from drorch.policy.restore_tests.model import RANDOM, ROTATE, Scenario
from drorch.repository.opening import Repository

ColdStart = Callable[[Asked], Reached]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What reaching a snapshot needs besides the request. ``snapshot`` is what the person named, over the test's word.

    ``draw_one`` picks one of so many, by a seed that was committed to; ``cold_start`` is how a fresh process restores here.
    """

    repository: Repository
    now: datetime
    snapshot: str | None
    last_store: str | None
    draw_one: Callable[[Sequence[str]], str]
    cold_start: ColdStart


def reach(request: DrillRequest, stage: Stage) -> Reached:
    """Return the snapshot to drill; raise ``SnapshotUnknown`` and what the stores raise. No other snapshot takes its place."""
    test = request.test
    if test.scenario is Scenario.FIRST_STORE_LOST:
        return first_store_lost(_asked(request, stage, _named_store(request)), request.policy.stores)
    if test.scenario is Scenario.BAD_CUT_OVER and stage.snapshot is None:
        return bad_cut_over(_asked(request, stage, _named_store(request)), stage.now)
    wanted, selection = _wanted(request, stage)
    store, told = _store(request, stage, wanted)
    asked = replace(_asked(request, stage, store), wanted=wanted)
    reached = stage.cold_start(asked) if test.scenario is Scenario.COLD_START else single_database(asked)
    _require_source(reached, request)
    return replace(reached, selection=selection or reached.selection, told=(*told, *reached.told))


def _require_source(reached: Reached, request: DrillRequest) -> None:
    """Refuse a snapshot of another source: whoever names one could make a drill of anything."""
    found = reached.snapshot.link.manifest.source
    address, was = request.promise.address, request.promise.was
    if found not in (address, was):
        raise SnapshotUnknown(
            f"snapshot {reached.snapshot.short_id} is of another source",
            expected=f"a snapshot of {address}",
            found=found,
            hint=f"`drorch snapshots {address}` lists what exists",
        )


def _asked(request: DrillRequest, stage: Stage, store: str | None) -> Asked:
    wanted = stage.snapshot if _is_id(stage.snapshot) else f"{LATEST}{request.promise.address}"
    return Asked(repository=stage.repository, source=request.promise.address, wanted=wanted or "", store=store)


def _is_id(text: str | None) -> bool:
    return text is not None and text not in (LATEST_SNAPSHOT, RANDOM)


def _wanted(request: DrillRequest, stage: Stage) -> tuple[str, Selection | None]:
    """Return what ``choose`` is asked for, and how it was chosen where that is not seen from it."""
    named = stage.snapshot if stage.snapshot is not None else request.test.snapshot
    if named == LATEST_SNAPSHOT:
        return f"{LATEST}{request.promise.address}", None
    if named == RANDOM:
        return stage.draw_one(complete_snapshots(stage.repository, request.promise.address)), Selection.RANDOM
    return named, None


def complete_snapshots(repository: Repository, source: str) -> list[str]:
    """Return the ids of every complete snapshot of the source, sorted; raise ``SnapshotUnknown`` when there is none.

    A lane of which nothing is good hides no other.
    """
    found = {
        str(one.link.manifest.run)
        for listing in readable_lanes(repository)
        for one in listing.snapshots
        if one.link.manifest.source == source and one.link.manifest.result is Result.COMPLETE
    }
    if not found:
        raise SnapshotUnknown(f"no complete snapshot of {source}", expected="at least one", found="none")
    return sorted(found)


def _named_store(request: DrillRequest) -> str | None:
    return None if request.test.store == ROTATE else request.test.store


def _store(request: DrillRequest, stage: Stage, wanted: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the store to read from: the named one, or that after the last one used; and a word when it is not the next one."""
    named = _named_store(request)
    if named is not None:
        return named, ()
    holding = choose(stage.repository, wanted).stores
    turn = in_turn([name for name in request.policy.stores if name], stage.last_store)
    chosen = next((name for name in turn if name in holding), holding[0])
    if turn and chosen != turn[0]:
        return chosen, (f"{turn[0]} was next in turn and has no copy of this snapshot: not in {turn[0]}",)
    return chosen, ()


def in_turn(stores: Sequence[str], last: str | None) -> list[str]:
    """Return the stores in the order in which they are tried: the one after the last first."""
    start = stores.index(last) + 1 if last in stores else 0
    return [*stores[start:], *stores[:start]]
