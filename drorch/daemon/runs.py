"""The runs of this daemon: started as processes, their answers kept until they are written, ended in order when it ends."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from drorch.clock import Clock
from drorch.daemon.children import Children
from drorch.daemon.configuration import InForce
from drorch.daemon.orders import words_of
from drorch.daemon.results import Answer
from drorch.daemon.wishes import Ended, Wish, Wishes
from drorch.policy.occurrences.line import Job

FAREWELL_SECONDS = 20.0
_LOOK_SECONDS = 0.2


class Runs:
    """What runs, and what has ended and is not written yet."""

    def __init__(self, wishes: Wishes, clock: Clock) -> None:
        self._wishes = wishes
        self._clock = clock
        self._children = Children(lambda unit, answer: wishes.put(Ended(unit, answer)), clock)
        self._started: set[str] = set()
        self._unwritten: dict[str, Answer] = {}
        self._killed: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """The units of all runs that this daemon started and whose end is not written: they run, or their answer is in the line."""
        return frozenset(self._started)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What the runs that ended have answered, by unit; ``written`` takes them off."""
        return dict(self._unwritten)

    def start(self, job: Job, in_force: InForce) -> None:
        """Start the process of a job; one that cannot be started has ended at once."""
        settings = in_force.settings
        words = words_of(job, read_percent=settings.upkeep.read_percent)
        where = ("--config", str(settings.file)) if settings.file else ()
        self._started.add(job.unit)
        try:
            self._children.start(job.unit, (*words, *where), in_force.environment)
        except OSError as error:
            problem = {"name": "bug", "message": f"no process could be started: {error.strerror}", "retryable": True}
            self._wishes.put(Ended(job.unit, Answer(code=1, document={"error": problem})))

    def heard(self, ended: Ended) -> None:
        """Keep the answer of a run until it is written."""
        self._unwritten[ended.unit] = ended.answer

    def was_broken_off(self, unit: str) -> bool:
        """Whether a run that has answered was ended and nothing was wrong with it: in order, or by us when it took too long."""
        answer = self._unwritten[unit]
        return answer.was_ended or (unit in self._killed and answer.code == -signal.SIGKILL)

    def written(self, unit: str) -> None:
        """Forget an answer: the catalog has it."""
        del self._unwritten[unit]
        self._started.discard(unit)

    def end_in_order(self, drain_seconds: float) -> None:
        """Let the runs end by themselves, then ask them to, then end them; what they uploaded is used again."""
        self._wait(drain_seconds)
        self._children.end_all()
        self._wait(FAREWELL_SECONDS)
        self._killed = self._children.names
        self._children.kill_all()
        self._wait(FAREWELL_SECONDS)

    def _wait(self, seconds: float) -> None:
        until = self._clock.monotonic_seconds() + seconds
        while self._children.names and self._clock.monotonic_seconds() < until:
            wish = self._wishes.get_within(_LOOK_SECONDS)
            if isinstance(wish, Ended):
                self.heard(wish)
            elif wish is Wish.STOP:  # asked again: somebody is in a hurry
                return
        while (left := self._wishes.get_within(0)) is not None:
            if isinstance(left, Ended):
                self.heard(left)
