"""What a copy from store to store did, and what could not be copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drorch.errors import (
    DrorchError,
)
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink
from drorch.repository.lane import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProblem:
    """What could not be copied: an object, or with ``name`` empty the rest of a lane."""

    lane: LaneId
    name: str
    error: DrorchError


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedSnapshot:
    """A snapshot that the store holds now. ``is_whole`` is false when a pack of it is good nowhere."""

    link: ChainLink
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a copy did. ``voided`` are snapshots that the store had declared void while it was behind: they stay in the others.

    So do those that are ``swept``: a sweep of the store took what they need. ``ledger_segments`` were brought beside the lanes.
    """

    snapshots: tuple[CopiedSnapshot, ...]
    voided: tuple[ChainLink, ...]
    heads: Mapping[LaneId, Head]
    objects: int
    bytes: int
    problems: tuple[CopyProblem, ...]
    swept: tuple[ChainLink, ...] = ()
    ledger_segments: int = 0

    @classmethod
    def of_nothing(cls) -> CopyReport:
        """Return what no copy did."""
        return cls(snapshots=(), voided=(), heads={}, objects=0, bytes=0, problems=())

    def plus(self, other: CopyReport) -> CopyReport:
        """Return what both copies did together."""
        return CopyReport(
            snapshots=self.snapshots + other.snapshots,
            voided=self.voided + other.voided,
            heads={**self.heads, **other.heads},
            objects=self.objects + other.objects,
            bytes=self.bytes + other.bytes,
            problems=self.problems + other.problems,
            swept=self.swept + other.swept,
            ledger_segments=self.ledger_segments + other.ledger_segments,
        )
