"""One drill of one source: what it is asked to do, and with what."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from drorch.cli.drill.key_in_hand import KeyInHand
from drorch.cli.drill.told import Told
from drorch.cli.progress import Silent
from drorch.evidence.drill_report import BY_HAND, People
from drorch.evidence.lots import Lot
from drorch.operations.drills.books import earlier_of, last_store, new_drill_id
from drorch.operations.drills.lottery import Drawn
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.request import DrillRequest, Means, Site
from drorch.operations.drills.sampling import Ballot
from drorch.operations.drills.scenarios.cold_start import cold_start
from drorch.operations.drills.scenarios.reached import Asked, Reached
from drorch.operations.drills.staging import Stage, reach
from drorch.operations.interruption import Interruption
from drorch.operations.policy_history import digest_of_text
from drorch.operations.room import disk_of
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.restore_tests.model import AUTO, RestoreTest, Scenario
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
    trigger: str = BY_HAND
    slot: datetime | None = None
    done: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str | None, str | None]:
        """Operator and verifier: those of the order, else those of the test."""
        own = self.test.people
        return self.operator or own.operator, self.verifier or own.verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class OneDrill:
    """Makes the request and the means of each drill of an order; several threads may ask. ``drawn`` is the lot that chose the sources."""

    wiring: Wiring
    key: KeyInHand
    order: Order
    policy: Policy
    drawn: Drawn | None
    ledger: threading.Lock = field(default_factory=threading.Lock)

    def request(self, promise: SourcePromise) -> DrillRequest:
        """Return what is asked of the drill of a source."""
        operator, verifier = self.order.people
        wiring, test, shares = self.wiring, self.order.test, self.key.share_marks
        return DrillRequest(
            drill=new_drill_id(wiring.clock, wiring.random_bytes),
            test=test,
            policy=self.policy,
            policy_digest=str(digest_of_text(policy_text(self.policy))),
            promise=promise,
            people=People(
                operator=operator,
                verifier=verifier,
                observers=test.people.observers,
                custodians=tuple(f"share {one.number}" for one in shares),
                quorum=max((one.threshold for one in shares), default=None),
            ),
            trigger=self.order.trigger,
            scheduled_for=self.order.slot,
            draw=None if self.drawn is None else self.drawn.draw,
            before=earlier_of(wiring.catalog(), promise.address),
            sites={name: _site(store) for name, store in wiring.settings.stores.items()},
        )

    def means(self, told: Told, stop: Interruption) -> Means:
        """Return with what it is done; ``stop`` ends it."""
        wiring = self.wiring
        return Means(
            clock=wiring.clock,
            random_bytes=wiring.random_bytes,
            machine=wiring.drill_machine(),
            recipient=self.key.recipient,
            reach=lambda asked: self._reach(asked, stop),
            place=partial(self._place, stop),
            proof=wiring.database_proof,
            tree=wiring.tree_proof(),
            opener=wiring.document_opener(),
            verify=partial(wiring.verify_by_command, cuts=stop.cuts),
            room=lambda: disk_of(wiring.temporary()) if self.order.test.sandbox == AUTO else None,
            observer=Silent(),
            heard=told,
            stop=stop,
        )

    # -- the snapshot

    def _reach(self, request: DrillRequest, stop: Interruption) -> Reached:
        stage = Stage(
            repository=self.wiring.repository(tuple(request.policy.stores)),
            now=self.wiring.clock.now(),
            snapshot=self.order.snapshot,
            last_store=last_store(self.wiring.catalog(), request.promise.address),
            draw_one=lambda ids: self._draw_one(request, ids),
            cold_start=partial(self._cold_start, stop=stop),
        )
        reached = reach(request, stage)
        told = () if self.key.combined is None else (self.key.combined.told,)
        return replace(reached, told=(*told, *reached.told))

    def _draw_one(self, request: DrillRequest, ids: Sequence[str]) -> str:
        listed = Ballot(lots=tuple(Lot(source=one) for one in ids), excluded={}, count=1)
        name = f"{request.test.name} {request.promise.address}"
        with self.ledger:
            drawn = self.wiring.lottery().draw(name, listed, subject=request.drill, slot=request.scheduled_for)
        return drawn.draw.drawn[0]

    def _cold_start(self, asked: Asked, *, stop: Interruption) -> Reached:
        """Restore by a process that has the store, the key or its shares, and the trust root, and nothing else."""
        wiring = self.wiring
        store = asked.store or next(iter(wiring.settings.stores))
        trust = wiring.settings.keys.trust or asked.repository.trust.root_digest.raw
        return cold_start(asked, self.key.belongings(store, trust), wiring.run_afresh(), cuts=stop.cuts)

    # -- the sandbox

    def _place(
        self, stop: Interruption, facts: Mapping[str, Json], limits: SandboxLimits, promise: SourcePromise
    ) -> AbstractContextManager[DrillPlace]:
        """Open the sandbox; a process that knows no policy knows no restore command: then a command's bytes go into a file."""
        test = self.order.test
        known = None if test.scenario is Scenario.COLD_START else promise
        return self.wiring.sandbox(facts, limits, known, named=test.sandbox, cuts=stop.cuts)


def _site(store: object) -> Site:
    site = getattr(store, "site", None)
    return Site(name=None if site is None else site.name, lock_seconds=getattr(store, "object_lock_seconds", None))
