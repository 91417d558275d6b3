"""``drorch coverage``: is every system that somebody answers for protected?"""

from __future__ import annotations

from collections import Counter

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, utc_time, wrapped
from drorch.operations.watch.coverage import Cover, Coverage, CoveredSystem, coverage
from drorch.operations.watch.exposure import Exposure, worst
from drorch.quantities import counted, format_promise, format_span
from drorch.settings import load_policies, load_systems
from drorch.wiring.watching import look

_INCOMPLETE = 3
_WORDS = {
    Cover.UNKNOWN: "WRONG",
    Cover.UNPROTECTED: "OPEN",
    Cover.LATE: "LATE",
    Cover.NEVER_DRILLED: "UNPROVEN",
    Cover.PROTECTED: "ok",
    Cover.CLOSED: "closed",
    Cover.PAPER: "paper",
}
_MEANINGS = {
    Cover.PROTECTED: "protected and proven",
    Cover.NEVER_DRILLED: "never restored by a drill",
    Cover.LATE: "late",
    Cover.UNPROTECTED: "in no policy",
    Cover.UNKNOWN: "with a policy that does not exist",
    Cover.CLOSED: "closed",
    Cover.PAPER: "on paper only",
}
_MOST_NAMES = 8


@click.command(epilog="Example: drorch coverage --check")
@click.option("--all", "show_all", is_flag=True, help="Also the systems that are well.")
@click.option("--check", is_flag=True, help="Exit 3 when a system is not protected and proven.")
@common_options
def command(show_all: bool, check: bool, invocation: Invocation) -> int:
    """Hold the register of systems (policies/systems.csv) against the policies.

    Its columns: id, name, owner, medium (digital or paper), policy (policies or sources, parted by blanks; empty: none), note.
    """
    settings = invocation.settings()
    systems = load_systems(settings)
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        found, facts = look(wiring, loaded)
    covered = coverage(systems, found, facts)
    if invocation.output.as_json:
        invocation.output.document("drorch.coverage/1", _document(covered))
    elif not (invocation.output.quiet and covered.is_well):
        invocation.output.lines(_lines(covered, show_all=show_all))
    return _INCOMPLETE if check and not covered.is_well else 0


def _lines(covered: Coverage, *, show_all: bool) -> list[str]:
    lines: list[str] = []
    for one in covered.systems:
        if show_all or not one.cover.is_well:
            lines += _system_lines(one)
    if covered.unregistered:
        names = " ".join(covered.unregistered[:_MOST_NAMES])
        more = len(covered.unregistered) - _MOST_NAMES
        text = f"  note  {counted(len(covered.unregistered), 'source')} of no system: {names}"
        lines += wrapped(text + (f" and {more} more" if more > 0 else ""), 8)
    counts = Counter(one.cover for one in covered.systems)
    told = ", ".join(f"{counts[cover]} {meaning}" for cover, meaning in _MEANINGS.items() if counts[cover])
    return [*lines, *([""] if lines else []), *wrapped(f"{counted(len(covered.systems), 'system')}: {told}", 2)]


def _system_lines(one: CoveredSystem) -> list[str]:
    word = _WORDS[one.cover]
    indent = 4 + len(word)
    lines = wrapped(f"  {word}  {printable(one.system.identifier)}  {printable(one.system.name)}", indent)
    lines += wrapped(f"{' ' * indent}{one.text}; {printable(one.system.owner)}", indent)
    most = worst(one.exposures)
    lines += wrapped(f"{' ' * indent}{_loss(most)}", indent) if most is not None else []
    return [*lines, *(wrapped(f"{' ' * indent}try: {one.remedy}", indent) if one.remedy else [])]


def _loss(most: Exposure) -> str:
    """Return what would be lost if it were lost now: of several sources of the one that would lose most of its promise."""
    promised = f"promised {format_promise(most.rpo_seconds)}"
    if most.lost_seconds is None:
        return f"lost now, all of {most.source} is lost: it has no good snapshot; {promised}"
    return f"lost now, {most.source} loses {format_span(most.lost_seconds)}; {promised}"


def _document(covered: Coverage) -> dict[str, object]:
    counts = Counter(one.cover for one in covered.systems)
    return {
        "ok": covered.is_well,
        "counts": {cover.value: counts[cover] for cover in Cover},
        "systems": [
            {
                "id": one.system.identifier,
                "name": one.system.name,
                "owner": one.system.owner,
                "cover": one.cover.value,
                "sources": list(one.sources),
                "text": one.text,
                "try": one.remedy,
                "exposures": [
                    {
                        "source": each.source,
                        "restore_point": None if each.restore_point is None else utc_time(each.restore_point),
                        "lost_s": None if each.lost_seconds is None else round(each.lost_seconds),
                        "rpo_s": each.rpo_seconds,
                        "proven_at": None if each.proven_at is None else utc_time(each.proven_at),
                    }
                    for each in one.exposures
                ],
            }
            for one in covered.systems
        ],
        "unregistered": list(covered.unregistered),
    }
