"""What the catalog knows of all sources, asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from drorch.catalog.interface import (
    Catalog,
    CopyState,
    RunRecord,
    SeenDatabase,
    SnapshotRecord,
    SourceClaim,
    SourceRecord,
    SourceState,
)
from drorch.errors import NothingDone
from drorch.operations.estate.seen import DISCOVERY
from drorch.policy.model import SourcePromise

OPERATION = "backup"
WITHOUT_SCHEDULE = (SourceState.CLOSED, SourceState.RETIRED)
_MOST_TRIES = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows, asked once for all sources."""

    newest_good: Mapping[str, SnapshotRecord]
    newest_runs: Mapping[str, RunRecord]
    sources: Mapping[str, SourceRecord]
    copies: Mapping[str, frozenset[str]]
    claimed: frozenset[str]
    tries: Mapping[str, int]
    seen: Mapping[str, tuple[SeenDatabase, ...]]
    asked: Mapping[str, RunRecord]

    def last_run(self, address: str) -> RunRecord | None:
        """Return the last backup that tried."""
        return self.newest_runs.get(address)

    def seen_of(self, promise: SourcePromise) -> Mapping[str, SeenDatabase]:
        """Return what the server of a promise was ever seen to have, by the address of the source."""
        return {promise.discovered(one.name).address: one for one in self.seen.get(promise.address, ())}

    def is_retired(self, address: str) -> bool:
        """Whether somebody said that the source is no more."""
        record = self.sources.get(address)
        return record is not None and record.state is SourceState.RETIRED


def ask(catalog: Catalog, is_running: Callable[[SourceClaim], bool]) -> Known:
    """Ask the catalog; ``is_running`` tells whether the process of a claim still lives."""
    newest_good = catalog.newest_good_by_source()
    copies: dict[str, set[str]] = {}
    for copy in catalog.copies(of=[snapshot.snapshot for snapshot in newest_good.values()]):
        if copy.state is CopyState.COMPLETE:
            copies.setdefault(copy.snapshot, set()).add(copy.store)
    return Known(
        newest_good=newest_good,
        newest_runs=last_runs(catalog),
        sources={record.address: record for record in catalog.sources()},
        copies={snapshot: frozenset(stores) for snapshot, stores in copies.items()},
        claimed=frozenset(claim.source for claim in catalog.claims() if is_running(claim)),
        tries=catalog.bad_tries_by_source(operation=OPERATION, ignoring=[NothingDone.slug]),
        seen=_by_asker(catalog.seen_databases()),
        asked=catalog.newest_run_by_source(operation=DISCOVERY),
    )


def _by_asker(seen: Iterable[SeenDatabase]) -> Mapping[str, tuple[SeenDatabase, ...]]:
    found: dict[str, list[SeenDatabase]] = {}
    for one in seen:
        found.setdefault(one.asked_by, []).append(one)
    return {asker: tuple(databases) for asker, databases in found.items()}


def last_runs(catalog: Catalog) -> Mapping[str, RunRecord]:
    """Return the last backup that tried, of every source; one that found the source busy tells nothing about it."""
    found = dict(catalog.newest_run_by_source(operation=OPERATION))
    for address, newest in tuple(found.items()):
        if newest.error_slug == NothingDone.slug:
            runs = catalog.runs(source=address, operation=OPERATION, limit=_MOST_TRIES)
            tried = next((run for run in runs if run.error_slug != NothingDone.slug), None)
            found.pop(address) if tried is None else found.update({address: tried})
    return found
