"""Read a lane's chain of manifests: by GET of consecutive names, never by LIST, every link verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from drorch.errors import ChainBroken, DrorchError, IntegrityError, ObjectCorrupt, ObjectMissing
from drorch.format import names
from drorch.format.manifest import Commit, CommitState, Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.trust import NO_PREVIOUS, TrustChain
from drorch.ids import Digest, LaneId
from drorch.repository.runs import SecondCopies
from drorch.storage.interface import ObjectStore

MANIFEST_LIMIT_BYTES = 8 * 2**20 + 64 * 2**10


class LinkState(Enum):
    """Whether a manifest counts."""

    COMMITTED = "committed"
    VOID = "void"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One manifest of a lane, verified, and what its commit says. ``damage`` says what was wrong with its first copy."""

    lane: LaneId
    manifest: Manifest
    digest: Digest
    state: LinkState
    second_copies: SecondCopies | None = field(default=None, repr=False)
    damage: str = ""

    @property
    def sequence(self) -> int:
        """The manifest's number in its lane."""
        return self.manifest.sequence


def lanes_of(store: ObjectStore) -> tuple[LaneId, ...]:
    """Return the lanes that the store lists. A listing may hide lanes: what should exist is the catalog's to know."""
    lanes = (names.lane_of(folder) for folder in store.list_folders(names.lanes_prefix()))
    return tuple(lane for lane in lanes if lane is not None)


def read_chain(
    store: ObjectStore, trust: TrustChain, lane: LaneId, *, first: int = 1, previous: Digest = NO_PREVIOUS
) -> tuple[ChainLink, ...]:
    """Return the links of ``lane`` from number ``first``, whose predecessor has the digest ``previous``, until one is absent.

    Raises ``ChainBroken`` when a link does not follow the one before, ``SignatureInvalid`` or ``ObjectCorrupt`` when neither a manifest nor its
    second copy in the commit is good. What a revoked writer signed counts only as far as its revocation vouches for.
    """
    links: list[ChainLink] = []
    before = previous
    while (link := read_link(store, trust, lane, first + len(links))) is not None:
        if link.manifest.previous != before:
            raise ChainBroken(
                f"manifest {link.sequence} of lane {lane} does not follow the one before",
                expected=f"previous digest {str(before)[:16]}",
                found=str(link.manifest.previous)[:16],
                hint="two machines wrote to one lane, or the store was altered; every snapshot before is still good",
            )
        links.append(link)
        before = link.digest
    return tuple(links[: _vouched_for(trust, lane, links)])


def read_link(store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int) -> ChainLink | None:
    """Return one link, or ``None`` when neither manifest nor commit is there. A damaged manifest is taken from its commit."""
    commit = _read_commit(store, trust, lane, sequence)
    name = names.manifest(lane, sequence)
    try:
        raw = store.read(name, limit_bytes=MANIFEST_LIMIT_BYTES)
        link = _verified(trust, lane, sequence, raw)
    except (ObjectMissing, IntegrityError) as error:
        if commit is None:
            if isinstance(error, ObjectMissing):
                return None
            raise
        link = _from_second_copy(trust, lane, sequence, commit, error)
    return link if commit is None else _decided(link, commit)


def _verified(trust: TrustChain, lane: LaneId, sequence: int, raw: bytes) -> ChainLink:
    allowed = trust.allowed(ObjectType.MANIFEST, lane)
    manifest = Manifest.verify(raw, repository=trust.repository, lane=lane, sequence=sequence, allowed=allowed)
    return ChainLink(lane=lane, manifest=manifest, digest=digest_of(raw), state=LinkState.UNDECIDED)


def _read_commit(store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int) -> Commit | None:
    try:
        raw = store.read(names.commit(lane, sequence), limit_bytes=OBJECT_LIMIT_BYTES)
    except ObjectMissing:
        return None
    allowed = trust.allowed(ObjectType.COMMIT, lane)
    return Commit.verify(raw, repository=trust.repository, lane=lane, sequence=sequence, allowed=allowed)


def _from_second_copy(trust: TrustChain, lane: LaneId, sequence: int, commit: Commit, error: DrorchError) -> ChainLink:
    if not commit.manifest:
        raise error
    return replace(_verified(trust, lane, sequence, commit.manifest), damage=str(error))


def _decided(link: ChainLink, commit: Commit) -> ChainLink:
    if commit.manifest_digest != link.digest:
        raise ObjectCorrupt(
            f"the commit of manifest {link.sequence} of lane {link.lane} is for another manifest",
            expected=str(link.digest),
            found=str(commit.manifest_digest),
        )
    if commit.state is not CommitState.COMMITTED:
        return replace(link, state=LinkState.VOID)
    second = SecondCopies(run=link.manifest.run, run_record=commit.run_record, pack_list=commit.pack_list or None)
    return replace(link, state=LinkState.COMMITTED, second_copies=second)


def _vouched_for(trust: TrustChain, lane: LaneId, links: Sequence[ChainLink]) -> int:
    """Return how many of the links count: all, or as many as the revocation of their writer names.

    The named head's digest fixes every link before it, whatever dates they bear.
    """
    revoked = {signer for link in links for signer in link.manifest.signers if trust.is_revoked(signer)}
    count = len(links)
    for signer in revoked:
        head = trust.last_good(signer, lane)
        positions = [] if head is None else [place for place, link in enumerate(links) if link.digest == head.digest]
        count = min(count, positions[0] + 1 if positions else 0)
    return count
