"""Is every table, column, constraint, index, view, routine, trigger, sequence and privilege there, and as it was?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from drorch.errors import DrorchError
from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome
from drorch.format.entries import Entry
from drorch.operations.drills.checking import ENDS_A_DRILL, of_differences
from drorch.operations.drills.content import Restored
from drorch.quantities import counted
from drorch.sources.interface import Defined, StreamKind, StreamSpec

TITLE = "schema equals the snapshot"
_ONLY_WHERE_KEPT = frozenset(
    {"login"}
)  # a policy may leave hashes out; what the sandbox has of its own is no difference then
_DECIDED_BY_PRINT = (Outcome.INCONCLUSIVE, Outcome.FAIL)
_NAMES_ONLY = "postgresql"  # its accounts belong to the whole server; those that own or may use something stand in the definitions


def compare_definitions(restored: Restored) -> CheckResult:
    """Compare object by object: by kind and name, then by text.

    Versions of a server print definitions differently. Where texts differ between two, the snapshot's definitions are made anew on the sandbox's
    server, and what that prints for both is compared; where that cannot be done a text that differs proves nothing either way. An object
    that is not there fails the check all the same.
    """
    expected = Counter(_stored(restored))
    found = Counter(_captured(restored))
    if restored.only:
        expected = Counter({one: count for one, count in expected.items() if _is_chosen(one, restored.only)})
        found = Counter({one: count for one, count in found.items() if _is_chosen(one, restored.only)})
    kinds = {one.kind for one in expected}
    found = Counter(
        {one: count for one, count in found.items() if one.kind in kinds or one.kind not in _ONLY_WHERE_KEPT}
    )
    differences = list(_differences(expected, found))
    is_other_version = _major(restored.facts) != _major(restored.capture.facts)
    is_printed_alike = False
    if is_other_version and not restored.only and any(kind in _DECIDED_BY_PRINT for _, kind in differences):
        anew = _as_printed_here(restored)
        if anew is not None:
            is_other_version, is_printed_alike = False, True
            differences = list(_differences(_reprinted(expected, anew, found), found))
    outcome = _outcome(differences, is_other_version=is_other_version)
    objects = sum(expected.values())
    if not objects:
        outcome = Outcome.INCONCLUSIVE
    shown, told = of_differences([difference for difference, _ in differences])
    bad = sum(kind is not Outcome.FINDING for _, kind in differences)
    return CheckResult(
        check=Check.SCHEMA,
        title=TITLE,
        outcome=outcome,
        expected=f"{counted(objects, 'object')} as at the backup",
        found=f"{objects - min(bad, objects):,} as at the backup" if objects else "nothing to compare",
        note=f"{objects:,} object{'' if objects == 1 else 's'}"
        + (f", {bad:,} differ" if bad else "")
        + (", as this version prints them" if is_printed_alike else ""),
        differences=shown,
        told=told,
    )


def _as_printed_here(restored: Restored) -> Counter[Defined] | None:
    """Return the snapshot's definitions in the words of the sandbox's server; ``None`` when it cannot be asked for them."""
    try:
        with restored.reference() as capture:
            return None if capture is None else Counter(_captured(replace(restored, capture=capture)))
    except ENDS_A_DRILL:
        raise
    except DrorchError:
        return None


def _reprinted(expected: Counter[Defined], anew: Counter[Defined], found: Counter[Defined]) -> Counter[Defined]:
    """Return what is expected, texts that differ replaced by those made anew; what only the server's version adds is expected, too.

    A definition that could not even be made anew stays as it was expected: it is gone, or differs.
    """
    names = {(one.kind, one.name) for one in expected - found} | {(one.kind, one.name) for one in found - expected}
    known = {(one.kind, one.name) for one in anew}
    kept = {one: count for one, count in expected.items() if (one.kind, one.name) not in names & known}
    return Counter(kept) + Counter({one: count for one, count in anew.items() if (one.kind, one.name) in names})


def _outcome(differences: list[tuple[Difference, Outcome]], *, is_other_version: bool) -> Outcome:
    kinds = {kind for _, kind in differences}
    if Outcome.FAIL in kinds:
        return Outcome.FAIL
    if Outcome.INCONCLUSIVE in kinds:
        return Outcome.INCONCLUSIVE if is_other_version else Outcome.FAIL
    return Outcome.FINDING if kinds else Outcome.OK


def _differences(expected: Counter[Defined], found: Counter[Defined]) -> Iterator[tuple[Difference, Outcome]]:
    """Yield what is gone (fails), what differs in its text (``INCONCLUSIVE``: versions decide), and what is new."""
    gone, new = expected - found, found - expected
    named = {(one.kind, one.name) for one in new}
    told = {(one.kind, one.name) for one in gone}
    for one in sorted(gone.elements(), key=_order):
        name = f"{one.kind} {one.name}".strip()
        if (one.kind, one.name) in named:
            outcome = Outcome.FINDING if one.is_place else Outcome.INCONCLUSIVE
            yield Difference(name=name, expected="as at the backup", found="defined otherwise"), outcome
        else:
            outcome = Outcome.FINDING if one.is_place else Outcome.FAIL
            yield Difference(name=name, expected="as at the backup", found="not there"), outcome
    for one in sorted(new.elements(), key=_order):
        if (one.kind, one.name) not in told:
            name = f"{one.kind} {one.name}".strip()
            yield (
                Difference(name=name, expected="not in the snapshot", found="there"),
                Outcome.FINDING if one.is_place else Outcome.FAIL,
            )


def _order(one: Defined) -> tuple[str, str]:
    return one.kind, one.name


def _stored(restored: Restored) -> Iterator[Defined]:
    for entry in restored.backup.entries():
        if _is_compared(entry.kind, restored):
            yield from restored.proof.definitions(_bytes_of(restored, entry))


def _bytes_of(restored: Restored, entry: Entry) -> Iterable[bytes]:
    return restored.backup.stream(entry)


def _captured(restored: Restored) -> Iterator[Defined]:
    for spec in restored.capture.streams():
        if _is_compared(spec.kind.value, restored) and _has_counterpart(spec, restored):
            with restored.capture.open(spec) as pieces:
                yield from restored.proof.definitions([bytes(piece) for piece in pieces])


def _is_compared(kind: int, restored: Restored) -> bool:
    if kind == StreamKind.SCHEMA.value:
        return True
    return kind == StreamKind.ROLES.value and restored.facts.get("engine") != _NAMES_ONLY and not restored.only


def _has_counterpart(spec: StreamSpec, restored: Restored) -> bool:
    """Whether the snapshot has the stream too: a policy may leave accounts out."""
    return any(entry.name == spec.name for entry in restored.backup.entries())


def _is_chosen(one: Defined, tables: Iterable[str]) -> bool:
    """Whether a definition belongs to a table that was restored alone; what it needed besides is not compared."""
    return any(one.kind.upper() == "TABLE" and one.name == table for table in tables)


def _major(facts: Mapping[str, object]) -> str:
    """Return the part of the server's version that decides how it prints definitions; SQLite keeps them as they were written."""
    parts = str(facts.get("server_version", "")).split(".")
    return ".".join(parts[: 1 if facts.get("engine") == "postgresql" else 2])
