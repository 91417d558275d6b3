"""One drill, from the word that something is lost to the wiped sandbox; every step timed, every check told, and an end within its time."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace

from drorch.errors import DrorchError, KeyMissing, KeyWrong, SourceUnsupported
from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Moment
from drorch.format.keys import RecipientKey
from drorch.operations.drills import restoring, wiping
from drorch.operations.drills.checking import ENDS_A_DRILL, failed_by
from drorch.operations.drills.enough_room import lacking_room
from drorch.operations.drills.located import Located, locate
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.proving import NewestRecord
from drorch.operations.drills.request import DrillRequest, Means
from drorch.operations.drills.restoring import Restoring
from drorch.operations.drills.summing_up import Course, sum_up
from drorch.operations.drills.supervised import Supervised
from drorch.operations.drills.untried import completed
from drorch.quantities import format_span
from drorch.sandbox.interface import SandboxLimits

Item = Located | CheckResult | Moment | NewestRecord
_ENDS_A_DRILL = (*ENDS_A_DRILL, KeyMissing, KeyWrong)
_LEFT_BEHIND = "a step did not end even then: what it was doing ends with this program"


def run(request: DrillRequest, means: Means) -> DrillReport:
    """Drill, and return the report whatever was found; after ``request.timeout_seconds`` what is open then is left open.

    Raises ``KeyMissing`` or ``KeyWrong`` before a sandbox is started, ``Interrupted``, ``Terminated`` and ``Bug``: then there is no verdict.
    """
    started = means.clock.monotonic_seconds()
    work: Supervised[Item] = Supervised(started + request.timeout_seconds, means.stop, means.clock)
    return _Drill(request, means, work, started).run()


@dataclass(slots=True)
class _Drill:
    request: DrillRequest
    means: Means
    work: Supervised[Item]
    started: float
    course: Course = field(default_factory=Course)

    def run(self) -> DrillReport:
        self._moment("declared")
        recipient = self.means.recipient()  # a person may type a passphrase: not in the thread of the work
        self._moment("key_released")
        located = self._located(recipient)
        if located is not None:
            with closing(located.reader):
                self._sandboxed(located)
        self._complete()
        return sum_up(self.request, self.course, self.means.machine)

    # -- the steps

    def _located(self, recipient: RecipientKey) -> Located | None:
        for item in self.work.items(lambda: locate(self.request, self.means, recipient, self.started)):
            self._take(item)
        return self.course.located

    def _sandboxed(self, located: Located) -> None:
        """The sandbox is opened and wiped by this thread, which stays; what happens in it is done by one that may be left behind."""
        limits = SandboxLimits(seconds=self.work.seconds_left)
        if self.work.is_out_of_time or not self._has_room(located):
            return
        try:
            with self.means.place(located.content.facts, limits, self.request.promise) as place:
                self._moment("sandbox_ready")
                self.means.heard.opened(place.sandbox.description)
                self._in_sandbox(located, place)
        except _ENDS_A_DRILL:
            raise
        except DrorchError as error:
            self._without_sandbox(error)

    def _has_room(self, located: Located) -> bool:
        disk = self.means.room()
        if disk is None:
            return True
        lacks = lacking_room(located.engine, located.restored_bytes(self.request.test.tables), disk)
        if lacks is not None:
            self._take(restoring.lacking((lacks,)))
        return lacks is None

    def _in_sandbox(self, located: Located, place: DrillPlace) -> None:
        with self.means.stop.cuts(place.sandbox.stop):
            for item in self.work.items(Restoring(self.request, self.means, located, place).run):
                self._take(item)
        self.course.sandbox, wiped = wiping.wipe(place.sandbox, self.means.clock)
        self._take(wiped)
        self._moment("cleaned")

    def _without_sandbox(self, error: DrorchError) -> None:
        """A sandbox that does not open is no fault of the backup, and proves nothing of it."""
        done = {check.check for check in self.course.checks}
        if Check.RESTORE not in done and not self.work.is_out_of_time:
            found = failed_by(Check.RESTORE, restoring.RESTORE, error)
            told = found.told if isinstance(error, SourceUnsupported) else (f"no sandbox: {found.found}",)
            self._take(replace(found, outcome=Outcome.INCONCLUSIVE, told=told))
        elif Check.WIPED not in done:
            self._take(replace(failed_by(Check.WIPED, wiping.TITLE, error), outcome=Outcome.FAIL))

    def _complete(self) -> None:
        """Tell every check that was not come to, and why."""
        if self.work.is_out_of_time:
            taken = format_span(self.request.timeout_seconds)
            left = f"; {_LEFT_BEHIND}" if self.work.is_left_behind else ""
            self.course.out_of_time = f"not ended after {taken}, the time-out of this drill{left}"
        before = set(map(id, self.course.checks))
        self.course.checks = completed(self.course.checks, self.course.out_of_time)
        for check in self.course.checks:
            if id(check) not in before:
                self.means.heard.checked(check)

    # -- keeping

    def _moment(self, name: str) -> None:
        self.course.timeline.append(Moment(name=name, at=self.means.clock.now()))

    def _take(self, item: Item) -> None:
        if isinstance(item, CheckResult):
            self.course.checks.append(item)
            self.means.heard.checked(item)
        elif isinstance(item, Moment):
            self.course.timeline.append(item)
        elif isinstance(item, NewestRecord):
            self.course.newest_record = item.text
        else:
            self.course.located = item
            self.means.heard.reached(item.reached)
