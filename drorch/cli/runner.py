"""Runs the backup of one source, from any thread: what a command shares between its sources is made once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from drorch.cli.chosen import Pair
from drorch.cli.failures import explain
from drorch.cli.output import Output
from drorch.cli.progress import Silent, observer
from drorch.errors import DrorchError, SourceUnreachable, StoreError, StoreMissing, StoreUnavailable
from drorch.operations import contacts
from drorch.operations.at_once import Place
from drorch.operations.back_up import QUIET_STEPS, BackupReport, Steps
from drorch.operations.framing import Frame
from drorch.operations.hooks import HookFrame
from drorch.operations.interruption import Interruption
from drorch.operations.machine import Machine
from drorch.operations.policy_history import digest_of_text
from drorch.operations.protect import Protector
from drorch.operations.protection import Protection
from drorch.operations.room import require_room
from drorch.operations.spool import current_outage, prepare
from drorch.operations.together import GROUP_ID_BYTES, Member, Together
from drorch.policy.discovery import server_of
from drorch.policy.explain import policy_text
from drorch.policy.model import WITHOUT_BASES, Policy, SourcePromise
from drorch.policy.order import ranks
from drorch.repository.opening import Repository
from drorch.sources.interface import Observer
from drorch.wiring import Wiring, liveness, this_machine

_TRIES_OF_A_SILENT_SERVER = 2
_NEARLY = 0.8  # of the connect time-out: whoever waited so long had no answer


@dataclass(slots=True)
class _Silences:
    """How often each server gave no answer in time, without one in between."""

    by_server: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, server: str) -> None:
        with self.lock:
            self.by_server[server] = self.by_server.get(server, 0) + 1

    def end(self, server: str) -> None:
        with self.lock:
            self.by_server.pop(server, None)

    def is_silent(self, server: str) -> bool:
        with self.lock:
            return bool(server) and self.by_server.get(server, 0) >= _TRIES_OF_A_SILENT_SERVER


class Runner:
    """Backs up sources; ``alone`` may be called from one thread, ``among_others`` from many."""

    def __init__(self, wiring: Wiring, interruption: Interruption, slot: datetime | None = None) -> None:
        self._wiring = wiring
        self._interruption = interruption
        self._slot = slot
        self._lock = threading.RLock()
        self._machine: Machine = this_machine()
        self._protectors: dict[tuple[str, ...], Protector] = {}
        self._is_spool_ready = False
        self._texts: dict[str, str] = {}
        self._silences = _Silences()
        self._failed: set[str] = set()

    @property
    def interruption(self) -> Interruption:
        """What cuts its runs short."""
        return self._interruption

    def alone(self, policy: Policy, promise: SourcePromise, output: Output) -> BackupReport:
        """Back up one source with progress on the terminal; raises a ``DrorchError``."""
        source = self._wiring.source(promise)
        if output.shows_progress:
            output.message(f"{promise.address}  {source.address} -> {', '.join(policy.stores)}")
        bars = observer(output, "rows")
        with bars or nullcontext(Silent()) as watching:
            return self._run(policy, promise, QUIET_STEPS, watching)

    def among_others(self, unit: Sequence[Pair], place: Place) -> tuple[BackupReport | DrorchError, ...]:
        """Back up one of many sources, or all of a consistency group; return the report of each, or why there is none."""
        if unit[0][0].group is not None and len(unit) > 1:
            return self._group(unit)
        return (self._one(unit[0], place),)

    def _group(self, unit: Sequence[Pair]) -> tuple[BackupReport | DrorchError, ...]:
        """Back up the sources of a group, each in a thread of its own, however many may run at once."""
        order = ranks(policy for policy, _ in unit)
        together = Together(
            unit[0][0].group.name if unit[0][0].group is not None else "",
            [
                Member(address=promise.address, rank=order[policy.name], hooks=self._hooks(policy, promise))
                for policy, promise in unit
            ],
            max_skew_seconds=min(policy.group.max_skew_seconds for policy, _ in unit if policy.group is not None),
            group_id=self._wiring.random_bytes(GROUP_ID_BYTES),
            interruption=self._interruption,
            clock=self._wiring.clock,
        )

        def act(pair: Pair) -> BackupReport | DrorchError:
            try:
                return self._run(*pair, QUIET_STEPS, frame=together.frame(pair[1].address))
            except DrorchError as error:
                return error
            finally:
                together.leave(pair[1].address)

        with ThreadPoolExecutor(len(unit), thread_name_prefix="member") as pool:
            outcomes = tuple(pool.map(act, unit))
        for (policy, _), outcome in zip(unit, outcomes, strict=True):
            self._note(policy, outcome)
        return outcomes

    def _hooks(self, policy: Policy, promise: SourcePromise) -> HookFrame | None:
        hooks = policy.hooks
        if hooks is None:
            return None
        return HookFrame(
            self._wiring.hook_runner(hooks, promise.address),
            has_before=bool(hooks.before),
            has_after=bool(hooks.after),
            timeout_seconds=hooks.timeout_seconds,
            interruption=self._interruption,
            clock=self._wiring.clock,
        )

    def _note(self, policy: Policy, outcome: BackupReport | DrorchError) -> None:
        if isinstance(outcome, DrorchError):
            with self._lock:
                self._failed.add(policy.name)

    def _one(self, pair: Pair, place: Place) -> BackupReport | DrorchError:
        """Back up one of many sources; return its report or why there is none."""
        outcome = self._try(pair, place)
        self._note(pair[0], outcome)
        return outcome

    def _try(self, pair: Pair, place: Place) -> BackupReport | DrorchError:
        policy, promise = pair
        server = server_of(promise.source)
        if self._silences.is_silent(server):
            return self._given_up(policy, promise, server)
        try:
            report = self._run(policy, promise, place)
        except DrorchError as error:
            limit = self._wiring.settings.limits.connect_timeout_seconds
            if isinstance(error, SourceUnreachable) and place.waited_seconds >= _NEARLY * limit:
                self._silences.note(server)
            return error
        self._silences.end(server)
        return report

    def _run(
        self,
        policy: Policy,
        promise: SourcePromise,
        steps: Steps,
        watching: Observer | None = None,
        frame: Frame | None = None,
    ) -> BackupReport:
        settings = self._wiring.settings
        require_room(settings.own_directories(), settings.limits.keep_free_percent)
        with self._lock:
            source, protector = self._wiring.source(promise), self._protector(policy)
        try:
            report = protector.run(
                self._protection(policy, promise),
                source,
                watching or Silent(),
                steps=steps,
                interruption=self._interruption,
                frame=frame or self._hooks(policy, promise),
            )
        except DrorchError as error:
            explain(error, policy, promise, source.address, settings)
            raise
        self._leave_out_silent_stores(report)
        missing = [name for name in policy.after if name in self._failed]
        late = tuple(f"it comes after {name}, which failed in this run" for name in missing)
        return replace(report, warnings=(*report.warnings, *late)) if late else report

    def _given_up(self, policy: Policy, promise: SourcePromise, server: str) -> DrorchError:
        """Record and return the failure of a source whose server was silent for others: it would only be waited for again."""
        error = SourceUnreachable(
            f"{promise.address}: no connection to the server",
            found=f"timeout: {server} gave no answer to {_TRIES_OF_A_SILENT_SERVER} sources before this one",
            hint="not tried again in this run: is the server running? a firewall may drop the packets",
        )
        with self._lock:
            protector = self._protector(policy)
        protector.fail(self._protection(policy, promise), error)
        return error

    def _protector(self, policy: Policy) -> Protector:
        """Return what backs up sources into the stores of ``policy`` that answer, the same one while those stay the same."""
        wiring = self._wiring
        repository = self._repository(policy)
        key = (policy.name, *(replica.name for replica in repository.replicas))
        spool = wiring.spool()
        is_spooled = spool is not None and repository.replicas[0].name == spool.name
        if key not in self._protectors:
            self._protectors[key] = Protector(
                repository=repository,
                host_key=wiring.writing_key(),
                catalog=wiring.catalog(),
                machine=self._machine,
                is_alive=liveness(),
                cache=wiring.cache(),
                base_limit_bytes=wiring.settings.limits.cache_bytes,
                clock=wiring.clock,
                random_bytes=wiring.random_bytes,
                outage=current_outage(repository.replicas[0], wiring.random_bytes) if is_spooled else "",
            )
        return self._protectors[key]

    def _repository(self, policy: Policy) -> Repository:
        """Open the stores of ``policy``, or the spool when none answers, which is remembered of each."""
        wiring = self._wiring
        try:
            opened = wiring.repository(policy.stores)
        except StoreError as error:
            silent = dict.fromkeys(policy.stores, error)
            contacts.note(wiring.catalog(), wiring.clock, answered=(), failed=silent)
            waiting = wiring.spool_repository() if isinstance(error, StoreUnavailable | StoreMissing) else None
            if waiting is None:
                raise
            return replace(waiting, unusable=silent)
        self._prepare_spool(opened)
        return opened

    def _prepare_spool(self, opened: Repository) -> None:
        spool = None if self._is_spool_ready else self._wiring.spool()
        self._is_spool_ready = True
        if spool is not None:
            prepare(spool, opened)

    def _leave_out_silent_stores(self, report: BackupReport) -> None:
        with self._lock:
            for name, reason in report.dropped.items():
                if isinstance(reason, StoreUnavailable):
                    self._wiring.leave_out(name, reason)

    def _protection(self, policy: Policy, promise: SourcePromise) -> Protection:
        with self._lock:
            if policy.name not in self._texts:
                self._texts[policy.name] = policy_text(policy)
            text = self._texts[policy.name]
        return Protection(
            address=promise.address,
            policy=policy.name,
            policy_text=text,
            policy_digest=digest_of_text(text),
            probes=policy.probes,
            rows_digest=getattr(promise.source, "rows_digest", "always") != "never",
            definitions=self._wiring.definitions(promise.source.engine),
            keeps_bases=policy.classification not in WITHOUT_BASES,
            slot=self._slot,
            was=promise.was,
        )
