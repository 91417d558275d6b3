"""Runs the backup of one source, from any thread: what a command shares between its sources is made once."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field

from drorch.cli.chosen import Pair
from drorch.cli.failures import explain
from drorch.cli.output import Output
from drorch.cli.progress import Silent, observer
from drorch.errors import DrorchError, SourceUnreachable, StoreUnavailable
from drorch.operations.at_once import Place
from drorch.operations.back_up import QUIET_STEPS, BackupReport, Steps
from drorch.operations.interruption import Interruption
from drorch.operations.protect import Machine, Protection, Protector, digest_of_text
from drorch.operations.room import require_room
from drorch.policy.discovery import server_of
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy, SourcePromise
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

    def __init__(self, wiring: Wiring, interruption: Interruption) -> None:
        self._wiring = wiring
        self._interruption = interruption
        self._lock = threading.RLock()
        self._machine: Machine = this_machine()
        self._protectors: dict[tuple[str, ...], Protector] = {}
        self._texts: dict[str, str] = {}
        self._silences = _Silences()

    def alone(self, policy: Policy, promise: SourcePromise, output: Output) -> BackupReport:
        """Back up one source with progress on the terminal; raises a ``DrorchError``."""
        source = self._wiring.source(promise)
        if output.shows_progress:
            output.message(f"{promise.address}  {source.address} -> {', '.join(policy.stores)}")
        bars = observer(output, "rows")
        with bars or nullcontext(Silent()) as watching:
            return self._run(policy, promise, QUIET_STEPS, watching)

    def among_others(self, pair: Pair, place: Place) -> BackupReport | DrorchError:
        """Back up one of many sources; return its report or why there is none."""
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
        self, policy: Policy, promise: SourcePromise, steps: Steps, watching: Observer | None = None
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
            )
        except DrorchError as error:
            explain(error, policy, promise, source.address, settings)
            raise
        self._leave_out_silent_stores(report)
        return report

    def _given_up(self, policy: Policy, promise: SourcePromise, server: str) -> DrorchError:
        """Record and return the failure of a source whose server was silent for others: it would only be waited for again."""
        error = SourceUnreachable(
            f"{promise.address}: no connection to the server",
            found=f"timeout: {server} gave no answer to {_TRIES_OF_A_SILENT_SERVER} sources before this one",
            hint="not tried again in this run; is the server running, and does a firewall drop the packets?",
        )
        with self._lock:
            protector = self._protector(policy)
        protector.fail(self._protection(policy, promise), error)
        return error

    def _protector(self, policy: Policy) -> Protector:
        """Return what backs up sources into the stores of ``policy`` that answer, the same one while those stay the same."""
        wiring = self._wiring
        repository = wiring.repository(policy.stores)
        key = (policy.name, *(replica.name for replica in repository.replicas))
        if key not in self._protectors:
            self._protectors[key] = Protector(
                repository=repository,
                host_key=wiring.writing_key(),
                catalog=wiring.catalog(),
                machine=self._machine,
                is_alive=liveness(),
                cache=wiring.cache(),
                clock=wiring.clock,
                random_bytes=wiring.random_bytes,
            )
        return self._protectors[key]

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
            was=promise.was,
        )
