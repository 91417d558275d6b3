"""The catalog held against the policies: how every source stands. Reads, decides, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from drorch.catalog.interface import Catalog, SeenDatabase, SourceClaim, SourceRecord
from drorch.operations.estate.alarms import alarms
from drorch.operations.estate.seen import known_promises
from drorch.operations.overview.due import due
from drorch.operations.overview.judging import is_old, judge, judge_gone
from drorch.operations.overview.known import WITHOUT_SCHEDULE, Known, ask
from drorch.operations.overview.standing import Overview, SourceStanding, Standing, Trouble
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.problems import Problem


def overview(
    policies: Iterable[Policy],
    policy_problems: Sequence[Problem],
    catalog: Catalog,
    *,
    now: datetime,
    is_running: Callable[[SourceClaim], bool],
    is_elsewhere: bool = False,
) -> Overview:
    """Return how every source stands, those that need somebody first; ``now`` is aware.

    ``is_running`` tells whether the process that claims a source still lives; the catalog cannot know.

    ``is_elsewhere`` is for a machine that makes no backups: what others back up is told as the stores showed it, and not judged.

    A source whose policy file could not be loaded is not called ``OPEN``: the problem of its file is told instead.
    """
    known = ask(catalog, is_running)
    policies = tuple(policies)
    told = _told_by_stores if is_elsewhere else _standings
    standings = [standing for policy in policies for standing in told(policy, known, now)]
    named = {standing.address for standing in standings}
    if not policy_problems:
        standings += [
            _unprotected(record, known, now) for address, record in known.sources.items() if address not in named
        ]
    order = {standing: position for position, standing in enumerate(Standing)}
    return Overview(
        at=now,
        sources=tuple(sorted(standings, key=lambda source: (order[source.standing], source.address))),
        policy_problems=tuple(policy_problems),
        alarms=() if is_elsewhere else alarms(policies, known.seen, known.asked),
    )


def _standings(policy: Policy, known: Known, now: datetime) -> Iterator[SourceStanding]:
    """Yield every source of a policy: what its servers were seen to have stands for a promise that asks them."""
    for promise in policy.sources():
        if not promise.needs_discovery:
            yield _stand(policy, promise, known, now)
            continue
        seen = known.seen_of(promise)
        meant = [one for one in known_promises(promise, seen.values()) if _counts(one, seen, known)]
        for one in meant:
            yield _stand(policy, one, known, now, seen[one.address])
        if not meant:
            yield _stand(policy, promise, known, now)


def _told_by_stores(policy: Policy, known: Known, now: datetime) -> Iterator[SourceStanding]:
    """Yield every source of a policy that another machine backs up; which databases its servers have is seen in the stores alone."""
    for promise in policy.sources():
        found = [address for address in known.newest_good if _is_found_by(promise, address)]
        for address in found if promise.needs_discovery and found else [promise.address]:
            yield _elsewhere(policy, address, known, now)


def _is_found_by(promise: SourcePromise, address: str) -> bool:
    """Whether a source bears a name that asking the server of ``promise`` gives."""
    beginning = "" if promise.source_name is None else f"{promise.source_name}."
    return address.startswith(f"{promise.policy_name}/{beginning}")


def _elsewhere(policy: Policy, address: str, known: Known, now: datetime) -> SourceStanding:
    good = known.newest_good.get(address)
    age = None if good is None else max(0.0, (now - good.restore_point).total_seconds())
    held = frozenset() if good is None else known.copies.get(good.snapshot, frozenset())
    return SourceStanding(
        address=address,
        policy=policy.name,
        standing=Standing.ELSEWHERE,
        trouble=None,
        newest_good=good,
        last_run=None,
        rpo_target_seconds=policy.objectives.rpo_seconds,
        rpo_actual_seconds=age,
        copies_complete=len(held.intersection(policy.stores)),
        copies_promised=len(policy.stores),
        due_at=None,
        is_running=False,
        is_old=age is not None and is_old(policy, age),
    )


def _counts(promise: SourcePromise, seen: Mapping[str, SeenDatabase], known: Known) -> bool:
    """Whether a database that was once seen still is a source: one that is gone is until it is retired."""
    return seen[promise.address].gone_at is None or not known.is_retired(promise.address)


def _stand(
    policy: Policy, promise: SourcePromise, known: Known, now: datetime, seen: SeenDatabase | None = None
) -> SourceStanding:
    address = promise.address
    good, last = known.newest_good.get(address), known.last_run(address)
    record = known.sources.get(address)
    is_closed = record is not None and record.state in WITHOUT_SCHEDULE
    age = None if good is None else max(0.0, (now - good.restore_point).total_seconds())
    held = frozenset() if good is None else known.copies.get(good.snapshot, frozenset())
    missing = [store for store in policy.stores if store not in held]
    standing, trouble = Standing.CLOSED, None
    if not is_closed:
        standing, trouble = (
            judge(policy, promise, known, now) if seen is None or seen.gone_at is None else judge_gone(promise, seen)
        )
    return SourceStanding(
        address=address,
        policy=policy.name,
        standing=standing,
        trouble=trouble,
        newest_good=good,
        last_run=last,
        rpo_target_seconds=None if is_closed else policy.objectives.rpo_seconds,
        rpo_actual_seconds=age,
        copies_complete=len(policy.stores) - len(missing),
        copies_promised=len(policy.stores),
        due_at=None if is_closed else due(policy, address, now),
        is_running=address in known.claimed,
        last_seen_at=None if seen is None else seen.last_seen_at,
    )


def _unprotected(record: SourceRecord, known: Known, now: datetime) -> SourceStanding:
    """Return a source that was backed up once and that no policy names any more."""
    good = known.newest_good.get(record.address)
    is_closed = record.state in WITHOUT_SCHEDULE
    return SourceStanding(
        address=record.address,
        policy=record.policy,
        standing=Standing.CLOSED if is_closed else Standing.OPEN,
        trouble=None
        if is_closed
        else Trouble(
            text="no policy protects it any more",
            details="" if good is None else "its snapshots are kept",
            remedy=f"put its policy back; drorch policy show {record.policy} --at TIME",
        ),
        newest_good=good,
        last_run=known.last_run(record.address),
        rpo_target_seconds=None,
        rpo_actual_seconds=None if good is None else max(0.0, (now - good.restore_point).total_seconds()),
        copies_complete=0 if good is None else len(known.copies.get(good.snapshot, ())),
        copies_promised=0,
        due_at=None,
        is_running=record.address in known.claimed,
    )
