"""Do the controls bite? One byte of a real pack altered, a wrong key, the deletion of a locked object: each must be refused.

Nothing is altered in a store: the byte is flipped on the way from the store to the reader, which is the one that restores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, ObjectMissing, StoreDenied, StoreError
from drorch.evidence.drill_checks import Check, CheckResult, Compared, Difference, Outcome
from drorch.format.entries import Entry
from drorch.format.keys import SEED_BYTES, RecipientKey
from drorch.format.tree import LeafEntry, Reference
from drorch.repository.chain import ChainLink
from drorch.repository.opening import Replica, Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.walking import leaf_entries
from drorch.storage.interface import ObjectStore

FLIPPED, WRONG_KEY, DELETION = "flipped byte", "wrong key", "deletion of a locked object"
_HARMLESS = "help/"  # what the tried deletion is about: no restore needs it, and it can be put back
_LIMIT_BYTES = 8 * 2**20
_CANDIDATES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The snapshot that was restored, and what opened it. ``store`` is the one that it was read from."""

    repository: Repository
    link: ChainLink
    recipient: RecipientKey
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One byte of one object."""

    name: str
    offset: int
    chunk: LeafEntry


def controls_bite(tried: Tried, *, random_bytes: Callable[[int], bytes], clock: Clock) -> CheckResult:
    """Try each control; raise ``StoreError`` when the store does not answer, and then nothing was shown."""
    started = clock.monotonic_seconds()
    replica = next(one for one in tried.repository.replicas if one.name == tried.store)
    compared = (
        _flipped(tried, replica, random_bytes),
        _wrong_key(tried, random_bytes),
        _deletion(replica, clock.now()),
    )
    toothless = [one for one in compared if one.outcome is Outcome.FAIL]
    refused = [one.name for one in compared if one.found.startswith("refused")]
    not_asked = [one for one in compared if one.found.startswith("not asked")]
    return CheckResult(
        check=Check.CONTROLS,
        title="controls bite",
        outcome=Outcome.FAIL if toothless else Outcome.OK,
        expected="refused",
        found=", ".join(f"{one.name} was not refused" for one in toothless) or "refused",
        note=f"{', '.join(refused)}: refused" + ("; deletion not asked" if not_asked else ""),
        duration_ms=round((clock.monotonic_seconds() - started) * 1_000),
        differences=tuple(Difference(name=one.name, expected=one.expected, found=one.found) for one in toothless),
        compared=compared,
        told=tuple(f"{one.name}: {one.found}" for one in toothless),
    )


# -- a flipped byte


def _flipped(tried: Tried, replica: Replica, random_bytes: Callable[[int], bytes]) -> Compared:
    alone = replace(tried.repository, replicas=(replica,))
    flip = _place_to_flip(tried, alone, int.from_bytes(random_bytes(8)))
    expected = "refused, by the reader that restores"
    if flip is None:
        return Compared(
            name=FLIPPED, outcome=Outcome.OK, expected=expected, found="not asked: the snapshot has no byte"
        )
    where = f"byte {flip.offset:,} of {flip.name} in {replica.name}"
    altered = Replica(name=replica.name, store=cast("ObjectStore", AlteredOnTheWay(replica.store, flip)))
    reader = SnapshotReader(replace(alone, replicas=(altered,)), tried.link, [tried.recipient], threads=1)
    with closing(reader):
        try:
            reader.fetcher.chunk(flip.chunk)
        except IntegrityError as error:
            return Compared(
                name=FLIPPED, outcome=Outcome.OK, expected=expected, found=f"refused: {where}: {error.message}"
            )
        if any(fault.name == flip.name for fault in reader.faults):
            found = f"refused: {where}; another copy was read"
            return Compared(name=FLIPPED, outcome=Outcome.OK, expected=expected, found=found)
    return Compared(name=FLIPPED, outcome=Outcome.FAIL, expected=expected, found=f"{where} was read as if it were good")


def _place_to_flip(tried: Tried, alone: Repository, draw: int) -> Flip | None:
    """Return a byte in the middle of the first chunk of a stream drawn by lot; ``None`` when the snapshot holds nothing."""
    reader = SnapshotReader(alone, tried.link, [tried.recipient], threads=1)
    with closing(reader):
        found: list[Reference] = []
        for entry in reader.entries():
            found += _reference(entry, reader.body.containers)
            if len(found) >= _CANDIDATES:
                break
        if not found:
            return None
        chunk = next(leaf_entries(reader.fetcher, found[draw % len(found)]))
        place = chunk.chunk.place
        name = reader.fetcher.pack_name(chunk.chunk.run, place.ordinal)
        return Flip(name=name, offset=place.offset + place.length // 2, chunk=chunk)


def _reference(entry: Entry, containers: Sequence[Reference]) -> list[Reference]:
    if entry.tree is not None:
        return [entry.tree] if entry.size_bytes else []
    return [] if entry.contained is None or not entry.size_bytes else [containers[entry.contained.container]]


class AlteredOnTheWay:
    """A store whose every answer is true but for one bit of one object; all that is not said here is the store's own."""

    def __init__(self, store: ObjectStore, flip: Flip) -> None:
        self._store = store
        self._flip = flip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        return self._altered(name, 0, self._store.read(name, limit_bytes=limit_bytes))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        return self._altered(name, offset, self._store.read_range(name, offset, length))

    def _altered(self, name: str, offset: int, content: bytes) -> bytes:
        at = self._flip.offset - offset
        if name != self._flip.name or not 0 <= at < len(content):
            return content
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


# -- a wrong key


def _wrong_key(tried: Tried, random_bytes: Callable[[int], bytes]) -> Compared:
    expected = "refused"
    stranger = RecipientKey.from_seed(random_bytes(SEED_BYTES), "made for this drill")
    try:
        SnapshotReader(tried.repository, tried.link, [stranger], threads=1).close()
    except IntegrityError as error:
        return Compared(name=WRONG_KEY, outcome=Outcome.OK, expected=expected, found=f"refused: {error.message}")
    return Compared(
        name=WRONG_KEY, outcome=Outcome.FAIL, expected=expected, found="a key made just now opened the snapshot"
    )


# -- a deletion


def _deletion(replica: Replica, now: datetime) -> Compared:
    """Try to delete a locked help text; where nothing is locked nothing is tried: it would be a deletion."""
    expected = "refused until the lock ends"
    locked = _locked(replica.store, now)
    if isinstance(locked, str):
        return Compared(
            name=DELETION, outcome=Outcome.OK, expected=expected, found=f"not asked: {replica.name} {locked}"
        )
    name, until = locked
    kept = replica.store.read(name, limit_bytes=_LIMIT_BYTES)
    said = "the store did not say so"
    try:
        replica.store.delete([name])
    except StoreDenied as error:
        said = error.message
    try:
        replica.store.stat(name)
    except ObjectMissing:
        replica.store.put_if_absent(name, kept)
        found = f"{name} was deleted from {replica.name} in spite of its lock; it was put back"
        return Compared(name=DELETION, outcome=Outcome.FAIL, expected=expected, found=found)
    found = f"refused: {name} in {replica.name}, locked until {until:%Y-%m-%dT%H:%M:%SZ}: {said}"
    return Compared(name=DELETION, outcome=Outcome.OK, expected=expected, found=found)


def _locked(store: ObjectStore, now: datetime) -> tuple[str, datetime] | str:
    """Return a locked object that nothing needs, or why there is none."""
    try:
        for stat in store.list_objects(_HARMLESS):
            until = store.locked_until(stat.name)
            if until is not None and until > now:
                return stat.name, until
    except StoreError as error:
        return f"could not be asked: {error.message}"
    except DrorchError as error:
        return f"does not tell: {error.message}"
    return "locks no object that could be tried"
