"""The runs that one snapshot draws on: their keys, opened once, and their pack lists, verified once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from drorch.errors import IntegrityError, ObjectCorrupt, StoreError
from drorch.format import names
from drorch.format.keys import LaneKeys, RecipientKey, RunKeys, RunRecord
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import PackList
from drorch.format.record import RecordContext
from drorch.format.trust import TrustChain
from drorch.ids import Digest, KeyId, LaneId, RunId
from drorch.quantities import counted
from drorch.repository.copies import Copies
from drorch.storage.interface import ObjectStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """One run, ready to be read from."""

    keys: RunKeys
    lane_keys: LaneKeys
    packs: PackList
    context: RecordContext


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCopies:
    """What a commit carries of its own run: used when an object itself is gone or damaged."""

    run: RunId
    run_record: bytes
    pack_list: bytes | None


Spares: TypeAlias = Callable[[RunId], SecondCopies | None]


class RunDirectory:
    """Opens runs of one lane on demand. Safe to use from several threads."""

    def __init__(
        self,
        *,
        trust: TrustChain,
        lane: LaneId,
        copies: Copies,
        recipients: Sequence[RecipientKey],
        pack_list_digests: Mapping[RunId, Digest],
        further: Mapping[RunId, Mapping[KeyId, bytes]],
        spares: Spares,
    ) -> None:
        self._trust = trust
        self._lane = lane
        self._copies = copies
        self._recipients = recipients
        self._digests = pack_list_digests
        self._further = further
        self._spares = spares
        self._lock = threading.Lock()
        self._opened: dict[RunId, OpenedRun] = {}

    def opened(self, run: RunId) -> OpenedRun:
        """Return the run's keys and packs.

        Raises ``ObjectMissing``, ``SignatureInvalid``, ``KeyMissing`` (not sealed to any key given) or ``ObjectCorrupt`` (the snapshot
        does not list this run).
        """
        with self._lock:
            found = self._opened.get(run)
            if found is None:
                found = self._opened[run] = self._open(run)
            return found

    def pack_digest(self, run: RunId, ordinal: int) -> Digest:
        """Return the digest of a pack by its number; raise ``ObjectCorrupt`` when the run has no such pack."""
        packs = self.opened(run).packs.packs
        if ordinal >= len(packs):
            raise ObjectCorrupt(
                f"run {run.short} has no pack {ordinal}", expected=f"at most {counted(len(packs), 'pack')}"
            )
        return packs[ordinal].digest

    def keys(self, run: RunId) -> RunKeys:
        """Open the run record with a private key."""
        allowed = self._trust.allowed(ObjectType.RUN_RECORD, self._lane)

        def parse(raw: bytes) -> RunRecord:
            return RunRecord.verify(raw, repository=self._trust.repository, lane=self._lane, run=run, allowed=allowed)

        name = names.run_record(self._lane, run)

        def spare() -> bytes | None:
            second = self._spares(run)
            return None if second is None else second.run_record

        record = read_with_spare(self._copies, name, parse, spare)
        return record.open(self._recipients, self._further.get(run))

    def _open(self, run: RunId) -> OpenedRun:
        keys = self.keys(run)
        return OpenedRun(
            keys=keys,
            lane_keys=LaneKeys.derive(keys.lane_secret),
            packs=self._pack_list(run),
            context=RecordContext(self._trust.repository, self._lane, run),
        )

    def _pack_list(self, run: RunId) -> PackList:
        expected = self._digests.get(run)
        if expected is None:
            raise ObjectCorrupt(f"a tree points into run {run.short}, which the manifest does not list")

        def spare() -> bytes | None:
            second = self._spares(run)
            return None if second is None else second.pack_list

        return read_pack_list(self._copies, self._trust, self._lane, run, expected, spare)


def read_pack_list(
    copies: Copies, trust: TrustChain, lane: LaneId, run: RunId, expected: Digest, spare: Callable[[], bytes | None]
) -> PackList:
    """Return the pack list of ``run`` whose object has the digest that a manifest names."""
    name = names.pack_list(lane, run)
    allowed = trust.allowed(ObjectType.PACK_LIST, lane)

    def parse(raw: bytes) -> PackList:
        if digest_of(raw) != expected:
            raise ObjectCorrupt(
                f"{name} is not the one that the manifest names", expected=str(expected), found=str(digest_of(raw))
            )
        return PackList.verify(raw, repository=trust.repository, lane=lane, run=run, allowed=allowed)

    return read_with_spare(copies, name, parse, spare)


def read_with_spare(copies: Copies, name: str, parse: Callable[[bytes], T], spare: Callable[[], bytes | None]) -> T:
    """Return what ``parse`` makes of the first good copy of a small object, or of the ``spare`` one in a commit."""

    def read(store: ObjectStore, copy: str) -> T:
        return parse(store.read(copy, limit_bytes=OBJECT_LIMIT_BYTES))

    try:
        return copies.first_good(name, read)
    except (StoreError, IntegrityError):
        second = spare()
        if second is None:
            raise
        return parse(second)
