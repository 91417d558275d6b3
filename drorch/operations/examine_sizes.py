"""What ``drorch doctor POLICY`` says of room and time: the formulas of docs/SIZING.md, applied to what was seen of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drorch.catalog.interface import SnapshotRecord
from drorch.operations.examine import Examined, note, ok
from drorch.operations.room import Disk, disk_of
from drorch.policy.installation import DirectoryStore, Limits, S3Store, Store
from drorch.policy.model import WITHOUT_BASES, Policy, Retention
from drorch.policy.schedule import occurrences_between
from drorch.policy.sizing import (
    SeenRun,
    SourceSize,
    cache_bytes,
    requests_per_run,
    restore_seconds,
    size_of,
    store_bytes,
    upload_seconds,
)
from drorch.quantities import counted, format_duration, format_size

YEAR_DAYS = 365
SEEN_RUNS = 60
_MONTH = timedelta(days=30)
_LINE_BITS_PER_SECOND = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where bytes go, and what they may take there."""

    stores: Mapping[str, Store]
    limits: Limits


def examine_directory_stores(stores: Mapping[str, Store], keep_free_percent: int) -> Iterator[Examined]:
    """Yield a note for each store in a directory whose disk is nearly full; others cannot be asked."""
    for name, disk in _disks(stores).items():
        if disk.missing_bytes(keep_free_percent):
            room = f"{format_size(disk.free_bytes)} of {format_size(disk.total_bytes)} free"
            yield note(f"{name}: only {room}", "make room: a store that is full falls behind the others")


def examine_sizes(
    address: str, policy: Policy, records: Sequence[Sequence[SnapshotRecord]], places: Places, now: datetime
) -> Iterator[Examined]:
    """Yield what the sources behind ``address`` take in stores, cache and time, and whether disks and promises have room for it.

    ``records`` are the snapshots of each source, newest first.
    """
    runs_per_day = max(1, len(occurrences_between(policy.schedule, now, now + _MONTH))) / _MONTH.days
    found = [size_of([_seen(record) for record in one[:SEEN_RUNS]], runs_per_day) for one in records]
    sizes = [size for size in found if size is not None]
    if len(sizes) < len(found):
        some = f"; {len(found) - len(sizes)} of {len(found)} sources had none yet" if len(found) > 1 else ""
        yield note(
            f"{address}: no size is known before the first backup{some}",
            "docs/SIZING.md estimates it from what you know",
        )
    if not sizes:
        return
    size = _sum(sizes)
    yield ok(
        f"{address}: {format_size(size.read_bytes)} are read; whole it is {format_size(size.whole_bytes)} in each store,"
        f" and about {format_size(size.new_bytes_per_day)} more each day ({_seen_in(size)})"
    )
    yield from _stores(size, policy, runs_per_day, places)
    yield from _requests(sizes, policy, runs_per_day, places)
    yield from _cache(size, policy, places)
    yield from _times(size, max(sizes, key=restore_seconds), policy)


def _sum(sizes: Sequence[SourceSize]) -> SourceSize:
    return SourceSize(
        read_bytes=sum(size.read_bytes for size in sizes),
        whole_bytes=sum(size.whole_bytes for size in sizes),
        new_bytes_per_day=sum(size.new_bytes_per_day for size in sizes),
        backup_bytes_per_second=min(size.backup_bytes_per_second for size in sizes),
        runs_seen=sum(size.runs_seen for size in sizes),
    )


def _seen(record: SnapshotRecord) -> SeenRun:
    return SeenRun(
        read_bytes=record.bytes_read,
        stored_bytes=record.bytes_stored,
        taken_at=record.ended_at,
        duration_seconds=(record.ended_at - record.started_at).total_seconds(),
    )


def _seen_in(size: SourceSize) -> str:
    return counted(size.runs_seen, "backup")


def _stores(size: SourceSize, policy: Policy, runs_per_day: float, places: Places) -> Iterator[Examined]:
    undeleted = store_bytes(size, None, runs_per_day, YEAR_DAYS)
    wanted = undeleted - size.whole_bytes

    def by_rule(rule: Retention) -> str:
        return format_size(min(store_bytes(size, rule, runs_per_day, YEAR_DAYS), undeleted))

    own = policy.retention.stores
    others = "".join(f" ({by_rule(own[store])} in {store})" for store in policy.stores if store in own)
    told = f"in a year {format_size(undeleted)} in each store, or {by_rule(policy.retention)} by its retention{others}"
    short = {}
    for name, disk in _disks({name: places.stores[name] for name in policy.stores if name in places.stores}).items():
        beyond = disk.free_bytes - disk.total_bytes * places.limits.keep_free_percent // 100
        if beyond < wanted:
            short[name] = max(0, beyond)
    if not short:
        yield ok(told)
    for name, beyond in short.items():
        yield note(f"{told}; {name} has {format_size(beyond)} beyond `keep_free`", "order a larger disk, or keep less")


def _requests(sizes: Sequence[SourceSize], policy: Policy, runs_per_day: float, places: Places) -> Iterator[Examined]:
    """Yield how often stores are asked that may count it: a provider's bill has a line for requests."""
    if any(isinstance(places.stores.get(name), S3Store) for name in policy.stores):
        count = sum(requests_per_run(size.new_bytes_per_day / runs_per_day) for size in sizes)
        month = round(count * runs_per_day * _MONTH.days)
        yield ok(f"a backup asks each store about {count:,} times, {month:,} in a month")


def _cache(size: SourceSize, policy: Policy, places: Places) -> Iterator[Examined]:
    """Yield what the cache wants; no bases are kept of personal data."""
    most_bases = 0 if policy.classification in WITHOUT_BASES else size.whole_bytes
    wanted = cache_bytes(size.whole_bytes, size.read_bytes, 0, most_bases)
    told = f"its cache: about {format_size(wanted)}, of {format_size(places.limits.cache_bytes)} for all"
    if wanted > places.limits.cache_bytes:
        yield note(told, "`limits: {cache: ...}`; with less, more is stored each day")
    else:
        yield ok(told)


def _times(size: SourceSize, longest: SourceSize, policy: Policy) -> Iterator[Examined]:
    seconds, promised = restore_seconds(longest), policy.objectives.rto_seconds
    sent = format_duration(upload_seconds(size.whole_bytes, _LINE_BITS_PER_SECOND))
    told = f"a restore takes about {format_duration(seconds)}, promised {format_duration(promised)}"
    told += f"; all of it over 100 Mbit/s {sent}"
    if seconds > promised:
        yield note(told, "a faster machine, a nearer store, or a longer `rto`")
    else:
        yield ok(told)


def _disks(stores: Mapping[str, Store]) -> Mapping[str, Disk]:
    found = {}
    for name, store in stores.items():
        if isinstance(store, DirectoryStore) and store.directory.is_dir():  # one that is not mounted is told elsewhere
            found[name] = disk_of(store.directory)
    return found
