"""What a change of the trust record says to people, and to programs: planned, or done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drorch.cli.output import local_time, printable, utc_time, wrapped
from drorch.format.keyfile import KIND_OF_ROLE, KeyKind, PublicKey
from drorch.format.trust_record import TrustRecord
from drorch.ids import grouped
from drorch.operations.rotate_keys.changes import Change
from drorch.operations.rotate_keys.last_good import LaneEnd
from drorch.operations.rotate_keys.listed import ListedKey
from drorch.operations.rotate_keys.open_to import StaysOpen
from drorch.operations.rotate_keys.publishing import Published
from drorch.policy.longest_stay import longest_stay
from drorch.policy.model import Retention
from drorch.quantities import counted
from drorch.repository.opening import Repository

_MOST_SOURCES = 12
_LATEST_YEAR = 9_000
_COLUMN = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a change means beside its keys: snapshots that stay open to a removed one, lanes of a revoked one. ``stays`` is the retention of each policy."""

    stays_open: Sequence[StaysOpen] = ()
    stays: Mapping[str, Retention] = field(default_factory=dict)
    revoked: ListedKey | None = None
    ends: Sequence[LaneEnd] = ()


def change_lines(
    repository: Repository, record: TrustRecord, change: Change, told: Told, published: Published | None, zone: str
) -> list[str]:
    """Return the lines of a plan, or with ``published`` of what was done."""
    return list(_lines(repository, record, change, told, published, zone))


def _lines(
    repository: Repository, record: TrustRecord, change: Change, told: Told, published: Published | None, zone: str
) -> Iterator[str]:
    if published is None:
        yield f"PLAN  trust record {record.number}, which {_root_keys(repository)}"
    else:
        word = "PARTIAL" if published.missing else "OK"
        yield from wrapped(f"{word}  trust record {record.number} is in {' and '.join(published.stores)}", 4)
    for added in change.added:
        yield from _row("add", f"{added.kind.value} {printable(added.label)} {grouped(added.key_id.raw[:8])}")
    for removed in change.removed:
        yield from _row("remove", printable(removed.shown))
    if told.revoked is not None:
        yield from _row("revoke", printable(told.revoked.shown))
    if record.threshold != repository.trust.last.threshold:
        yield from _row("threshold", f"{record.threshold} of {len(record.roots)} root keys sign from then on")
    yield from _ends(told.ends, zone)
    yield from _open(told, zone)
    for name, error in (repository.unusable if published is None else published.missing).items():
        yield from _row("away", f"{name}: {error.message}; drorch copy --to {name} brings it up")
    yield from _next(record, change, told)


def _root_keys(repository: Repository) -> str:
    last = repository.trust.last
    labels = ", ".join(f"{printable(root.label)} {grouped(root.public.key_id.raw[:8])}" for root in last.roots)
    return f"{last.threshold} of these must sign: {labels}" if len(last.roots) > 1 else f"{labels} must sign"


def _ends(ends: Sequence[LaneEnd], zone: str) -> Iterator[str]:
    for end in ends[:_MOST_SOURCES]:
        if end.last is None:
            yield from _row(
                "nothing", f"of {printable(end.source)} counts: {counted(end.later, 'snapshot')} lost ({end.voucher})"
            )
            continue
        manifest = end.last.manifest
        text = f"{printable(end.source)}, up to {manifest.run.short} of {local_time(manifest.restore_point, zone)}"
        lost = f"; no more: {counted(end.later, 'later one')}" if end.later else ""
        yield from _row("counts", f"{text} ({end.voucher}){lost}")
    if len(ends) > _MOST_SOURCES:
        later = sum(end.later for end in ends[_MOST_SOURCES:])
        yield from _row(
            "counts", f"{len(ends) - _MOST_SOURCES} more; {counted(later, 'snapshot')} of them no more (--json)"
        )


def _open(told: Told, zone: str) -> Iterator[str]:
    if not told.stays_open:
        return
    total = sum(one.snapshots for one in told.stays_open)
    yield from _row("open", f"to who has the key stay {counted(total, 'snapshot')}; what does not change is in them:")
    for one in told.stays_open[:_MOST_SOURCES]:
        until = _until(one, told.stays)
        when = f"until about {local_time(until, zone)[:10]}" if until else "some of them for ever"
        yield from _row("", f"{printable(one.source)}: {one.snapshots}, {when}")
    if len(told.stays_open) > _MOST_SOURCES:
        yield from _row("", f"and {len(told.stays_open) - _MOST_SOURCES} more sources (--json)")


def _until(one: StaysOpen, stays: Mapping[str, Retention]) -> datetime | None:
    """Return when retention lets the last of them go, while backups go on; ``None``: never, or nobody knows."""
    rule = stays.get(one.source.partition("/")[0])
    longest = None if rule is None else longest_stay(rule)
    if longest is None or one.newest.year + longest.days / 366 > _LATEST_YEAR:
        return None
    return one.newest + longest


def _next(record: TrustRecord, change: Change, told: Told) -> Iterator[str]:
    kinds = {key.kind for key in change.added} | {key.kind for key in change.removed}
    if any(key.kind is KeyKind.RECIPIENT for key in change.added):
        yield from _row("next", "drorch keys reseal --key FILE, if snapshots that are there shall open to it, too")
    if KeyKind.RECIPIENT in kinds or KeyKind.ROOT in kinds:
        yield from _row("next", "print `drorch recovery-sheet` anew; the trust root stays")
    if told.revoked is not None and told.revoked.kind is KeyKind.MAINTAINER:
        yield from _row("next", "drorch keys reseal, by a maintainer in force: key bundles of this one count no more")
    if told.revoked is not None and told.revoked.kind not in {KIND_OF_ROLE[one.role] for one in record.signers}:
        yield from _row("note", f"no {told.revoked.kind.value} is left; drorch keys add FILE.pub lists another")
    if told.revoked is not None:
        yield from _row("next", "withdraw its credentials of the stores and of the databases")


def _row(label: str, text: str) -> list[str]:
    return wrapped(f"  {label:<{_COLUMN - 2}}{text}", _COLUMN)


def change_document(
    repository: Repository, record: TrustRecord, change: Change, told: Told, published: Published | None
) -> dict[str, object]:
    """Return the same for ``--json``."""
    away = repository.unusable if published is None else published.missing
    return {
        "ok": published is None or not published.missing,
        "planned": published is None,
        "record": record.number,
        "threshold": record.threshold,
        "added": [_key(key) for key in change.added],
        "removed": [_key(key) for key in change.removed],
        "revoked": [] if told.revoked is None else [_key(told.revoked)],
        "ends": [
            {
                "lane": str(end.lane),
                "source": end.source,
                "snapshot": None if end.last is None else str(end.last.manifest.run),
                "later": end.later,
                "voucher": end.voucher,
            }
            for end in told.ends
        ],
        "stays_open": [
            {
                "source": one.source,
                "snapshots": one.snapshots,
                "until": None if (until := _until(one, told.stays)) is None else utc_time(until),
            }
            for one in told.stays_open
        ],
        "stores": [] if published is None else list(published.stores),
        "away": sorted(away),
    }


def _key(key: PublicKey | ListedKey) -> dict[str, str]:
    return {"kind": key.kind.value, "label": key.label, "key": str(key.key_id)}
