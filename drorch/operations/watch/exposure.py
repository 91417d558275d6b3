"""What would be lost if a source were lost now: everything since its restore point. And when it was last proven that the rest comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drorch.operations.overview import SourceStanding
from drorch.operations.watch.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One source that has an RPO. ``lost_seconds`` is ``None`` when there is no good snapshot: all of it would be lost."""

    source: str
    restore_point: datetime | None
    lost_seconds: float | None
    rpo_seconds: int
    proven_at: datetime | None

    @property
    def share(self) -> float:
        """The loss as a part of what is promised; more than 1 is a broken promise."""
        return float("inf") if self.lost_seconds is None else self.lost_seconds / self.rpo_seconds


def exposures(sources: Iterable[SourceStanding], facts: Facts) -> tuple[Exposure, ...]:
    """Return the exposure of each source to which an RPO is promised; a closed one changes no more and loses nothing."""
    return tuple(_of(one, one.rpo_target_seconds, facts) for one in sources if one.rpo_target_seconds)


def _of(source: SourceStanding, rpo_seconds: int, facts: Facts) -> Exposure:
    passed = facts.passed_drills.get(source.address)
    return Exposure(
        source=source.address,
        restore_point=None if source.newest_good is None else source.newest_good.restore_point,
        lost_seconds=source.rpo_actual_seconds,
        rpo_seconds=rpo_seconds,
        proven_at=None if passed is None else passed.ended_at,
    )


def worst(found: Iterable[Exposure]) -> Exposure | None:
    """Return the one that would lose most of what is promised; ``None`` of none."""
    return max(found, key=lambda one: one.share, default=None)
