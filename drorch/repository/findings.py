"""What a check of a repository found: findings with the objects, stores and snapshots that they concern."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from drorch.errors import (
    ChainBroken,
    ChunkUnavailable,
    DrorchError,
    FormatUnsupported,
    IntegrityError,
    KeyMissing,
    ObjectCorrupt,
    ObjectMissing,
    SignatureInvalid,
    StoreUnfit,
    TrustMismatch,
)

MOST_OF_A_KIND = 200
Progress: TypeAlias = Callable[[str, int, int | None, str], None]


class Level(Enum):
    """How bad: an error is a copy that is not what it must be; a note is worth knowing and loses nothing."""

    ERROR = "error"
    NOTE = "note"


class Kind(Enum):
    """What is the matter."""

    TRUST = "trust"
    SIGNATURE = "signature"
    CHAIN = "chain"
    HIDDEN = "hidden"
    MISSING = "missing"
    ALTERED = "altered"
    DIFFERS = "differs"
    UNREADABLE = "unreadable"
    UNDECIDED = "undecided"
    UNLISTED = "unlisted"
    INDEX = "index"
    ORPHAN = "orphan"
    RETIRED = "retired"
    BEHIND = "behind"
    LOCK = "lock"


# The class whose exit code a command ends with; where several fit, the first of this order.
ERROR_OF_KIND: dict[Kind, type[DrorchError]] = {
    Kind.TRUST: TrustMismatch,
    Kind.SIGNATURE: SignatureInvalid,
    Kind.HIDDEN: ChainBroken,
    Kind.CHAIN: ChainBroken,
    Kind.MISSING: ChunkUnavailable,
    Kind.ALTERED: ObjectCorrupt,
    Kind.DIFFERS: ObjectCorrupt,
    Kind.UNREADABLE: FormatUnsupported,
    Kind.LOCK: StoreUnfit,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    ``name`` is the object's full name (or a prefix), ``snapshots`` the runs that it touches, ``sources`` theirs; ``streams`` names the
    streams that cannot be read whole, where a key told, and ``files`` the files whose bytes lie there.
    """

    level: Level
    kind: Kind
    store: str
    name: str
    text: str
    snapshots: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """What was looked at; ``bytes`` are those of the needed packs, each counted once for every store."""

    lanes: int = 0
    snapshots: int = 0
    packs: int = 0
    bytes: int = 0
    packs_read: int = 0
    bytes_read: int = 0
    streams_read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found. ``left_out`` counts findings beyond the first ``MOST_OF_A_KIND`` of a kind."""

    findings: tuple[Finding, ...]
    left_out: int
    counts: Counts
    good: tuple[str, ...]
    harmed: tuple[str, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are no mere notes."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)

    @property
    def exit_code(self) -> int:
        """0, or the code of the gravest error."""
        kinds = {finding.kind for finding in self.errors}
        return next((error.exit_code for kind, error in ERROR_OF_KIND.items() if kind in kinds), 0)


@dataclass(slots=True)
class Findings:
    """Collects findings; no more than ``MOST_OF_A_KIND`` of each kind are kept, so that memory stays flat.

    ``harmed`` names, by store, the snapshots that an error touches.
    """

    kept: list[Finding] = field(default_factory=list)
    left_out: int = 0
    harmed: dict[str, set[str]] = field(default_factory=dict)
    _counts: dict[tuple[str, Kind], int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Keep one more, or count it."""
        if finding.level is Level.ERROR:
            self.harmed.setdefault(finding.store, set()).update(finding.snapshots)
        key = (finding.store, finding.kind)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] <= MOST_OF_A_KIND:
            self.kept.append(finding)
        else:
            self.left_out += 1


def kind_of(error: DrorchError) -> Kind:
    """Return the kind of finding that an error of a store or of a decoder is."""
    if isinstance(error, ObjectMissing):
        return Kind.MISSING
    if isinstance(error, SignatureInvalid):
        return Kind.SIGNATURE
    if isinstance(error, ChainBroken):
        return Kind.CHAIN
    if isinstance(error, TrustMismatch):
        return Kind.TRUST
    if isinstance(error, (FormatUnsupported, KeyMissing)) or not isinstance(error, IntegrityError):
        return Kind.UNREADABLE
    return Kind.ALTERED
