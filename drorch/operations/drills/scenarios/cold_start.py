"""Everything but a store, a key and the recovery sheet is gone: a process that knows nothing restores.

It gets an empty home; the address of one store with what reads it, one key file or the shares of one, and the digest of the trust root,
as the recovery sheet says it. No drorch.yaml, no catalog, no cache: its command line is in the report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drorch.errors import PARTIAL, RestoreDiffers, TargetError
from drorch.ids import grouped
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.scenarios.reached import Asked, Reached
from drorch.operations.drills.scenarios.single_database import single_database
from drorch.quantities import counted
from drorch.sandbox.interface import Cuts, FreshEnd, RunsAfresh
from drorch.sources.interface import RestoreOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBelongings:
    """What it takes to read one store elsewhere: an address for ``--store``, files for the home, variables that are no secrets."""

    address: str
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What somebody carries to the new machine. With ``shares`` the key is made out of them there; else it is in ``key``, a key file's text."""

    store: StoreBelongings
    trust: bytes
    passphrase: Callable[[], str] = field(repr=False)
    key: str = field(default="", repr=False)
    shares: tuple[str, ...] = field(default=(), repr=False)


def cold_start(asked: Asked, belongings: Belongings, run_afresh: RunsAfresh, *, cuts: Cuts) -> Reached:
    """Return the snapshot that is wanted, with what restores it from nothing; raises what ``single_database`` raises."""
    reached = single_database(asked)
    snapshot = str(reached.snapshot.link.manifest.run)
    told = [
        f"restored by a process with an empty home, from {belongings.store.address} and "
        + (f"{counted(len(belongings.shares), 'share')} of a key" if belongings.shares else "a key file")
        + f", trust root {grouped(belongings.trust[:8])}; no drorch.yaml, no catalog, no cache"
    ]

    def bring(place: DrillPlace) -> RestoreOutcome:
        return _restore_afresh(place, snapshot, belongings, run_afresh, cuts)

    return replace(reached, told=tuple(told), bring=bring)


def _restore_afresh(
    place: DrillPlace, snapshot: str, belongings: Belongings, run_afresh: RunsAfresh, cuts: Cuts
) -> RestoreOutcome:
    home = place.sandbox.scratch / "home"
    _unpack(home, belongings)

    def run(words: Sequence[str], answer: str) -> FreshEnd:
        return run_afresh(words, home=home, answer=answer, variables=belongings.store.variables, cuts=cuts)

    if belongings.shares:
        named = [word for number in range(len(belongings.shares)) for word in ("--share", f"share-{number + 1}.txt")]
        made = run(["keys", "combine", "custodian", *named], belongings.passphrase() + "\n")
        _require(made, "the shares made no key")
    words = ["restore", snapshot, "--store", belongings.store.address, "--trust", grouped(belongings.trust[:16])]
    words += ["--key", "custodian.key", "--to", place.sandbox.url, "--json", *_rights(place.sandbox.url)]
    ended = run(words, belongings.passphrase() + "\n")
    _require(ended, "a process that knew nothing could not restore")
    return _outcome(ended, place)


def _rights(url: str) -> list[str]:
    return ["--create-roles"] if url.startswith(("postgresql:", "mariadb:")) else []


def _unpack(home: Path, belongings: Belongings) -> None:
    home.mkdir(mode=0o700)
    files = {f"share-{number}.txt": words for number, words in enumerate(belongings.shares, 1)} | dict(
        belongings.store.files
    )
    if belongings.key:
        files["custodian.key"] = belongings.key
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


def _require(ended: FreshEnd, what: str) -> None:
    if ended.code in (0, PARTIAL):
        return
    lines = [line for line in ended.complaint.splitlines() if line.strip()]
    raise TargetError(what, expected="exit code 0", found=f"{ended.code}: {' '.join(lines)[:400]}")


def _outcome(ended: FreshEnd, place: DrillPlace) -> RestoreOutcome:
    try:
        said: dict[str, Any] = json.loads(ended.answer)
        tables, rows = int(said["tables"]), int(said["rows"])
        by_hand, not_as_before = (tuple(map(str, said[name])) for name in ("by_hand", "not_as_before"))
    except (ValueError, KeyError, TypeError) as error:
        raise RestoreDiffers("the fresh process did not say what it restored", found=ended.answer[:200]) from error
    return RestoreOutcome(
        place=place.target.address,
        tables=tables,
        rows=rows,
        statements=0,
        by_hand=by_hand,
        not_as_before=not_as_before,
        lines=() if ended.hides else ("the settings of this machine could not be hidden from the fresh process",),
    )
