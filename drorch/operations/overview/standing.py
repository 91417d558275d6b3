"""How a source stands, and everything that ``drorch status`` shows: values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from drorch.catalog.interface import RunRecord, SnapshotRecord
from drorch.operations.estate.alarms import Alarm
from drorch.policy.problems import Problem


class Standing(Enum):
    """How one source stands; the worst that is true of it, in this order."""

    NEVER = "never"  # no good snapshot yet
    LATE = "late"  # the newest good one is older than the RPO
    GONE = "gone"  # discovery sees it no longer
    OPEN = "open"  # it has snapshots, and no policy protects it any more
    FAILED = "failed"  # inside the RPO, but the last run ended badly
    MISSED = "missed"  # inside the RPO, but nothing ran when it was due
    PARTIAL = "partial"  # the newest good one is not in every store of the policy
    OK = "ok"
    ELSEWHERE = "elsewhere"  # another machine backs it up and answers for it; this one only reads the stores
    CLOSED = "closed"  # closed or retired: no schedule and no RPO

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        return self in (Standing.OK, Standing.ELSEWHERE, Standing.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a source does not stand well. ``remedy`` is a command or a short advice; what follows it is the last run's error."""

    text: str
    details: str = ""
    remedy: str = ""
    hint: str = ""
    code: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStanding:
    """One source. ``rpo_target_seconds`` is ``None`` when nothing is promised (any more)."""

    address: str
    policy: str
    standing: Standing
    trouble: Trouble | None
    newest_good: SnapshotRecord | None
    last_run: RunRecord | None
    rpo_target_seconds: int | None
    rpo_actual_seconds: float | None
    copies_complete: int
    copies_promised: int
    due_at: datetime | None
    is_running: bool
    last_seen_at: datetime | None = None  # when its server was last seen to have it, if it is ever asked
    is_old: bool = False  # what the stores show is older than the RPO; said of what is backed up elsewhere

    @property
    def is_inside_rpo(self) -> bool:
        """Whether what is promised is kept at this moment."""
        if self.standing is Standing.ELSEWHERE:
            return self.newest_good is not None and not self.is_old
        return self.standing not in (Standing.NEVER, Standing.LATE, Standing.OPEN, Standing.GONE)

    @property
    def stored_bytes(self) -> int:
        """What the newest good snapshot added to each store: all of it where its run is known here, else what its manifest says of the packs."""
        good, run = self.newest_good, self.last_run
        if good is None:
            return 0
        return run.bytes_stored if run is not None and run.snapshot == good.snapshot else good.bytes_stored

    @property
    def is_unknown(self) -> bool:
        """Whether nothing can be said: another machine backs it up, and no store has shown a snapshot of it yet."""
        return self.standing is Standing.ELSEWHERE and self.newest_good is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that ``drorch status`` shows. ``policy_problems`` are files that were not loaded: nothing protects their databases."""

    at: datetime
    sources: tuple[SourceStanding, ...]
    policy_problems: tuple[Problem, ...]
    alarms: tuple[Alarm, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        calm = all(alarm.kind.is_only_a_note for alarm in self.alarms)
        return calm and not self.policy_problems and all(source.standing.is_well for source in self.sources)

    @property
    def protected(self) -> tuple[SourceStanding, ...]:
        """The sources to which a policy promises an RPO."""
        return tuple(source for source in self.sources if source.rpo_target_seconds is not None)
