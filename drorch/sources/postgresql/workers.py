"""A few threads, each with a session of its own, that stop together at the first error."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drorch.errors import Bug, DrorchError, Interrupted
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of work. ``after`` are keys of others; ``shared`` and ``exclusive`` name what it locks on the server."""

    key: int
    size: int
    do: Callable[[Session], None]
    after: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()
    exclusive: frozenset[int] = frozenset()


@dataclass(kw_only=True)
class _State:
    waiting: dict[int, int] = field(default_factory=dict)
    followers: dict[int, list[int]] = field(default_factory=dict)
    ready: list[tuple[int, int]] = field(default_factory=list)
    running: dict[int, Work] = field(default_factory=dict)
    left: int = 0
    error: BaseException | None = None


def run_all(work: Sequence[Work], *, jobs: int, make: Callable[[], Session], lifeline: Lifeline) -> None:
    """Do all of ``work``, larger pieces first, never two that lock the same thing; raise the first error."""
    if not work:
        return
    by_key = {one.key: one for one in work}
    state = _ordered(work, by_key)
    changed = threading.Condition()
    threads = [
        threading.Thread(target=_labour, args=(state, changed, by_key, make, lifeline), name=f"restore-{number}")
        for number in range(max(1, min(jobs, len(by_key))))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # so that Ctrl-C is heard
    except BaseException:
        _stop(state, changed, lifeline)
        for thread in threads:
            thread.join()
        raise
    if state.error is not None:
        raise state.error


def _ordered(work: Sequence[Work], by_key: Mapping[int, Work]) -> _State:
    state = _State(left=len(by_key))
    for one in work:
        after = [key for key in one.after if key in by_key and key != one.key]
        state.waiting[one.key] = len(after)
        for key in after:
            state.followers.setdefault(key, []).append(one.key)
        if not after:
            heapq.heappush(state.ready, (-one.size, one.key))
    return state


def _stop(state: _State, changed: threading.Condition, lifeline: Lifeline) -> None:
    reason = Interrupted("the restore was stopped")
    lifeline.end(reason)
    with changed:
        state.error = state.error or reason
        changed.notify_all()


def _labour(
    state: _State,
    changed: threading.Condition,
    by_key: Mapping[int, Work],
    make: Callable[[], Session],
    lifeline: Lifeline,
) -> None:
    session: Session | None = None
    try:
        session = make()
        while (one := _take(state, changed, by_key)) is not None:
            one.do(session)
            _done(state, changed, one, by_key)
    except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
        with changed:
            state.error = state.error or error
            changed.notify_all()
        lifeline.end(
            error if isinstance(error, DrorchError) else Bug(f"a restore thread failed: {type(error).__name__}")
        )
    finally:
        if session is not None:
            session.close()


def _take(state: _State, changed: threading.Condition, by_key: Mapping[int, Work]) -> Work | None:
    with changed:
        while True:
            if state.error is not None or state.left == 0:
                return None
            one = _first_free(state, by_key)
            if one is not None:
                state.running[one.key] = one
                return one
            if not state.running and not state.ready:
                raise Bug("definitions wait for each other")
            changed.wait()


def _first_free(state: _State, by_key: Mapping[int, Work]) -> Work | None:
    aside: list[tuple[int, int]] = []
    chosen = None
    while state.ready and chosen is None:
        item = heapq.heappop(state.ready)
        one = by_key[item[1]]
        if any(_conflict(one, other) for other in state.running.values()):
            aside.append(item)
        else:
            chosen = one
        if len(aside) > 1_000:
            break  # everything near is locked by what runs; wait for its end
    for item in aside:
        heapq.heappush(state.ready, item)
    return chosen


def _conflict(one: Work, other: Work) -> bool:
    return bool(one.exclusive & other.exclusive or one.exclusive & other.shared or one.shared & other.exclusive)


def _done(state: _State, changed: threading.Condition, one: Work, by_key: Mapping[int, Work]) -> None:
    with changed:
        del state.running[one.key]
        state.left -= 1
        for key in state.followers.get(one.key, ()):
            state.waiting[key] -= 1
            if state.waiting[key] == 0:
                heapq.heappush(state.ready, (-by_key[key].size, key))
        changed.notify_all()
