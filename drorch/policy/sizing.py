"""How much a source takes: in stores over time, on this host's disks, and in time. The formulas of docs/SIZING.md, and their only home.

What was seen of a source counts; the constants stand in where nothing was seen. Each constant says where its value comes from; the page
says it in full. All results are estimates, and are shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from drorch.policy.model import Keep, KeepCount, Retention

STORED_SHARE = 0.41  # of what is read, the first time: 0.404 to 0.407 of the land register (SIZING 1)
RUN_BYTES = 31_000  # a run that finds nothing new: 30,268 to 30,274 (SIZING 1; BENCHMARKS)
PACK_BYTES = 16 * 2**20  # repository.packing.PACK_TARGET_BYTES
CHUNK_BYTES = 1_200_000  # 252 chunks of 310 MB (SIZING 2)
INDEX_BYTES_PER_CHUNK = 360  # 90,112 bytes for 252 chunks, part of it empty (SIZING 2)
ANCHOR_BYTES_PER_CHUNK = 2_200  # 532,480 bytes for 252 chunks (SIZING 2)
MEMORY_BYTES_PER_FILE = 120  # 2,359,296 bytes for 20,000 files (SIZING 2)
LISTING_BYTES_PER_FILE = 270  # 5,354,806 bytes for 20,000 names (SIZING 4)
REQUESTS_PER_RUN = 26  # 8 to 9 puts without whole packs, 10 reads, 6 lists, 2 for the clock (SIZING 6)
BACKUP_BYTES_PER_SECOND = 37_000_000  # 310 MB in 8.4 s on two busy cores (SIZING 7)
RESTORE_BYTES_PER_SECOND = 30_000_000  # 310 MB in 10.4 s on two busy cores (SIZING 7)
DAY_SECONDS = 86_400

_STEP_DAYS = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 30.44, "yearly": 365.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """One snapshot of a source: what was read, what was new, and how long it took."""

    read_bytes: int
    stored_bytes: int
    taken_at: datetime
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSize:
    """What one source is like: ``whole_bytes`` is what a first backup of it as it is now would store, in each store."""

    read_bytes: int
    whole_bytes: int
    new_bytes_per_day: float
    backup_bytes_per_second: float
    runs_seen: int


def size_of(runs: Sequence[SeenRun], runs_per_day: float) -> SourceSize | None:
    """Return what ``runs`` show of a source; ``None`` when there is none. The run that stored most stands for a first one.

    The others, over the time between the first and the last, are what is new each day; over less than a day, one after the other.
    """
    if not runs:
        return None
    in_order = sorted(runs, key=lambda run: run.taken_at)
    newest, biggest = in_order[-1], max(in_order, key=lambda run: run.stored_bytes)
    share = biggest.stored_bytes / max(1, biggest.read_bytes)
    whole = max(biggest.stored_bytes, round(newest.read_bytes * min(1.0, share)))
    new = sum(run.stored_bytes for run in in_order) - biggest.stored_bytes
    days = (newest.taken_at - in_order[0].taken_at).total_seconds() / DAY_SECONDS
    others = len(in_order) - 1
    per_day = new / days if days >= 1 else new / max(1, others) * runs_per_day
    if not others:
        per_day = RUN_BYTES * runs_per_day
    return SourceSize(
        read_bytes=newest.read_bytes,
        whole_bytes=whole,
        new_bytes_per_day=per_day,
        backup_bytes_per_second=biggest.read_bytes / max(0.001, biggest.duration_seconds),
        runs_seen=len(in_order),
    )


def ages_kept(rule: Retention, runs_per_day: float, days: float) -> tuple[float, ...]:
    """Return the ages in days of the snapshots that stay of ``days`` days of backups, youngest first."""
    step = 1 / max(runs_per_day, 1e-6)
    ages = {0.0, *_ages(rule.keep_last, step, days)}
    for name, tier_days in _STEP_DAYS.items():
        count: KeepCount = getattr(rule, f"keep_{name}")
        ages |= set(_ages(count, max(step, tier_days), days))
    return tuple(sorted(ages))


def _ages(count: KeepCount, step_days: float, days: float) -> Iterable[float]:
    most = int(days / step_days) + 1
    number = most if count is Keep.FOREVER else min(count, most)
    return (round(at * step_days, 6) for at in range(number))


def store_bytes(size: SourceSize, rule: Retention | None, runs_per_day: float, days: float) -> int:
    """Return what one store holds of a source after ``days`` days; ``rule`` is ``None`` while nothing is deleted.

    A snapshot holds alone what was new since the one kept before it, at most all of itself: what came and went between two kept ones is gone.
    """
    if rule is None:
        return size.whole_bytes + round(days * size.new_bytes_per_day)
    ages = ages_kept(rule, runs_per_day, days)
    gaps = [older - younger for younger, older in pairwise(ages)]
    own = sum(min(size.whole_bytes, gap * size.new_bytes_per_day) for gap in gaps)
    return size.whole_bytes + round(own) + len(ages) * RUN_BYTES


def cache_bytes(whole_bytes: int, read_bytes: int, files: int, limit_bytes: int) -> int:
    """Return what the cache takes of one source: its index, its anchors, and bases up to ``limit_bytes`` (of all sources together)."""
    chunks = read_bytes // CHUNK_BYTES + 1
    index = chunks * (INDEX_BYTES_PER_CHUNK + ANCHOR_BYTES_PER_CHUNK) + files * MEMORY_BYTES_PER_FILE
    return index + min(whole_bytes, limit_bytes)


def temporary_bytes(files: int) -> int:
    """Return what a backup or restore puts into the temporary directory: the listing of a file tree; of databases, nothing."""
    return files * LISTING_BYTES_PER_FILE


def requests_per_run(stored_bytes: float) -> int:
    """Return how many requests a backup sends to each store."""
    return REQUESTS_PER_RUN + int(stored_bytes // PACK_BYTES)


def upload_seconds(stored_bytes: float, link_bits_per_second: float) -> float:
    """Return how long ``stored_bytes`` take on a link that is ours alone."""
    return stored_bytes * 8 / link_bits_per_second


def backup_seconds(size: SourceSize, stored_bytes: float, link_bits_per_second: float) -> float:
    """Return how long a backup takes: reading and uploading go on at the same time, the slower one decides."""
    return max(size.read_bytes / size.backup_bytes_per_second, upload_seconds(stored_bytes, link_bits_per_second))


def restore_seconds(size: SourceSize, link_bits_per_second: float | None = None) -> float:
    """Return how long a whole restore takes; without a link, from a store as near as the one measured."""
    download = 0.0 if link_bits_per_second is None else upload_seconds(size.whole_bytes, link_bits_per_second)
    return max(size.read_bytes / RESTORE_BYTES_PER_SECOND, download)
