"""Carry out the drills of one restore test: sources chosen, lots drawn, each drilled and told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType

from drorch.cli.drill.beside import drilled_beside
from drorch.cli.drill.key_in_hand import KeyInHand
from drorch.cli.drill.one_drill import OneDrill, Order
from drorch.cli.drill.printing import print_drill
from drorch.cli.drill.told import Say, Told, drilled_document, ending_lines, piped_line
from drorch.cli.output import Output
from drorch.errors import SnapshotUnknown, UsageInvalid
from drorch.evidence.drill_report import DrillReport, Verdict
from drorch.operations.drills.books import new_drill_id
from drorch.operations.drills.due import SourceCoverage, coverage
from drorch.operations.drills.lottery import Drawn
from drorch.operations.drills.production import require_no_production
from drorch.operations.drills.sampling import ballot
from drorch.operations.drills.session import Drilled, DrillSession
from drorch.operations.drills.sources import drillable
from drorch.operations.drills.stored_sources import newest_stored
from drorch.operations.drills.verdict import worst_of
from drorch.operations.interruption import Interruption
from drorch.operations.proof.recording import RecordedDrill
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.restore_tests.loading import LoadedTests
from drorch.policy.restore_tests.model import AUTO, Scenario
from drorch.quantities import counted
from drorch.wiring import Wiring, room_for_drills


@dataclass(slots=True)
class DrillDesk:
    """Carries out orders; the key is opened once, before the first sandbox. ``at_once``: ``None`` is what the machine bears."""

    wiring: Wiring
    policies: LoadedPolicies
    tests: LoadedTests
    output: Output
    key: KeyInHand
    at_once: int | None = None
    on_paper: bool = True
    papers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _ledger: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self, order: Order) -> list[Drilled]:
        """Drill every source that the order is about, tell each, and return what came of them, in the order of the list."""
        self._require_people(order)
        test = order.test
        self.key.require_for(test.scenario)
        if test.sandbox in self.wiring.settings.sandboxes:
            require_no_production(self.wiring.settings.sandboxes[test.sandbox], self.policies.policies)
        policy = self.policies.find(test.policy)[0]
        known = drillable(self.wiring.catalog(), partial(self.wiring.repository, policy.stores), policy, test.policy)
        if test.sample is not None or len(known) > 1:
            self.key.recipient()  # nobody draws a lot that he cannot drill, and nobody is asked by ten at once
        drawn, promises = self._chosen(order, policy, known)
        left = [promise for promise in promises if promise.address not in order.done]
        making = OneDrill(
            wiring=self.wiring, key=self.key, order=order, policy=policy, drawn=drawn, ledger=self._ledger
        )
        found = {one.report.source: one for one in self._drilled(making, left)}
        return [found[promise.address] for promise in left]

    def tell_killed(self) -> list[Drilled]:
        """Record drills of this machine that were killed."""
        return list(self._session().tell_killed(self.wiring.drill_machine()))

    # -- who and what

    def _require_people(self, order: Order) -> None:
        people = self.wiring.settings.people
        operator, verifier = order.people
        for name, role in ((operator, "operator"), (verifier, "verifier")):
            if name is None:
                continue
            if name not in people:
                raise UsageInvalid(
                    f"nobody is called {name}",
                    expected=", ".join(people) or "somebody in `people:` of drorch.yaml",
                    found=name,
                    hint="a person is a public key: `people:` in drorch.yaml",
                )
            if people[name].role != role:
                raise UsageInvalid(f"{name} is no {role}", expected=f"role {role}", found=people[name].role)
        if operator is not None and operator == verifier:
            raise UsageInvalid(
                "operator and verifier are one person",
                expected="two people",
                found=operator,
                hint="nobody verifies his own work",
            )

    def _chosen(
        self, order: Order, policy: Policy, promises: Sequence[SourcePromise]
    ) -> tuple[Drawn | None, Sequence[SourcePromise]]:
        """Return the sources; of many a sample, drawn by a lot that the ledger has."""
        test, wiring = order.test, self.wiring
        if test.sample is None:
            return None, promises
        stored = partial(newest_stored, wiring.repository(tuple(policy.stores)))
        listed = ballot(promises, test.sample, wiring.catalog(), wiring.clock.now(), stored)
        if not listed.lots:
            raise SnapshotUnknown(
                f"{test.name} has nothing to draw from: no source of {policy.name} has a complete snapshot",
                expected="one source with a complete snapshot",
                found=f"{counted(len(promises), 'source')} without" if promises else "no source yet",
                hint=f"`drorch snapshots {policy.name}` lists what exists",
            )
        subject = new_drill_id(wiring.clock, wiring.random_bytes)
        drawn = wiring.lottery().draw(test.name, listed, subject=subject, slot=order.slot)
        by_name = {promise.address: promise for promise in promises}
        return drawn, [by_name[name] for name in drawn.draw.drawn if name in by_name]

    def _session(self) -> DrillSession:
        wiring = self.wiring
        return DrillSession(books=wiring.drill_books(), seal=self._sealed, coverage=self._coverage)

    def _sealed(self, report: DrillReport, draw: str) -> RecordedDrill:
        """One after the other: a chain has one end."""
        with self._ledger:
            return self.wiring.seal_drill(report, draw)

    def _coverage(self, now: datetime) -> Sequence[SourceCoverage]:
        return coverage(self.policies.policies, self.tests.tests, self.wiring.catalog(), now)

    # -- drills

    def _drilled(self, making: OneDrill, promises: Sequence[SourcePromise]) -> Iterator[Drilled]:
        session, zone = self._session(), str(self.wiring.settings.time_zone)
        width = self._width(making.order, len(promises))
        if len(promises) == 1:
            drilled = self._drill(session, making, promises[0], Interruption(), self.output.lines)
            self._tell(drilled, zone)
            yield drilled
            return
        if self.output.shows_progress:
            self.output.message(f"{making.order.test.name}  {counted(len(promises), 'source')}, {width} at a time")
        said: dict[str, list[str]] = {promise.address: [] for promise in promises}

        def act(promise: SourcePromise, stop: Interruption) -> Drilled:
            return self._drill(session, making, promise, stop, said[promise.address].extend)

        monotonic_seconds = self.wiring.clock.monotonic_seconds
        for drilled in drilled_beside(promises, act, width=width, monotonic_seconds=monotonic_seconds):
            self.output.lines(said.pop(drilled.report.source))
            self._tell(drilled, zone)
            yield drilled

    def _drill(
        self, session: DrillSession, making: OneDrill, promise: SourcePromise, stop: Interruption, say: Say
    ) -> Drilled:
        request = making.request(promise)
        now, zone = self.wiring.clock.now(), str(self.wiring.settings.time_zone)
        told = Told(self.output, request, zone, now, say)
        subject = "" if making.drawn is None else making.drawn.subject
        return session.drill(request, making.means(told, stop), draw=subject)

    def _width(self, order: Order, count: int) -> int:
        """Return how many drills may run at once: one, where they would wait for each other anyway."""
        if order.test.sandbox != AUTO or order.test.scenario is Scenario.COLD_START:
            return 1
        return max(1, min(count, self.at_once or room_for_drills()))

    def _tell(self, drilled: Drilled, zone: str) -> None:
        papers = self._print(drilled) if self.on_paper else ()
        if self.output.as_json or (self.output.quiet and drilled.report.verdict is Verdict.PASS):
            return
        if self.output.is_terminal:
            self.output.lines(["", *ending_lines(drilled, zone, (), papers)])
        else:
            self.output.lines([piped_line(drilled)])

    def _print(self, drilled: Drilled) -> tuple[str, ...]:
        paths, trouble = print_drill(drilled, self.wiring.settings)
        if trouble is not None:
            self.output.message(f"{drilled.report.drill[:8]} is not on paper: {trouble.message}")
        self.papers[drilled.report.drill] = tuple(map(str, paths))
        return self.papers[drilled.report.drill]


def answer(
    output: Output,
    schema: str,
    drilled: Sequence[Drilled],
    papers: Mapping[str, Sequence[str]] = MappingProxyType({}),
    **more: object,
) -> int:
    """Write the object of ``--json``, with ``papers`` by drill and ``more`` in it, and return the exit code of several drills."""
    code = worst_of([one.report for one in drilled])
    unkept = next((one.not_recorded for one in drilled if one.not_recorded is not None), None)
    if code == 0 and unkept is not None:
        code = unkept.exit_code
    if output.as_json:
        told = [drilled_document(one, papers.get(one.report.drill, ())) for one in drilled]
        document = {"ok": code == 0, "exit_code": code, **more, "drills": told}
        output.document(schema, document)
    return code


def names_of_killed(drilled: Sequence[Drilled]) -> list[str]:
    """Return a line for each drill that had been killed."""
    return [
        f"note  drill {one.report.drill[:8]} of {one.report.source} was killed; it is recorded as inconclusive"
        for one in drilled
    ]
