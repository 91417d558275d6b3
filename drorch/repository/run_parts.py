"""What a run is given and what it gives back: streams, the summary of a capture, the snapshot that was made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drorch.errors import DrorchError
from drorch.format.manifest import Result, SealedBody
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.busy import StageTime
from drorch.repository.streams import StreamTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamToStore:
    """One stream to be stored; the numbers are those of docs/FORMAT.md section 9, ``attributes`` becomes JSON.

    Without ``rows_digest`` its rows are counted and not digested. ``estimated_bytes`` decides where they are digested.
    ``is_lasting`` lets later runs carry the stream over; it lies in a tree of its own, however small.
    """

    ordinal: int
    name: str
    kind: int
    row_format: int
    canonical_columns: Mapping[int, str]
    attributes: Mapping[str, Any]
    estimated_bytes: int = 0
    rows_digest: bool = True
    is_lasting: bool = False
    in_small_chunks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What is known of a capture when all its streams are stored."""

    source: str
    policy_digest: Digest
    slot: datetime | None
    started_at: datetime
    ended_at: datetime
    restore_point: datetime
    engine: str
    tables: int
    rows: int
    bytes_read: int
    facts: Mapping[str, Any]
    closing_facts: Mapping[str, Any]
    group: bytes | None = None
    result: Result = Result.COMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedSnapshot:
    """A snapshot that exists from now on. ``pack_bytes`` is what its manifest says was stored, ``bytes_stored`` is all of it.

    ``copies`` are the stores that have it; ``dropped`` those that failed, and why. ``locked_until`` says of stores that lock until when all is
    that it needs.
    """

    run: RunId
    lane: LaneId
    sequence: int
    manifest_digest: Digest
    pack_bytes: int
    bytes_stored: int
    objects_stored: int
    totals: StreamTotals
    stage_times: tuple[StageTime, ...]
    copies: tuple[str, ...]
    dropped: Mapping[str, DrorchError]
    locked_until: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run of which everything is stored but the manifest: what ``decide`` makes a snapshot of."""

    summary: RunSummary
    body: SealedBody
    pack_list: bytes
