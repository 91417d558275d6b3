"""Read a lane's chain of manifests: by GET of consecutive names, never by LIST, every link verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from drorch.errors import ChainBroken, DrorchError, FormatUnsupported, IntegrityError, ObjectCorrupt, ObjectMissing
from drorch.format import names
from drorch.format.manifest import Commit, CommitState, Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.trust import TrustChain
from drorch.format.trust_record import NO_PREVIOUS, Head
from drorch.ids import Digest, LaneId
from drorch.repository.runs import SecondCopies
from drorch.storage.interface import ObjectStore

MANIFEST_LIMIT_BYTES = 8 * 2**20 + 64 * 2**10
ALTERNATES = 2
T = TypeVar("T")


class LinkState(Enum):
    """Whether a manifest counts."""

    COMMITTED = "committed"
    VOID = "void"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One manifest of a lane, verified, and what its commit says.

    ``damage`` says what was wrong with a first copy of either. A commit of which no copy is good leaves the manifest undecided.
    """

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


def lanes_of(store: ObjectStore, prefix: str = names.lanes_prefix()) -> tuple[LaneId, ...]:
    """Return the lanes that the store lists. A listing may hide lanes: what should exist is the catalog's to know."""
    lanes = (names.lane_of(folder) for folder in store.list_folders(prefix))
    return tuple(lane for lane in lanes if lane is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPart:
    """The links of a lane that count, and what is wrong behind the last of them; ``None`` when they end where the lane ends."""

    links: tuple[ChainLink, ...]
    problem: DrorchError | None


def read_chain(store: ObjectStore, trust: TrustChain, lane: LaneId) -> tuple[ChainLink, ...]:
    """Return the links of ``lane`` from the first until one is absent.

    Raises ``ChainBroken`` when a link does not follow the one before, ``SignatureInvalid`` or ``ObjectCorrupt`` when neither a manifest nor its
    second copy in the commit is good. What a revoked writer signed counts only as far as its revocation vouches for.
    """
    part = read_good_part(store, trust, lane)
    if part.problem is not None:
        raise part.problem
    return part.links


def read_good_part(store: ObjectStore, trust: TrustChain, lane: LaneId) -> ChainPart:
    """Return the links of ``lane`` up to where it ends or is broken: what stands before a damage is as good as ever.

    They come without second copies, which would be most of what ten thousand links weigh (``read_link`` gives them). Raises what the store raises.
    """
    links: list[ChainLink] = []
    problem: DrorchError | None = None
    try:
        links.extend(replace(link, second_copies=None) for link in follow(store, trust, lane))
    except IntegrityError as error:
        problem = error
    return ChainPart(links=tuple(links[: vouched_for(trust, lane, links)]), problem=problem)


def read_news(store: ObjectStore, trust: TrustChain, lane: LaneId, known: Head) -> ChainPart:
    """Return the links of ``lane`` behind ``known``, which was seen before, up to the first that is not decided yet.

    Where a revoked writer signed one of them the whole lane is read: only so it shows how far it counts. Otherwise as ``read_good_part``.
    """
    links: list[ChainLink] = []
    problem: DrorchError | None = None
    try:
        for link in follow(store, trust, lane, known):
            if any(trust.is_revoked(signer) for signer in link.manifest.signers):
                return read_good_part(store, trust, lane)
            if link.state is LinkState.UNDECIDED:
                break
            links.append(replace(link, second_copies=None))
    except IntegrityError as error:
        problem = error
    return ChainPart(links=tuple(links), problem=problem)


_BEGINNING = Head(sequence=0, digest=NO_PREVIOUS)


def follow(store: ObjectStore, trust: TrustChain, lane: LaneId, known: Head = _BEGINNING) -> Iterator[ChainLink]:
    """Yield the links of ``lane`` behind ``known`` one by one; raises as ``read_chain`` does. What revocations say is the caller's to ask."""
    before, sequence = known.digest, known.sequence + 1
    while (link := read_link(store, trust, lane, sequence)) is not None:
        if link.manifest.previous != before:
            raise ChainBroken(
                f"manifest {link.sequence} of lane {lane} does not follow the one before",
                expected=f"previous digest {str(before)[:16]}",
                found=str(link.manifest.previous)[:16],
                hint="two machines wrote to one lane, or the store was altered; every snapshot before is still good",
            )
        yield link
        before, sequence = link.digest, sequence + 1


def read_link(store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int) -> ChainLink | None:
    """Return one link, or ``None`` when neither manifest nor commit is there.

    A manifest that is damaged, or is that of a run which lost the number (FORMAT 8), is taken from its alternates or from its commit.
    """
    commit, damage = _read_commit(store, trust, lane, sequence)
    name = names.manifest(lane, sequence)
    try:
        link = first_verified(
            store, name, MANIFEST_LIMIT_BYTES, lambda raw: _counting(_verified(trust, lane, sequence, raw), commit)
        )
    except (ObjectMissing, IntegrityError) as error:
        if commit is None:
            if isinstance(error, ObjectMissing) and not damage:
                return None
            raise _unreadable(name, error) from error
        return _decided(_from_second_copy(trust, lane, sequence, commit, error), commit)
    return replace(link, damage=link.damage or damage) if commit is None else _decided(link, commit)


def manifests_of(
    store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int
) -> Iterator[tuple[bytes, Manifest]]:
    """Yield every genuine manifest that stands under a number or its alternates: while none is decided any may come to count."""
    name = names.manifest(lane, sequence)
    for candidate in (name, *alternates(name)):
        with suppress(ObjectMissing, IntegrityError):
            raw = store.read(candidate, limit_bytes=MANIFEST_LIMIT_BYTES)
            yield raw, _verified(trust, lane, sequence, raw).manifest


def read_commit(store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int) -> bytes:
    """Return the first good copy of a commit as it is stored; raise ``ObjectMissing`` or what is wrong with it."""
    allowed = trust.allowed(ObjectType.COMMIT, lane)

    def verify(raw: bytes) -> bytes:
        Commit.verify(raw, repository=trust.repository, lane=lane, sequence=sequence, allowed=allowed)
        return raw

    return first_verified(store, names.commit(lane, sequence), OBJECT_LIMIT_BYTES, verify)


def counts(trust: TrustChain, link: ChainLink, raw: bytes) -> bool:
    """Say whether ``raw`` is a commit by which the link counts; raise what is wrong with it."""
    allowed = trust.allowed(ObjectType.COMMIT, link.lane)
    found = Commit.verify(raw, repository=trust.repository, lane=link.lane, sequence=link.sequence, allowed=allowed)
    return (found.state, found.manifest_digest) == (CommitState.COMMITTED, link.digest)


def alternates(name: str) -> Iterator[str]:
    """Yield the names of the copies that may lie beside an object."""
    return (names.alternate(name, number) for number in range(1, ALTERNATES + 1))


def first_verified(store: ObjectStore, name: str, limit_bytes: int, verify: Callable[[bytes], T]) -> T:
    """Return what ``verify`` makes of an object, or of the first alternate copy that it accepts when the object is damaged.

    Raises ``ObjectMissing``, or what ``verify`` said of the object itself.
    """
    damage: IntegrityError | None = None
    for candidate in (name, *alternates(name)):
        try:
            return verify(store.read(candidate, limit_bytes=limit_bytes))
        except IntegrityError as error:
            damage = damage or error
        except ObjectMissing:
            if damage is None:
                raise
            break
    assert damage is not None
    raise damage


def _unreadable(name: str, error: DrorchError) -> IntegrityError:
    """Return ``error`` as a break of the chain: with the manifest's place in it is lost what follows."""
    return ChainBroken(
        f"{name} cannot be read, and no commit holds a second copy of it",
        expected="a manifest that verifies",
        found=f"{error.message}, {error.found}" if error.found else error.message,
        hint="every snapshot before is still good; another store may hold the object"
        + (", or a newer drorch wrote it" if isinstance(error, FormatUnsupported) else ""),
    )


def _verified(trust: TrustChain, lane: LaneId, sequence: int, raw: bytes) -> ChainLink:
    allowed = trust.allowed(ObjectType.MANIFEST, lane)
    manifest = Manifest.verify(raw, repository=trust.repository, lane=lane, sequence=sequence, allowed=allowed)
    return ChainLink(lane=lane, manifest=manifest, digest=digest_of(raw), state=LinkState.UNDECIDED)


def _counting(link: ChainLink, commit: Commit | None) -> ChainLink:
    """Return ``link`` when it is the one that the commit names; raise ``ObjectCorrupt``."""
    if commit is not None and commit.manifest_digest != link.digest:
        raise ObjectCorrupt(
            f"manifest {link.sequence} is not the one that its commit names",
            expected=str(commit.manifest_digest),
            found=str(link.digest),
        )
    return link


def _read_commit(store: ObjectStore, trust: TrustChain, lane: LaneId, sequence: int) -> tuple[Commit | None, str]:
    """Return the commit; or ``None`` and what is wrong with it, nothing when it is absent."""
    allowed = trust.allowed(ObjectType.COMMIT, lane)

    def verify(raw: bytes) -> Commit:
        return Commit.verify(raw, repository=trust.repository, lane=lane, sequence=sequence, allowed=allowed)

    try:
        return first_verified(store, names.commit(lane, sequence), OBJECT_LIMIT_BYTES, verify), ""
    except ObjectMissing:
        return None, ""
    except IntegrityError as error:
        return None, f"its commit is damaged: {error}"


def _from_second_copy(trust: TrustChain, lane: LaneId, sequence: int, commit: Commit, error: DrorchError) -> ChainLink:
    if not commit.manifest:
        raise _unreadable(names.manifest(lane, sequence), error)
    return replace(_counting(_verified(trust, lane, sequence, commit.manifest), commit), damage=str(error))


def _decided(link: ChainLink, commit: Commit) -> ChainLink:
    if commit.state is not CommitState.COMMITTED:
        return replace(link, state=LinkState.VOID)
    second = SecondCopies(run=link.manifest.run, run_record=commit.run_record, pack_list=commit.pack_list or None)
    return replace(link, state=LinkState.COMMITTED, second_copies=second)


def vouched_for(trust: TrustChain, lane: LaneId, links: Sequence[ChainLink]) -> int:
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
