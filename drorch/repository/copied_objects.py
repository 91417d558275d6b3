"""The objects of one lane as a copy takes them: from whichever source has a good one, or from the second copy in a commit, every one verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from drorch.errors import IntegrityError, ObjectCorrupt, ObjectMissing
from drorch.format import names
from drorch.format.keys import RunRecord
from drorch.format.manifest import Commit, CommitState, Manifest, Needs
from drorch.format.objects import ObjectType, digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.format.packsets import reaches_beyond
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.carrier import Carrier
from drorch.repository.chain import MANIFEST_LIMIT_BYTES, ChainLink, LinkState
from drorch.repository.runs import SecondCopies
from drorch.repository.spares import LaneSpares


class VerifiedObjects:
    """Reads the objects of one lane. Each method raises ``ObjectMissing`` or an ``IntegrityError`` when no source has a good one."""

    def __init__(self, carrier: Carrier, lane: LaneId) -> None:
        self._carrier = carrier
        self._trust = carrier.trust
        self._lane = lane
        self._spares = LaneSpares(carrier.sources, carrier.trust, lane)

    def pack(self, digest: Digest) -> bytes:
        """Return a pack whose bytes are those that its name says."""
        return self._carrier.read(names.pack(self._lane, digest), partial(check_pack, digest))

    def run_record(self, run: RunId) -> bytes:
        """Return the run record of ``run``."""
        allowed = self._trust.allowed(ObjectType.RUN_RECORD, self._lane)

        def verify(raw: bytes) -> object:
            return RunRecord.verify(raw, repository=self._trust.repository, lane=self._lane, run=run, allowed=allowed)

        return self._read_or_spare(names.run_record(self._lane, run), verify, run, lambda spare: spare.run_record)

    def pack_list(self, need: Needs) -> tuple[bytes, Sequence[ListedPack]]:
        """Return the pack list that a manifest names, as it is stored and as it is read."""
        allowed = self._trust.allowed(ObjectType.PACK_LIST, self._lane)
        name = names.pack_list(self._lane, need.run)

        def verify(raw: bytes) -> PackList:
            if digest_of(raw) != need.pack_list_digest:
                raise ObjectCorrupt(f"{name} is not the one that the manifest names")
            return PackList.verify(
                raw, repository=self._trust.repository, lane=self._lane, run=need.run, allowed=allowed
            )

        raw = self._read_or_spare(name, verify, need.run, lambda spare: spare.pack_list)
        packs = verify(raw).packs
        if reaches_beyond(need.bitmap, len(packs)):
            raise ObjectCorrupt(f"{name} lists fewer packs than the manifest needs", found=f"{len(packs)} packs")
        return raw, packs

    def _read_or_spare(
        self, name: str, verify: Callable[[bytes], object], run: RunId, choose: Callable[[SecondCopies], bytes | None]
    ) -> bytes:
        try:
            return self._carrier.read(name, verify)
        except (IntegrityError, ObjectMissing):
            spares = self._spares.of(run)
            spare = None if spares is None else choose(spares)
            if not spare:
                raise
            verify(spare)
            return spare

    def commit(self, link: ChainLink) -> bytes:
        """Return the commit that says of ``link`` what the chain says."""
        return self._carrier.read(names.commit(self._lane, link.sequence), lambda raw: self._commit(raw, link))

    def _commit(self, raw: bytes, link: ChainLink) -> Commit:
        allowed = self._trust.allowed(ObjectType.COMMIT, self._lane)
        commit = Commit.verify(
            raw, repository=self._trust.repository, lane=self._lane, sequence=link.sequence, allowed=allowed
        )
        is_same = (commit.state is CommitState.COMMITTED) == (link.state is LinkState.COMMITTED)
        if commit.manifest_digest != link.digest or not is_same:
            raise ObjectCorrupt(f"the commit of manifest {link.sequence} does not say what the chain says")
        return commit

    def manifest(self, link: ChainLink, commit: bytes) -> bytes:
        """Return the manifest of ``link``, if need be out of its ``commit``."""
        allowed = self._trust.allowed(ObjectType.MANIFEST, self._lane)

        def verify(raw: bytes) -> None:
            if digest_of(raw) != link.digest:
                raise ObjectCorrupt(f"manifest {link.sequence} is not the one of the chain")
            Manifest.verify(
                raw, repository=self._trust.repository, lane=self._lane, sequence=link.sequence, allowed=allowed
            )

        name = names.manifest(self._lane, link.sequence)
        try:
            return self._carrier.read(name, verify, MANIFEST_LIMIT_BYTES)
        except (IntegrityError, ObjectMissing):
            spare = self._commit(commit, link).manifest
            if not spare:
                raise
            verify(spare)
            return spare


def check_pack(digest: Digest, raw: bytes) -> None:
    """Raise ``ObjectCorrupt`` unless the bytes are those of the name."""
    if hashlib.sha256(raw).digest() != digest.raw:
        raise ObjectCorrupt("a pack is not what its name says", expected=str(digest)[:16], found="other bytes")
