"""The last steps of closing a source: its final snapshot restored to prove it, and put under legal hold in every store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from drorch.clock import Clock
from drorch.errors import ChainBroken, DecisionNeeded
from drorch.format.keys import RecipientKey
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.format.signing import SigningKey
from drorch.ids import LaneId, RunId
from drorch.operations import restore
from drorch.operations.choose import choose
from drorch.repository.opening import Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.retirement import put_list, read_retirement
from drorch.sources.interface import Observer, RestoreChoices, Target

_FETCH_THREADS = 2


def prove(
    repository: Repository,
    snapshot: RunId,
    recipient: RecipientKey,
    target: Target,
    *,
    observer: Observer,
    clock: Clock,
) -> Mapping[str, str]:
    """Restore ``snapshot`` whole into ``target``, compared with what was captured; return what was proven, in words.

    Raises what a restore raises, and ``DecisionNeeded`` when what came back is not all as before.
    """
    chosen = choose(repository, str(snapshot))
    reader = SnapshotReader(repository, chosen.link, [recipient], threads=_FETCH_THREADS, stores=chosen.stores)
    with closing(reader):
        report = restore.run(reader, target, RestoreChoices(create_roles=True), observer=observer, clock=clock)
    if report.outcome.not_as_before:
        raise DecisionNeeded("the restore did not bring everything back as it was", found=report.outcome.place)
    return {
        "restored_tables": str(report.outcome.tables),
        "restored_rows": str(report.outcome.rows),
        "restored_in_seconds": f"{report.duration_seconds:.1f}",
        "restored_at": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def hold(
    repository: Repository, lane: LaneId, snapshot: RunId, *, reason: str, key: SigningKey, clock: Clock
) -> tuple[str, ...]:
    """Put ``snapshot`` under legal hold in every store and return their names: no prune gives it up until that is taken back.

    Raises ``ChainBroken`` when a store does not show the hold afterwards, and store errors (a writer's credential may not put it).
    """
    word = HoldWord(run=snapshot, kind=HoldKind.HOLD, stands=True, reason=reason)
    for replica in repository.replicas:
        put_list(replica, repository.trust, lane, key=key, clock=clock, holds=[word])
        if not read_retirement(replica.store, repository.trust, lane).is_held(snapshot, clock.now()):
            raise ChainBroken(
                f"{replica.name} does not show the hold that was put",
                expected=f"{snapshot.short} held",
                found="a snapshot that was given up before, or a list that is not there",
            )
    return tuple(replica.name for replica in repository.replicas)
