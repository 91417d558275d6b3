"""Restore drills, and who signed them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """One restore drill of one source, as far as lists need it; ``document`` is the whole report (``evidence.drill_document``).

    ``verdict`` is a word of ``evidence.drill_report.Verdict``; ``objectives`` is ``met``, ``missed`` or ``not_measured``.
    """

    drill: str
    source: str
    policy: str
    test: str
    scenario: str
    trigger: str
    snapshot: str | None
    store: str | None
    verdict: str
    objectives: str
    declared_at: datetime
    ended_at: datetime
    scheduled_for: datetime | None
    rto_ms: int | None
    rpo_ms: int | None
    operator: str | None
    verifier: str | None
    summary: str
    document: Mapping[str, Any]


SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSignature:
    """Somebody's word on a drill; ``role`` is ``operator``, ``verifier`` or ``machine``, or ``superseded``: it no longer stands."""

    drill: str
    person: str
    role: str
    signed_at: datetime


class Drills(Protocol):
    """Restore drills and who signed them. The stores hold the evidence; this is for lists, comparison and coverage."""

    def record_drill(self, record: DrillRecord) -> None:
        """Record a drill that came to a verdict; recording it again replaces what was said of it."""
        ...

    def drills(
        self,
        *,
        source: str | None = None,
        policy: str | None = None,
        test: str | None = None,
        verdicts: Collection[str] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[DrillRecord, ...]:
        """Return the drills that fit every filter given, newest first; empty ``verdicts`` means any."""
        ...

    def find_drill(self, prefix: str) -> DrillRecord:
        """Return the one drill whose id starts with ``prefix``, in either case; raise ``UsageInvalid``, naming the candidates."""
        ...

    def newest_drill_by_source(self, *, verdicts: Collection[str] = ()) -> Mapping[str, DrillRecord]:
        """Return the newest drill of every source that had one, of those with one of ``verdicts``; one that was superseded proves nothing."""
        ...

    def record_drill_signature(self, signature: DrillSignature) -> None:
        """Record that somebody signed a drill; signing again replaces the time."""
        ...

    def drill_signatures(self, of: Collection[str]) -> tuple[DrillSignature, ...]:
        """Return who signed these drills, by drill, role and person."""
        ...
