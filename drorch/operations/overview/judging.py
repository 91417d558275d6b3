"""The worst that is true of one source, and what to do about it."""

from __future__ import annotations

from datetime import datetime, timedelta

from drorch.catalog.interface import RunRecord, RunState, SeenDatabase
from drorch.operations.overview.due import ago, missed
from drorch.operations.overview.known import Known
from drorch.operations.overview.standing import Standing, Trouble
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.schedule import OnceSchedule
from drorch.quantities import format_promise

_BAD = (RunState.FAILED, RunState.CRASHED, RunState.INTERRUPTED, RunState.VOID)


def needs_another_try(policy: Policy, address: str, last: RunRecord | None, now: datetime) -> bool:
    """Whether the source has no good last occurrence: its last run was not good, or nothing ran when it was last due."""
    if last is None or last.state is not RunState.COMPLETE:
        return True
    return missed(policy, address, last, now, grace=timedelta(0)) is not None


def is_old(policy: Policy, age_seconds: float) -> bool:
    """Whether a restore point is older than the policy promises; what is captured once may be as old as it likes."""
    return age_seconds > policy.objectives.rpo_seconds and not isinstance(policy.schedule, OnceSchedule)


def judge(policy: Policy, promise: SourcePromise, known: Known, now: datetime) -> tuple[Standing, Trouble | None]:
    """Return the worst that is true of a source that is protected, and what to do."""
    address = promise.address
    good = known.newest_good.get(address)
    if good is None:
        return Standing.NEVER, _trouble_of_never(policy, promise, known)
    age = (now - good.restore_point).total_seconds()
    if is_old(policy, age):
        promised = format_promise(policy.objectives.rpo_seconds)
        return Standing.LATE, _trouble_of_runs(address, known, f"last good {ago(age)}, promised {promised}")
    last = known.last_run(address)
    if last is not None and _ended_badly(last):
        what = "failed" if last.state in _BAD else "is partial"
        return Standing.FAILED, _trouble_of_runs(address, known, f"the last run {what}; last good {ago(age)}")
    passed = missed(policy, address, last, now)
    if passed is not None:
        return Standing.MISSED, Trouble(
            text=f"was due {ago((now - passed).total_seconds())}, nothing ran", remedy=f"drorch backup {address}"
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


def judge_gone(promise: SourcePromise, seen: SeenDatabase) -> tuple[Standing, Trouble]:
    """Return how a database stands that its server has no longer."""
    return Standing.GONE, Trouble(
        text=f"on the server until {seen.last_seen_at:%Y-%m-%d}, not since",
        remedy=f"drorch source retire {promise.address} --reason TEXT",
    )


def _trouble_of_never(policy: Policy, promise: SourcePromise, known: Known) -> Trouble:
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


def _trouble_of_runs(address: str, known: Known, text: str) -> Trouble:
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
