"""Many jobs at once: so many in all, so many of one server, and none that waits for a dead server in the way of the others.

Pure of what the jobs do. A job that waits for its server (it says so) holds a place for ``PATIENCE_SECONDS`` only; then
another may start. When the server answers after all there is one job more than wanted, for a while.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PATIENCE_SECONDS = 2.0
MOST_WAITING = 32  # beyond the places: threads and sockets are not free
FAREWELL_SECONDS = 3.0
_LOOK_SECONDS = 0.25

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many jobs at once, in all and of one server."""

    in_all: int
    per_server: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[Work]):
    """``server`` is the same text for all jobs that one server must bear; empty means none.

    It starts when no job is left whose ``name`` is in ``after``: they have ended, well or badly.
    """

    work: Work
    server: str = ""
    name: str = ""
    after: frozenset[str] = frozenset()


class Place:
    """What a running job holds; it says through it when it begins and ends to wait for its server."""

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._waiting_since: float | None = None

    def waits(self) -> None:
        """From now on the job waits for its server to answer."""
        self._waiting_since = self._monotonic_seconds()

    def works(self) -> None:
        """The server answered."""
        self._waiting_since = None

    @property
    def waited_seconds(self) -> float:
        """How long the job waits for its server; 0 when it does not."""
        since = self._waiting_since
        return 0.0 if since is None else self._monotonic_seconds() - since

    @property
    def is_held(self) -> bool:
        """Whether the job counts against the places."""
        return self.waited_seconds < PATIENCE_SECONDS


@dataclass(slots=True, eq=False)
class _Active(Generic[Work]):
    job: Job[Work]
    place: Place
    thread: threading.Thread | None = None


@dataclass(slots=True)
class _End(Generic[Work, Outcome]):
    active: _Active[Work]
    outcome: list[Outcome] = field(default_factory=list)
    error: BaseException | None = None

    def result(self) -> Outcome:
        if self.error is not None:
            raise self.error
        return self.outcome[0]


def results(
    jobs: Iterable[Job[Work]],
    act: Callable[[Work, Place], Outcome],
    *,
    limits: Limits,
    monotonic_seconds: Callable[[], float],
    abandon: Callable[[BaseException], None],
) -> Generator[tuple[Work, Outcome], None, None]:
    """Call ``act`` for each job in a thread of its own and yield what it returns, as they end; the first in line start first.

    What ``act`` raises is raised here. When whoever asks for results stops asking, or is interrupted, ``abandon`` is told why; it
    must make the jobs that run end soon, and they are waited for ``FAREWELL_SECONDS`` at most.
    """
    line, running = list(jobs), list[_Active[Work]]()
    ended: queue.SimpleQueue[_End[Work, Outcome]] = queue.SimpleQueue()
    try:
        while line or running:
            for job in _startable(line, running, limits):
                active = _Active(job, Place(monotonic_seconds))
                running.append(active)
                active.thread = threading.Thread(target=_run, args=(active, act, ended), daemon=True, name="source")
                active.thread.start()
            # no `continue`: before Python 3.13 a signal that comes there is raised outside the `try`
            end = _next(ended)
            if end is not None:
                running.remove(end.active)
                yield end.active.job.work, end.result()
    except BaseException as error:
        abandon(error)
        _say_farewell(running, monotonic_seconds)
        raise


def _next(ended: queue.SimpleQueue[_End[Work, Outcome]]) -> _End[Work, Outcome] | None:
    with suppress(queue.Empty):
        return ended.get(timeout=_LOOK_SECONDS)
    return None


def _say_farewell(running: Sequence[_Active[Work]], monotonic_seconds: Callable[[], float]) -> None:
    until = monotonic_seconds() + FAREWELL_SECONDS
    for active in running:
        if active.thread is not None and active.thread.is_alive():  # one that was never started cannot be joined
            active.thread.join(max(0.0, until - monotonic_seconds()))


def _run(
    active: _Active[Work], act: Callable[[Work, Place], Outcome], ended: queue.SimpleQueue[_End[Work, Outcome]]
) -> None:
    end: _End[Work, Outcome] = _End(active)
    try:
        end.outcome.append(act(active.job.work, active.place))
    except BaseException as error:  # noqa: BLE001 - it is raised where the results are asked for
        end.error = error
    ended.put(end)


def _startable(line: list[Job[Work]], running: list[_Active[Work]], limits: Limits) -> Iterator[Job[Work]]:
    """Take from ``line`` and yield what may start now; the caller adds each to ``running`` before it asks for the next."""
    left = {job.name for job in (*line, *(active.job for active in running))}  # what starts now has not ended either
    position = 0
    while position < len(line):
        held = sum(active.place.is_held for active in running)
        if held >= limits.in_all or len(running) >= limits.in_all + MOST_WAITING:
            return
        if line[position].after & left:
            position += 1
            continue
        server = line[position].server
        if server and sum(active.job.server == server for active in running) >= limits.per_server:
            position += 1
            continue
        yield line.pop(position)
