"""Catalogs for tests: SQLite in a temporary folder, PostgreSQL in a schema of its own; and records to put in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from drorch.catalog.interface import (
    Catalog,
    CopyRecord,
    CopyState,
    DaemonRecord,
    DrillRecord,
    DutyRecord,
    EventRecord,
    OccurrenceRecord,
    OccurrenceState,
    PolicyText,
    RunOutcome,
    RunRecord,
    RunState,
    Severity,
    SnapshotRecord,
    SnapshotResult,
    SourceClaim,
    SourceRecord,
    SourceState,
)
from drorch.catalog.postgresql import open_postgresql
from drorch.catalog.sql import SqlCatalog
from drorch.catalog.sqlite import open_sqlite
from drorch.ids import RunId

if TYPE_CHECKING:
    from tests.support.postgresql import Server

START = datetime(2026, 11, 22, 1, 4, 11, 250_000, tzinfo=UTC)
_numbers = count(1)


# --- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CatalogPlace:
    """Where a catalog is or will be; can be handed to another process."""

    kind: str
    where: str

    def open(self) -> SqlCatalog:
        return open_sqlite(Path(self.where)) if self.kind == "sqlite" else open_postgresql(self.where)


@pytest.fixture
def catalog_server(postgresql_15: Server) -> str:
    """The connection string of a real server; each test makes its own schema or database there."""
    return f"postgresql://postgres@/postgres?host={postgresql_15.sockets}&port={postgresql_15.port}"


def new_database(server: str, options: str = "") -> str:
    """Make an empty database and return its connection string."""
    name = f"catalog_{os.getpid()}_{next(_numbers)}"
    execute(server, f"CREATE DATABASE {name} {options}")
    return server.replace("/postgres?", f"/{name}?")


def new_schema(server: str) -> str:
    """Make an empty schema and return a connection string for which nothing else exists: 10 times quicker."""
    name = f"catalog_{os.getpid()}_{next(_numbers)}"
    execute(server, f"CREATE SCHEMA {name}")
    return f"{server}&options=-csearch_path%3D{name}"


def execute(address: str, sql: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogPlace:
    """Where no catalog is yet, for each kind."""
    if request.param == "sqlite":
        return CatalogPlace("sqlite", str(tmp_path / "state" / "catalog.db"))
    return CatalogPlace("postgresql", new_schema(request.getfixturevalue("catalog_server")))


@pytest.fixture
def catalog(place: CatalogPlace) -> Iterator[Catalog]:
    """An empty catalog of each kind."""
    opened = place.open()
    yield opened
    opened.close()


# --- records ---------------------------------------------------------------------------------------------------------


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def an_id(number: int | None = None) -> str:
    """Return the text of a run id; without a number one that no other call returns."""
    return str(RunId(hashlib.md5(str(next(_numbers) if number is None else f"n{number}").encode()).digest()))


def a_digest(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()


def a_run(**changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "run_id": an_id(),
        "source": "lamdong-land",
        "policy": "lamdong-land",
        "operation": "backup",
        "started_at": START,
        "policy_digest": a_digest("policy"),
        "host": "backup1",
        "pid": 4711,
        "process_started": "boot:100",
    }
    return RunRecord(**values | changes)


def an_outcome(state: RunState = RunState.COMPLETE, **changes: Any) -> RunOutcome:
    values: dict[str, Any] = {"state": state, "ended_at": after(8.3)}
    return RunOutcome(**values | changes)


def a_snapshot(**changes: Any) -> SnapshotRecord:
    identity = changes.pop("snapshot", None) or an_id()
    values: dict[str, Any] = {
        "snapshot": identity,
        "lane": "0a" * 16,
        "sequence": 1,
        "manifest_digest": a_digest(identity),
        "source": "lamdong-land",
        "policy": "lamdong-land",
        "engine": "postgresql",
        "restore_point": START,
        "started_at": START,
        "ended_at": after(8.3),
        "result": SnapshotResult.COMPLETE,
        "bytes_read": 1_240_000_000,
        "bytes_stored": 5_600_000,
        "rows": 4_012_377,
        "tables": 212,
        "policy_digest": a_digest("policy"),
    }
    return SnapshotRecord(**values | changes)


def a_copy(snapshot: SnapshotRecord, store: str = "hanoi", state: CopyState = CopyState.COMPLETE) -> CopyRecord:
    stored_at = after(9) if state is CopyState.COMPLETE else None
    return CopyRecord(snapshot=snapshot.snapshot, store=store, state=state, stored_at=stored_at, size_bytes=5_600_000)


def an_event(**changes: Any) -> EventRecord:
    values: dict[str, Any] = {"at": START, "kind": "run-failed", "severity": Severity.ERROR, "message": "no route"}
    return EventRecord(**values | changes)


def a_policy(text: str, name: str = "lamdong-land", seen: float = 0) -> PolicyText:
    return PolicyText(digest=a_digest(text), name=name, text=text, first_seen_at=after(seen))


def a_source(**changes: Any) -> SourceRecord:
    values: dict[str, Any] = {
        "address": "district-land/land_d595",
        "policy": "district-land",
        "lane": "0b" * 16,
        "generation": 1,
        "machine_id": "c0ffee",
        "first_used_at": START,
        "state": SourceState.ACTIVE,
        "last_seen_at": START,
    }
    return SourceRecord(**values | changes)


def a_claim(**changes: Any) -> SourceClaim:
    values: dict[str, Any] = {
        "source": "lamdong-land",
        "run_id": an_id(),
        "operation": "backup",
        "host": "backup1",
        "pid": 4711,
        "process_started": "boot:100",
        "claimed_at": START,
    }
    return SourceClaim(**values | changes)


def a_daemon(**changes: Any) -> DaemonRecord:
    values: dict[str, Any] = {
        "host": "backup1",
        "pid": 4711,
        "process_started": "boot:100",
        "epoch": 0,
        "started_at": START,
        "accounted_until": START,
        "heartbeat_at": START,
    }
    return DaemonRecord(**values | changes)


def a_duty_record(**changes: Any) -> DutyRecord:
    values: dict[str, Any] = {
        "host": "backup1",
        "kind": "backup",
        "subject": "lamdong-land",
        "policy": "lamdong-land",
        "promise": "30 1 * * * Asia/Ho_Chi_Minh",
        "since": START,
        "schedule": "30 1 * * *",
        "zone": "Asia/Ho_Chi_Minh",
        "spread_seconds": 0,
        "offset_seconds": 0,
        "window": "",
        "blackouts": "",
    }
    return DutyRecord(**values | changes)


def an_occurrence(**changes: Any) -> OccurrenceRecord:
    slot = changes.get("slot", START)
    values: dict[str, Any] = {
        "host": "backup1",
        "kind": "backup",
        "subject": "lamdong-land",
        "epoch": 0,
        "slot": slot,
        "policy": "lamdong-land",
        "state": OccurrenceState.WAITING,
        "queued_at": slot,
        "last_slot": slot,
    }
    return OccurrenceRecord(**values | changes)


def a_drill(**changes: Any) -> DrillRecord:
    values: dict[str, Any] = {
        "drill": "01KB3X9M5Q8N2R7T4V6W1Y3Z0A",
        "source": "lamdong-land",
        "policy": "lamdong-land",
        "test": "lamdong-land",
        "scenario": "single_database",
        "trigger": "by hand",
        "snapshot": "7kq2m9xd00000000000000000",
        "store": "hanoi",
        "verdict": "pass",
        "objectives": "met",
        "declared_at": START,
        "ended_at": START,
        "scheduled_for": None,
        "rto_ms": 23_100,
        "rpo_ms": 7_860_000,
        "operator": "operator1",
        "verifier": None,
        "summary": "all 212 tables came back equal",
        "document": {"drill": "01KB3X9M5Q8N2R7T4V6W1Y3Z0A", "số bảng": 212},
    }
    return DrillRecord(**values | changes)
