"""Which sources of many a test drills: groups by the last drill and by size, out of which lots are drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog, SourceState
from drorch.evidence.drill_report import Draw
from drorch.evidence.lots import Lot, draw, list_digest_of
from drorch.policy.model import SourcePromise
from drorch.policy.restore_tests.model import Sample, Stratum

Stored = Callable[[Collection[str]], Mapping[str, int]]
_LONG_AGO = timedelta(days=90)
_LARGE = 2  # of three groups by size


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The whole list from which is drawn, and why some sources are not on it."""

    lots: tuple[Lot, ...]
    excluded: Mapping[str, str]
    count: int

    @property
    def list_digest(self) -> str:
        """What is committed to before the draw."""
        return list_digest_of(self.lots, self.excluded)

    def drawn_by(self, seed: bytes) -> Draw:
        """Return the draw that the seed decides on."""
        return Draw(
            seed=seed.hex(),
            list_digest=self.list_digest,
            candidates=len(self.lots),
            excluded=dict(self.excluded),
            drawn=draw(seed, self.lots, self.count),
        )


def ballot(
    promises: Sequence[SourcePromise], sample: Sample, catalog: Catalog, now: datetime, stored: Stored
) -> Ballot:
    """Return the list: every source but those that are retired or have no good snapshot, which is told.

    ``stored`` says of sources whose backups this catalog never saw how much the newest good snapshot in the stores read; it is asked for those only.
    """
    retired = {one.address for one in catalog.sources() if one.state is SourceState.RETIRED}
    wanted = [promise.address for promise in promises if promise.address not in retired]
    good = {name: one.bytes_read for name, one in catalog.newest_good_by_source().items()}
    unseen = {name for name in wanted if name not in good}
    good |= stored(unseen) if unseen else {}
    excluded = {
        promise.address: "retired" if promise.address in retired else "no complete snapshot"
        for promise in promises
        if promise.address in retired or promise.address not in good
    }
    names = [name for name in wanted if name in good]
    last = {name: record.declared_at for name, record in catalog.newest_drill_by_source().items()}
    sizes = {name: good[name] for name in names}
    ranks = {name: rank for rank, name in enumerate(sorted(sizes, key=lambda one: (sizes[one], one)))}
    lots = tuple(Lot(source=name, stratum=_stratum(name, sample.stratify, last, ranks, now)) for name in sorted(names))
    return Ballot(lots=lots, excluded=excluded, count=sample.count)


def _stratum(
    name: str, by: Collection[Stratum], last: Mapping[str, datetime], ranks: Mapping[str, int], now: datetime
) -> str:
    parts = []
    if Stratum.LAST_DRILLED in by:
        at = last.get(name)
        parts.append("never drilled" if at is None else "long ago" if now - at > _LONG_AGO else "lately")
    if Stratum.SIZE in by:
        parts.append(("small", "middle", "large")[min(_LARGE, ranks[name] * 3 // len(ranks))])
    return ", ".join(parts)
