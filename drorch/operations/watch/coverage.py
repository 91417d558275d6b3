"""The register of systems held against the policies: which are protected, late, never drilled, in no policy, on paper only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from drorch.operations.overview import Overview, SourceStanding, Standing
from drorch.operations.watch.exposure import Exposure, exposures
from drorch.operations.watch.facts import Facts
from drorch.policy.systems import System


class Cover(Enum):
    """How one system is covered, worst first."""

    UNKNOWN = "unknown"  # its policy does not exist, or could not be read
    UNPROTECTED = "unprotected"  # in no policy
    LATE = "late"
    NEVER_DRILLED = "never_drilled"  # protected, and nobody has ever restored it
    PROTECTED = "protected"
    CLOSED = "closed"  # final snapshot taken and held
    PAPER = "paper"  # there is nothing to back up

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        return self in (Cover.PROTECTED, Cover.CLOSED, Cover.PAPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredSystem:
    """One system; ``sources`` are what its policies protect, ``remedy`` what to do, ``exposures`` what they would lose now."""

    system: System
    cover: Cover
    sources: tuple[str, ...]
    text: str
    remedy: str = ""
    exposures: tuple[Exposure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Every system of the register, and the sources that no system names."""

    systems: tuple[CoveredSystem, ...]
    unregistered: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether every system is covered and every source is somebody's."""
        return not self.unregistered and all(one.cover.is_well for one in self.systems)


def coverage(systems: Sequence[System], found: Overview, facts: Facts) -> Coverage:
    """Return how each system is covered, the worst first."""
    by_name: dict[str, list[SourceStanding]] = {}
    for source in found.sources:
        for name in {source.policy, source.address}:
            by_name.setdefault(name, []).append(source)
    covered = [_covered(system, by_name, facts) for system in systems]
    order = {cover: position for position, cover in enumerate(Cover)}
    named = {address for one in covered for address in one.sources}
    return Coverage(
        systems=tuple(sorted(covered, key=lambda one: (order[one.cover], one.system.line))),
        unregistered=tuple(sorted(one.address for one in found.protected if one.address not in named)),
    )


def _covered(system: System, by_name: Mapping[str, Sequence[SourceStanding]], facts: Facts) -> CoveredSystem:
    sources = [source for name in system.policies for source in by_name.get(name, ())]
    missing = [name for name in system.policies if name not in by_name]
    cover, text, remedy = _judged(system, sources, missing, facts)
    addresses = tuple(dict.fromkeys(source.address for source in sources))
    own = {source.address: source for source in sources}
    return CoveredSystem(
        system=system,
        cover=cover,
        sources=addresses,
        text=text,
        remedy=remedy,
        exposures=exposures(own.values(), facts),
    )


def _judged(
    system: System, sources: Sequence[SourceStanding], missing: Sequence[str], facts: Facts
) -> tuple[Cover, str, str]:
    if system.is_paper:
        return Cover.PAPER, "on paper only", ""
    if missing:
        return Cover.UNKNOWN, f"no policy or source is called {', '.join(missing)}", "drorch policy validate"
    if not sources:
        return Cover.UNPROTECTED, "in no policy", "drorch policy new NAME"
    late = [one for one in sources if not one.is_inside_rpo and one.standing is not Standing.CLOSED]
    if late:
        return Cover.LATE, f"{len(late)} of {len(sources)} sources are late", f"drorch status {late[0].policy}"
    undrilled = [one for one in sources if one.address not in facts.passed_drills]
    if undrilled:
        text = f"{len(undrilled)} of {len(sources)} sources were never restored by a drill"
        return Cover.NEVER_DRILLED, text, f"drorch drill run {undrilled[0].address}"
    if all(one.standing is Standing.CLOSED for one in sources):
        return Cover.CLOSED, "closed: the final snapshot is held", ""
    return Cover.PROTECTED, f"{len(sources)} source{'s' if len(sources) > 1 else ''} inside the RPO and proven", ""
