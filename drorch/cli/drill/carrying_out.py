"""Carry out the drills of one restore test: sources chosen, lots drawn, each drilled and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from drorch.cli.chosen import choose_sources
from drorch.cli.drill.key_in_hand import KeyInHand
from drorch.cli.drill.told import Told, drilled_document, ending_lines, piped_line
from drorch.cli.output import Output
from drorch.cli.progress import Silent
from drorch.errors import UsageInvalid
from drorch.evidence.drill_report import Draw, People, Verdict
from drorch.evidence.lots import Lot
from drorch.operations.drills.books import earlier_of, last_store, new_drill_id
from drorch.operations.drills.due import coverage
from drorch.operations.drills.lottery import Drawn
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.request import DrillRequest, Means, Site
from drorch.operations.drills.sampling import Ballot, ballot
from drorch.operations.drills.scenarios.cold_start import cold_start
from drorch.operations.drills.scenarios.reached import Asked, Reached
from drorch.operations.drills.session import Drilled, DrillSession
from drorch.operations.drills.staging import Stage, reach
from drorch.operations.drills.verdict import worst_of
from drorch.operations.interruption import Interruption
from drorch.operations.protect import digest_of_text
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.restore_tests.loading import LoadedTests
from drorch.policy.restore_tests.model import RestoreTest, Scenario
from drorch.sandbox.interface import SandboxLimits
from drorch.sources.interface import Json
from drorch.wiring import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person, cron or the daemon asked for. ``snapshot`` goes over what the test says; ``slot`` is the occurrence that it is for."""

    test: RestoreTest
    operator: str | None = None
    verifier: str | None = None
    snapshot: str | None = None
    store: str | None = None
    trigger: str = "by hand"
    slot: datetime | None = None
    done: tuple[str, ...] = ()


@dataclass(slots=True)
class DrillDesk:
    """Carries out orders; the key is opened once, before the first sandbox."""

    wiring: Wiring
    policies: LoadedPolicies
    tests: LoadedTests
    output: Output
    key: KeyInHand

    def carry_out(self, order: Order) -> list[Drilled]:
        """Drill every source that the order is about, tell each, and return what came of them."""
        self._require_people(order)
        test = order.test
        self.key.require_for(test.scenario)
        if test.sample is not None:
            self.key.recipient()  # nobody draws a lot that he cannot drill
        policy = self.policies.find(test.policy)[0]
        drawn, promises = self._sources(order, policy)
        session = self._session()
        return [
            self._drill(session, order, policy, promise, drawn)
            for promise in promises
            if promise.address not in order.done
        ]

    def tell_killed(self) -> list[Drilled]:
        """Record drills of this machine that were killed."""
        return list(self._session().tell_killed(self.wiring.drill_machine()))

    # -- who and what

    def _require_people(self, order: Order) -> None:
        people = self.wiring.settings.people
        operator, verifier = self._people(order)
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

    def _people(self, order: Order) -> tuple[str | None, str | None]:
        own = order.test.people
        return order.operator or own.operator, order.verifier or own.verifier

    def _sources(self, order: Order, policy: Policy) -> tuple[Drawn | None, Sequence[SourcePromise]]:
        """Return the sources; of many a sample, drawn by a lot that the ledger has."""
        test = order.test
        chosen = choose_sources(self.wiring, self.policies, [test.policy])
        if chosen.failures and not chosen.pairs:
            raise chosen.failures[0][1]
        promises = [promise for found, promise in chosen.pairs if found.name == policy.name]
        if test.sample is None:
            return None, promises
        now = self.wiring.clock.now()
        listed = ballot(promises, test.sample, self.wiring.catalog(), now)
        drawn = self._lot(test, listed, order.slot)
        by_name = {promise.address: promise for promise in promises}
        return drawn, [by_name[name] for name in drawn.draw.drawn if name in by_name]

    def _lot(self, test: RestoreTest, listed: Ballot, slot: datetime | None) -> Drawn:
        subject = new_drill_id(self.wiring.clock, self.wiring.random_bytes)
        return self.wiring.lottery().draw(test.name, listed, subject=subject, slot=slot)

    def _session(self) -> DrillSession:
        wiring = self.wiring
        sources = coverage(self.policies.policies, (), wiring.catalog(), wiring.clock.now())
        return DrillSession(books=wiring.drill_books(), seal=wiring.seal_drill, sources=max(1, len(sources)))

    # -- one drill

    def _drill(
        self, session: DrillSession, order: Order, policy: Policy, promise: SourcePromise, drawn: Drawn | None
    ) -> Drilled:
        request = self._request(order, policy, promise, None if drawn is None else drawn.draw)
        zone = str(self.wiring.settings.time_zone)
        told = Told(self.output, request, zone, self.wiring.clock.now())
        means = self._means(request, order, told, Interruption())
        drilled = session.drill(request, means, draw="" if drawn is None else drawn.subject)
        self._tell(drilled, zone)
        return drilled

    def _request(self, order: Order, policy: Policy, promise: SourcePromise, drawn: Draw | None) -> DrillRequest:
        operator, verifier = self._people(order)
        test = order.test
        return DrillRequest(
            drill=new_drill_id(self.wiring.clock, self.wiring.random_bytes),
            test=test,
            policy=policy,
            policy_digest=str(digest_of_text(policy_text(policy))),
            promise=promise,
            people=People(
                operator=operator,
                verifier=verifier,
                observers=test.people.observers,
                custodians=(),
                quorum=self._quorum(),
            ),
            trigger=order.trigger,
            scheduled_for=order.slot,
            draw=drawn,
            before=earlier_of(self.wiring.catalog(), promise.address),
            sites={name: _site(store) for name, store in self.wiring.settings.stores.items()},
        )

    def _means(self, request: DrillRequest, order: Order, told: Told, stop: Interruption) -> Means:
        wiring = self.wiring
        return Means(
            clock=wiring.clock,
            random_bytes=wiring.random_bytes,
            machine=wiring.drill_machine(),
            recipient=self.key.recipient,
            reach=lambda asked: self._reach(asked, order, stop),
            place=partial(self._place, request.test, stop),
            proof=wiring.database_proof,
            tree=wiring.tree_proof(),
            opener=wiring.document_opener(),
            verify=partial(wiring.verify_by_command, cuts=stop.cuts),
            observer=Silent(),
            heard=told,
            stop=stop,
        )

    def _stage(self, request: DrillRequest, order: Order, stop: Interruption) -> Stage:
        wiring = self.wiring
        repository = wiring.repository(tuple(request.policy.stores))
        return Stage(
            repository=repository,
            now=wiring.clock.now(),
            snapshot=order.snapshot,
            last_store=last_store(wiring.catalog(), request.promise.address),
            draw_one=lambda ids: self._draw_one(request, ids),
            cold_start=partial(self._cold_start, stop=stop),
        )

    def _draw_one(self, request: DrillRequest, ids: Sequence[str]) -> str:
        listed = Ballot(lots=tuple(Lot(source=one) for one in ids), excluded={}, count=1)
        name = f"{request.test.name} {request.promise.address}"
        return self._lot_of_snapshots(name, listed, request).draw.drawn[0]

    def _lot_of_snapshots(self, name: str, listed: Ballot, request: DrillRequest) -> Drawn:
        return self.wiring.lottery().draw(name, listed, subject=request.drill, slot=request.scheduled_for)

    def _quorum(self) -> int | None:
        """Return how many custodians brought their shares."""
        return len(self.key.share_files) or None

    def _reach(self, request: DrillRequest, order: Order, stop: Interruption) -> Reached:
        reached = reach(request, self._stage(request, order, stop))
        told = () if self.key.combined is None else (self.key.combined.told,)
        return replace(reached, told=(*told, *reached.told))

    def _place(
        self,
        test: RestoreTest,
        stop: Interruption,
        facts: Mapping[str, Json],
        limits: SandboxLimits,
        promise: SourcePromise,
    ) -> AbstractContextManager[DrillPlace]:
        """Open the sandbox; a process that knows no policy knows no restore command: then a command's bytes go into a file."""
        known = None if test.scenario is Scenario.COLD_START else promise
        return self.wiring.sandbox(facts, limits, known, named=test.sandbox, cuts=stop.cuts)

    def _cold_start(self, asked: Asked, *, stop: Interruption) -> Reached:
        """Restore by a process that has the store, the key or its shares, and the trust root, and nothing else."""
        wiring = self.wiring
        store = asked.store or next(iter(wiring.settings.stores))
        trust = wiring.settings.keys.trust or asked.repository.trust.root_digest.raw
        belongings = self.key.belongings(store, trust)
        return cold_start(asked, belongings, wiring.run_afresh(), cuts=stop.cuts)

    def _tell(self, drilled: Drilled, zone: str) -> None:
        if self.output.as_json or (self.output.quiet and drilled.report.verdict is Verdict.PASS):
            return
        if self.output.is_terminal:
            self.output.lines(["", *ending_lines(drilled, zone, ())])
        else:
            self.output.lines([piped_line(drilled)])


def answer(output: Output, schema: str, drilled: Sequence[Drilled], **more: object) -> int:
    """Write the object of ``--json``, with ``more`` in it, and return the exit code of several drills."""
    code = worst_of([one.report for one in drilled])
    unkept = next((one.not_recorded for one in drilled if one.not_recorded is not None), None)
    if code == 0 and unkept is not None:
        code = unkept.exit_code
    if output.as_json:
        document = {"ok": code == 0, "exit_code": code, **more, "drills": [drilled_document(one) for one in drilled]}
        output.document(schema, document)
    return code


def names_of_killed(drilled: Sequence[Drilled]) -> list[str]:
    """Return a line for each drill that had been killed."""
    return [
        f"note  drill {one.report.drill[:8]} of {one.report.source} was killed; it is recorded as inconclusive"
        for one in drilled
    ]


def _site(store: object) -> Site:
    site = getattr(store, "site", None)
    return Site(name=None if site is None else site.name, lock_seconds=getattr(store, "object_lock_seconds", None))
