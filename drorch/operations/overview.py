"""What is protected, what is late and what needs a person: the catalog held against the policies. Reads, decides, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from drorch.catalog.interface import (
    Catalog,
    CopyState,
    RunRecord,
    RunState,
    SeenDatabase,
    SnapshotRecord,
    SourceClaim,
    SourceRecord,
    SourceState,
)
from drorch.errors import NothingDone
from drorch.operations.estate.alarms import Alarm, alarms
from drorch.operations.estate.seen import DISCOVERY, known_promises
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.problems import Problem
from drorch.policy.schedule import OnceSchedule, next_occurrence, occurrences_between, spread_offset_seconds
from drorch.quantities import format_promise

OPERATION = "backup"
GRACE = timedelta(hours=1)  # a run may start later than its minute: a timer's own spread, a machine that was busy
_BAD = (RunState.FAILED, RunState.CRASHED, RunState.INTERRUPTED, RunState.VOID)
_WITHOUT_SCHEDULE = (SourceState.CLOSED, SourceState.RETIRED)
_MOST_TRIES = 100


class Standing(Enum):
    """How one source stands; the worst that is true of it, in this order."""

    NEVER = "never"  # no good snapshot yet
    LATE = "late"  # the newest good one is older than the RPO
    GONE = "gone"  # discovery sees it no longer
    OPEN = "open"  # it has snapshots, and no policy protects it any more
    FAILED = "failed"  # inside the RPO, but the last run ended badly
    MISSED = "missed"  # inside the RPO, but nothing ran when it was due
    PARTIAL = "partial"  # the newest good one is not in every store of the policy
    OK = "ok"
    CLOSED = "closed"  # closed or retired: no schedule and no RPO

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        return self in (Standing.OK, Standing.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a source does not stand well. ``remedy`` is a command or a short advice; what follows it is the last run's error."""

    text: str
    details: str = ""
    remedy: str = ""
    hint: str = ""
    code: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStanding:
    """One source. ``rpo_target_seconds`` is ``None`` when nothing is promised (any more)."""

    address: str
    policy: str
    standing: Standing
    trouble: Trouble | None
    newest_good: SnapshotRecord | None
    last_run: RunRecord | None
    rpo_target_seconds: int | None
    rpo_actual_seconds: float | None
    copies_complete: int
    copies_promised: int
    due_at: datetime | None
    is_running: bool
    last_seen_at: datetime | None = None  # when its server was last seen to have it, if it is ever asked

    @property
    def is_inside_rpo(self) -> bool:
        """Whether what is promised is kept at this moment."""
        return self.standing not in (Standing.NEVER, Standing.LATE, Standing.OPEN, Standing.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that ``drorch status`` shows. ``policy_problems`` are files that were not loaded: nothing protects their databases."""

    at: datetime
    sources: tuple[SourceStanding, ...]
    policy_problems: tuple[Problem, ...]
    alarms: tuple[Alarm, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        calm = all(alarm.kind.is_only_a_note for alarm in self.alarms)
        return calm and not self.policy_problems and all(source.standing.is_well for source in self.sources)

    @property
    def protected(self) -> tuple[SourceStanding, ...]:
        """The sources to which a policy promises an RPO."""
        return tuple(source for source in self.sources if source.rpo_target_seconds is not None)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the catalog knows, asked once for all sources."""

    newest_good: Mapping[str, SnapshotRecord]
    newest_runs: Mapping[str, RunRecord]
    sources: Mapping[str, SourceRecord]
    copies: Mapping[str, frozenset[str]]
    claimed: frozenset[str]
    tries: Mapping[str, int]
    seen: Mapping[str, tuple[SeenDatabase, ...]]
    asked: Mapping[str, RunRecord]

    def last_run(self, address: str) -> RunRecord | None:
        """Return the last backup that tried."""
        return self.newest_runs.get(address)

    def seen_of(self, promise: SourcePromise) -> Mapping[str, SeenDatabase]:
        """Return what the server of a promise was ever seen to have, by the address of the source."""
        return {promise.discovered(one.name).address: one for one in self.seen.get(promise.address, ())}

    def is_retired(self, address: str) -> bool:
        """Whether somebody said that the source is no more."""
        record = self.sources.get(address)
        return record is not None and record.state is SourceState.RETIRED


def last_runs(catalog: Catalog) -> Mapping[str, RunRecord]:
    """Return the last backup that tried, of every source; one that found the source busy tells nothing about it."""
    found = dict(catalog.newest_run_by_source(operation=OPERATION))
    for address, newest in tuple(found.items()):
        if newest.error_slug == NothingDone.slug:
            runs = catalog.runs(source=address, operation=OPERATION, limit=_MOST_TRIES)
            tried = next((run for run in runs if run.error_slug != NothingDone.slug), None)
            found.pop(address) if tried is None else found.update({address: tried})
    return found


def needs_another_try(policy: Policy, address: str, last: RunRecord | None, now: datetime) -> bool:
    """Whether the source has no good last occurrence: its last run was not good, or nothing ran when it was last due."""
    if last is None or last.state is not RunState.COMPLETE:
        return True
    return _missed(policy, address, last, now, grace=timedelta(0)) is not None


def overview(
    policies: Iterable[Policy],
    policy_problems: Sequence[Problem],
    catalog: Catalog,
    *,
    now: datetime,
    is_running: Callable[[SourceClaim], bool],
) -> Overview:
    """Return how every source stands, those that need somebody first; ``now`` is aware.

    ``is_running`` tells whether the process that claims a source still lives; the catalog cannot know.

    A source whose policy file could not be loaded is not called ``OPEN``: the problem of its file is told instead.
    """
    known = _known(catalog, is_running)
    policies = tuple(policies)
    standings = [standing for policy in policies for standing in _standings(policy, known, now)]
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
        alarms=alarms(policies, known.seen, known.asked),
    )


def _known(catalog: Catalog, is_running: Callable[[SourceClaim], bool]) -> _Known:
    newest_good = catalog.newest_good_by_source()
    copies: dict[str, set[str]] = {}
    for copy in catalog.copies(of=[snapshot.snapshot for snapshot in newest_good.values()]):
        if copy.state is CopyState.COMPLETE:
            copies.setdefault(copy.snapshot, set()).add(copy.store)
    return _Known(
        newest_good=newest_good,
        newest_runs=last_runs(catalog),
        sources={record.address: record for record in catalog.sources()},
        copies={snapshot: frozenset(stores) for snapshot, stores in copies.items()},
        claimed=frozenset(claim.source for claim in catalog.claims() if is_running(claim)),
        tries=catalog.bad_tries_by_source(operation=OPERATION, ignoring=[NothingDone.slug]),
        seen=_by_asker(catalog.seen_databases()),
        asked=catalog.newest_run_by_source(operation=DISCOVERY),
    )


def _by_asker(seen: Iterable[SeenDatabase]) -> Mapping[str, tuple[SeenDatabase, ...]]:
    found: dict[str, list[SeenDatabase]] = {}
    for one in seen:
        found.setdefault(one.asked_by, []).append(one)
    return {asker: tuple(databases) for asker, databases in found.items()}


def _standings(policy: Policy, known: _Known, now: datetime) -> Iterator[SourceStanding]:
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


def _counts(promise: SourcePromise, seen: Mapping[str, SeenDatabase], known: _Known) -> bool:
    """Whether a database that was once seen still is a source: one that is gone is until it is retired."""
    return seen[promise.address].gone_at is None or not known.is_retired(promise.address)


def _stand(
    policy: Policy, promise: SourcePromise, known: _Known, now: datetime, seen: SeenDatabase | None = None
) -> SourceStanding:
    address = promise.address
    good, last = known.newest_good.get(address), known.last_run(address)
    record = known.sources.get(address)
    is_closed = record is not None and record.state in _WITHOUT_SCHEDULE
    age = None if good is None else max(0.0, (now - good.restore_point).total_seconds())
    held = frozenset() if good is None else known.copies.get(good.snapshot, frozenset())
    missing = [store for store in policy.stores if store not in held]
    standing, trouble = Standing.CLOSED, None
    if not is_closed:
        standing, trouble = (
            _judge(policy, promise, known, now) if seen is None or seen.gone_at is None else _gone(promise, seen)
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
        due_at=None if is_closed else _due(policy, address, now),
        is_running=address in known.claimed,
        last_seen_at=None if seen is None else seen.last_seen_at,
    )


def _gone(promise: SourcePromise, seen: SeenDatabase) -> tuple[Standing, Trouble]:
    return Standing.GONE, Trouble(
        text=f"on the server until {seen.last_seen_at:%Y-%m-%d}, not since",
        remedy=f"drorch source retire {promise.address} --reason TEXT",
    )


def _judge(policy: Policy, promise: SourcePromise, known: _Known, now: datetime) -> tuple[Standing, Trouble | None]:
    """Return the worst that is true of a source that is protected, and what to do."""
    address = promise.address
    good = known.newest_good.get(address)
    if good is None:
        return Standing.NEVER, _trouble_of_never(policy, promise, known)
    age = (now - good.restore_point).total_seconds()
    if age > policy.objectives.rpo_seconds and not isinstance(policy.schedule, OnceSchedule):
        promised = format_promise(policy.objectives.rpo_seconds)
        return Standing.LATE, _trouble_of_runs(address, known, f"last good {_ago(age)}, promised {promised}")
    last = known.last_run(address)
    if last is not None and _ended_badly(last):
        what = "failed" if last.state in _BAD else "is partial"
        return Standing.FAILED, _trouble_of_runs(address, known, f"the last run {what}; last good {_ago(age)}")
    missed = _missed(policy, address, last, now)
    if missed is not None:
        return Standing.MISSED, Trouble(
            text=f"was due {_ago((now - missed).total_seconds())}, nothing ran", remedy=f"drorch backup {address}"
        )
    absent = [store for store in policy.stores if store not in known.copies.get(good.snapshot, frozenset())]
    if absent:
        held = len(policy.stores) - len(absent)
        elsewhere = sorted(known.copies.get(good.snapshot, frozenset()).difference(policy.stores))
        if not held and elsewhere:
            text = f"{good.snapshot[:8]} waits in {', '.join(elsewhere)} only, which is no copy"
            return Standing.PARTIAL, Trouble(text=text, remedy=f"drorch copy --to {absent[0]}")
        text = f"{good.snapshot[:8]} is in {held} of {len(policy.stores)} stores, not in {', '.join(absent)}"
        return Standing.PARTIAL, Trouble(text=text, remedy=f"drorch backup {address}")
    return Standing.OK, None


def _trouble_of_never(policy: Policy, promise: SourcePromise, known: _Known) -> Trouble:
    promised = format_promise(policy.objectives.rpo_seconds)
    text = f"no good snapshot yet, promised {promised}"
    if promise.needs_discovery:
        return Trouble(
            text=text,
            details="its server was never seen to have a database that the policy means",
            remedy=f"drorch backup {policy.name}",
        )
    return _trouble_of_runs(promise.address, known, text)


def _ended_badly(run: RunRecord) -> bool:
    """Whether a run left no snapshot that counts: it failed, or the source could not give all that was asked for."""
    return run.state in _BAD or (run.state is RunState.PARTIAL and run.error_message is not None)


def _trouble_of_runs(address: str, known: _Known, text: str) -> Trouble:
    """Return a trouble that tells why the last run failed, or that none was tried."""
    last = known.last_run(address)
    if last is None or not _ended_badly(last):
        return Trouble(text=text, remedy=f"drorch backup {address}")
    tries = known.tries.get(address, 0)
    what = last.error_message or ("its process was gone" if last.state is RunState.CRASHED else "no reason was kept")
    return Trouble(
        text=text,
        details=what.removeprefix(f"{address}: ") + (f"; {tries} tries" if tries > 1 else ""),
        remedy=f"drorch doctor {address}",
        hint=last.hint or "",
        code=last.error_code,
        name=last.error_slug,
    )


def _unprotected(record: SourceRecord, known: _Known, now: datetime) -> SourceStanding:
    """Return a source that was backed up once and that no policy names any more."""
    good = known.newest_good.get(record.address)
    is_closed = record.state in _WITHOUT_SCHEDULE
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


def _due(policy: Policy, address: str, now: datetime) -> datetime | None:
    offset = timedelta(seconds=spread_offset_seconds(address, policy.spread_seconds))
    following = next_occurrence(policy.schedule, now - offset)
    return None if following is None else following + offset


def _missed(
    policy: Policy, address: str, last: RunRecord | None, now: datetime, grace: timedelta = GRACE
) -> datetime | None:
    """Return the last occurrence that passed without a run, if it is longer ago than the grace.

    A run at any time since the occurrence counts for it, however its start is spread: cron starts all sources of a policy at once.
    """
    if last is None:
        return None
    offset = timedelta(seconds=spread_offset_seconds(address, policy.spread_seconds))
    passed = occurrences_between(policy.schedule, last.started_at, now - offset - grace)
    return passed[-1] + offset if passed else None


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{int(max(0.0, seconds) // 60)} min ago"
