"""What stays in the catalog of a prune: a run for every lane and store, with the name of each snapshot and why it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drorch.catalog.interface import Catalog, PolicyText, RunOutcome, RunRecord, RunState
from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.ids import RunId
from drorch.operations.machine import Machine
from drorch.operations.policy_history import digest_of_text
from drorch.operations.prune import LanePlan
from drorch.operations.run_log import RunLog
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy
from drorch.quantities import counted, format_size
from drorch.repository.sweeper import SweepReport

OPERATION = "prune"


class PruneBooks:
    """Keeps the books of one prune, for ``drorch history`` and whoever must account for what was deleted."""

    def __init__(
        self,
        catalog: Catalog,
        policies: Mapping[str, Policy],
        machine: Machine,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._catalog = catalog
        self._policies = policies
        self._machine = machine
        self._clock = clock
        self._random_bytes = random_bytes

    def begin(self, lane: LanePlan) -> str:
        """Record what is about to go, before it goes; return the run's id."""
        run, now, machine = str(RunId(self._random_bytes(16))), self._clock.now(), self._machine
        self._catalog.begin_run(
            RunRecord(
                run_id=run,
                source=lane.source,
                policy=lane.source.partition("/")[0],
                operation=OPERATION,
                started_at=now,
                policy_digest=self._remembered(lane),
                host=machine.host,
                pid=machine.pid,
                process_started=machine.process_started,
            )
        )
        log = RunLog(self._catalog, run, self._clock)
        log.say(f"prune of {lane.source} in {lane.store}: {len(lane.goes)} of {len(lane.snapshots)} snapshots go")
        log.say(*(f"  {one.decision.snapshot} goes: {'; '.join(one.decision.reasons)}" for one in lane.goes))
        return run

    def end(self, run: str, outcome: SweepReport | DrorchError, lane: LanePlan) -> None:
        """Record how it ended."""
        log, now = RunLog(self._catalog, run, self._clock), self._clock.now()
        if isinstance(outcome, DrorchError):
            self._catalog.end_run(run, RunOutcome.of_error(outcome, ended_at=now))
            log.tell_error(outcome)
            return
        self._catalog.end_run(run, RunOutcome(state=RunState.COMPLETE, ended_at=now))
        log.say(f"{counted(len(outcome.deleted), 'object')} deleted of {lane.objects}, {format_size(lane.size_bytes)}")
        for text, names in (
            ("kept for a run that came meanwhile", outcome.kept),
            ("refused by the store", outcome.refused),
        ):
            log.say(*([f"{len(names)} {text}"] if names else []))
        log.say(*(f"  {run_id} had come to be held, and stays" for run_id in sorted(outcome.spared)))

    def _remembered(self, lane: LanePlan) -> str:
        policy = self._policies.get(lane.rule)
        text = "" if policy is None else policy_text(policy)
        digest = str(digest_of_text(text))
        if policy is not None:
            self._catalog.remember_policy(
                PolicyText(digest=digest, name=policy.name, text=text, first_seen_at=self._clock.now())
            )
        return digest
