"""Ask a server which databases it has, before every run: what is new joins, what is missing is gone, and nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from drorch.catalog.interface import (
    Catalog,
    EventRecord,
    RunOutcome,
    RunRecord,
    RunState,
    SeenDatabase,
    Severity,
    SourceState,
)
from drorch.clock import Clock
from drorch.errors import CatalogError, SourceMissing
from drorch.ids import RunId
from drorch.operations.estate.seen import DISCOVERY, gone_addresses
from drorch.operations.machine import Machine
from drorch.operations.run_log import as_ours
from drorch.policy.discovery import chosen, discovery_of, server_of
from drorch.policy.model import SourcePromise
from drorch.sources.interface import DatabaseServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a server has of what a policy means. ``gone`` are addresses that it had once, has no longer, and nobody retired."""

    policy: str
    server: str
    promises: tuple[SourcePromise, ...]
    gone: tuple[str, ...]
    expected: int | None


class Discoverer:
    """Asks servers and keeps the books; may be used from several threads."""

    def __init__(
        self, catalog: Catalog, machine: Machine, clock: Clock, random_bytes: Callable[[int], bytes], policy_digest: str
    ) -> None:
        self._catalog = catalog
        self._machine = machine
        self._clock = clock
        self._random_bytes = random_bytes
        self._policy_digest = policy_digest

    def run(self, promise: SourcePromise, server: DatabaseServer) -> Found:
        """Ask ``server`` and record the answer, or that there was none; raises a ``SourceError``.

        A server without any database that the policy means is ``SourceMissing``: an empty list would hide that all is lost.
        """
        run = self._begin(promise)
        try:
            found = self._keep(promise, server.databases())
        except BaseException as error:
            with suppress(CatalogError):
                self._catalog.end_run(run, RunOutcome.of_error(as_ours(error, DISCOVERY), ended_at=self._clock.now()))
            raise
        self._catalog.end_run(run, RunOutcome(state=RunState.COMPLETE, ended_at=self._clock.now()))
        return found

    def _begin(self, promise: SourcePromise) -> str:
        run, machine = str(RunId(self._random_bytes(16))), self._machine
        self._catalog.begin_run(
            RunRecord(
                run_id=run,
                source=promise.address,
                policy=promise.policy_name,
                operation=DISCOVERY,
                started_at=self._clock.now(),
                policy_digest=self._policy_digest,
                host=machine.host,
                pid=machine.pid,
                process_started=machine.process_started,
            )
        )
        return run

    def _keep(self, promise: SourcePromise, listed: Sequence[str]) -> Found:
        catalog, now = self._catalog, self._clock.now()
        discovery, server = discovery_of(promise), server_of(promise.source)
        catalog.record_databases(promise.address, server, listed, at=now)
        seen = catalog.seen_databases(asked_by=promise.address)
        present = tuple(promise.discovered(name) for name in chosen(discovery, listed))
        found = Found(
            policy=promise.policy_name,
            server=server,
            promises=present,
            gone=self._mark(promise, seen, {one.address for one in present}),
            expected=discovery.expect,
        )
        if not present:
            raise SourceMissing(
                f"{promise.address}: the server has no database that the policy means",
                expected=f"names like {', '.join(discovery.match)}",
                found=", ".join(listed[:8]) or "no database at all",
                hint=f"`drorch policy show {promise.policy_name}` tells what it means",
            )
        return found

    def _mark(self, promise: SourcePromise, seen: tuple[SeenDatabase, ...], present: set[str]) -> tuple[str, ...]:
        """Bring the records of the policy's sources up to what was seen; return the addresses that are gone."""
        records = {record.address: record for record in self._catalog.sources(policy=promise.policy_name)}
        gone: list[str] = []
        for address in gone_addresses(promise, seen):
            record = records.get(address)
            if record is not None and record.state in (SourceState.RETIRED, SourceState.CLOSED):
                continue
            gone.append(address)
            if record is not None and record.state is SourceState.ACTIVE:
                self._catalog.put_source(replace(record, state=SourceState.GONE))
                self._tell(address, "source-gone", Severity.WARNING, "the server does not have it any more")
        for address in sorted(present & records.keys()):
            record = records[address]
            if record.state in (SourceState.GONE, SourceState.RETIRED):
                self._catalog.put_source(replace(record, state=SourceState.ACTIVE, last_seen_at=self._clock.now()))
                self._tell(address, "source-back", Severity.INFO, "the server has it again")
        return tuple(gone)

    def _tell(self, address: str, kind: str, severity: Severity, message: str) -> None:
        self._catalog.record_event(
            EventRecord(at=self._clock.now(), kind=kind, severity=severity, message=message, source=address)
        )
