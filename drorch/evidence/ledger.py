"""The ledger as a whole: the chains of all signers, verified, and what is wrong with them.

Only the head of a chain is looked at for its signature; everything below is pinned by the digests that lead there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from drorch.errors import DrorchError, IntegrityError
from drorch.evidence.ledger_entry import Entry
from drorch.evidence.ledger_segment import (
    NO_SEGMENT,
    Segment,
    SegmentHead,
    chain_of,
    read_segment,
    verify_segment,
)
from drorch.format.objects import ObjectType
from drorch.format.trust import TrustChain
from drorch.ids import Digest, KeyId, LaneId


class ProblemKind(Enum):
    """What can be wrong with a ledger; ``BEHIND`` alone mends itself with the next entry."""

    DAMAGED = "damaged"
    GAP = "gap"
    FORKED = "forked"
    CUT = "cut"
    UNSIGNED = "unsigned"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """One thing that is wrong: in the store ``where``, or in the ledger as such when that is empty."""

    kind: ProblemKind
    where: str
    words: str


@dataclass(frozen=True, slots=True)
class NumberedEntry:
    """An entry with its place: number ``number`` of ``chain``, in the segment ``head``."""

    number: int
    chain: LaneId
    segment: SegmentHead
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One signer's chain up to its verified head, oldest segment first; ``signer`` is the label in the trust chain."""

    identity: LaneId
    key_id: KeyId
    signer: str
    segments: tuple[Segment, ...]

    @property
    def head(self) -> SegmentHead:
        """The newest segment."""
        return self.segments[-1].head

    def entries(self) -> Iterator[NumberedEntry]:
        """Yield every entry, oldest first."""
        for segment in self.segments:
            for offset, entry in enumerate(segment.entries):
                yield NumberedEntry(segment.first_entry + offset, self.identity, segment.head, entry)

    def at(self, number: int) -> Segment | None:
        """Return the segment of that number; ``None`` when it is not (or no longer) there."""
        place = number - self.segments[0].number
        return self.segments[place] if 0 <= place < len(self.segments) else None


def chain_signer(trust: TrustChain, identity: LaneId) -> tuple[KeyId, str] | None:
    """Return key and label of the signer whose chain that is; ``None`` for a stranger's."""
    for record in reversed(trust.records):
        for signer in record.signers:
            if chain_of(signer.public.key_id) == identity:
                return signer.public.key_id, signer.label
    return None


def build_chain(
    identity: LaneId, raws: Mapping[Digest, bytes], trust: TrustChain
) -> tuple[Chain | None, tuple[LedgerProblem, ...]]:
    """Return the chain that these segments, by their digests, make, and what is wrong with it; ``None`` when no head can be trusted."""
    problems: list[LedgerProblem] = []
    signer = chain_signer(trust, identity)
    if signer is None:
        return None, (LedgerProblem(ProblemKind.UNSIGNED, "", f"chain {identity} is of no signer of this repository"),)
    if trust.is_revoked(signer[0]) and trust.last_good(signer[0], identity) is None:
        return None, ()  # nothing of it counts, and that is as it was meant
    segments = _parsed(identity, raws, problems)
    head = _head(raws, segments, signer, trust, identity, problems)
    if head is None:
        problems.append(LedgerProblem(ProblemKind.UNSIGNED, "", f"no segment of {_named(signer)} is signed by its key"))
        return None, tuple(problems)
    line = _walk(head, segments, signer, problems)
    _find_forks(line, raws, segments, trust, signer, problems)
    return Chain(identity=identity, key_id=signer[0], signer=signer[1], segments=line), tuple(problems)


def is_signed(raw: bytes, segment: Segment, trust: TrustChain) -> bool:
    """Say whether the chain's own signer signed it, and may still sign."""
    allowed = trust.allowed(ObjectType.LEDGER_SEGMENT, segment.chain)
    try:
        verify_segment(raw, segment, repository=trust.repository, allowed=allowed)
    except IntegrityError:
        return False
    return True


def cut_chains(chains: Mapping[LaneId, Chain]) -> Iterator[LedgerProblem]:
    """Yield what one chain saw of another that is there no more."""
    digests = {identity: {segment.digest for segment in chain.segments} for identity, chain in chains.items()}
    for chain in chains.values():
        for segment in chain.segments:
            for identity, head in segment.seen:
                if identity != chain.identity and head.digest not in digests.get(identity, ()):
                    yield LedgerProblem(
                        ProblemKind.CUT,
                        "",
                        f"segment {head.number} of chain {str(identity)[:8]} is gone, which {chain.signer} saw"
                        f" on {segment.made_at:%d/%m/%Y %H:%M} UTC",
                    )


def _parsed(identity: LaneId, raws: Mapping[Digest, bytes], problems: list[LedgerProblem]) -> dict[Digest, Segment]:
    segments: dict[Digest, Segment] = {}
    with _no_collection():
        for digest, raw in raws.items():
            try:
                segments[digest] = read_segment(raw, identity, digest)
            except DrorchError as error:
                problems.append(LedgerProblem(ProblemKind.DAMAGED, "", f"{error.message} ({error.found})"))
    return segments


@contextmanager
def _no_collection() -> Iterator[None]:
    """Make a million small values that hold no cycles without looking for some all the time: an eighth of the whole."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _head(
    raws: Mapping[Digest, bytes],
    segments: Mapping[Digest, Segment],
    signer: tuple[KeyId, str],
    trust: TrustChain,
    identity: LaneId,
    problems: list[LedgerProblem],
) -> Segment | None:
    """Return the newest segment that counts: signed by the key in force, or for a revoked one the head that was named."""
    if trust.is_revoked(signer[0]):
        last = trust.last_good(signer[0], identity)
        return None if last is None else segments.get(last.digest)
    joined = {head.digest for one in segments.values() for chain, head in one.seen if chain == identity}
    pinned = {one.previous for one in segments.values()} | joined
    for segment in sorted(segments.values(), key=lambda one: (one.digest in pinned, -one.number, one.digest)):
        if is_signed(raws[segment.digest], segment, trust):
            return segment
        words = f"segment {segment.number} of {_named(signer)} is not signed by its key"
        problems.append(LedgerProblem(ProblemKind.UNSIGNED, "", words))
    return None


def _walk(
    head: Segment, segments: Mapping[Digest, Segment], signer: tuple[KeyId, str], problems: list[LedgerProblem]
) -> tuple[Segment, ...]:
    """Return the segments from the first that is there to ``head``; each is pinned by the one that follows it."""
    line = [head]
    while line[-1].previous != NO_SEGMENT:
        before, after = segments.get(line[-1].previous), line[-1]
        if before is None or before.number + 1 != after.number or before.next_entry != after.first_entry:
            words = f"segment {after.number - 1} of {_named(signer)} is missing or altered"
            problems.append(LedgerProblem(ProblemKind.GAP, "", words))
            break
        line.append(before)
    else:
        if (line[-1].number, line[-1].first_entry) != (1, 1):
            problems.append(LedgerProblem(ProblemKind.GAP, "", f"the chain of {_named(signer)} does not begin with 1"))
    return tuple(reversed(line))


def _find_forks(
    line: Sequence[Segment],
    raws: Mapping[Digest, bytes],
    segments: Mapping[Digest, Segment],
    trust: TrustChain,
    signer: tuple[KeyId, str],
    problems: list[LedgerProblem],
) -> None:
    """Tell branches that neither belong to the line nor were joined to it, and altered segments."""
    reached = {one.digest for one in line}
    waiting = [head.digest for one in line for chain, head in one.seen if chain == one.chain]
    while waiting:
        digest = waiting.pop()
        if digest in segments and digest not in reached:
            reached.add(digest)
            waiting.append(segments[digest].previous)
    if line[0].previous != NO_SEGMENT:
        return  # what lies below a gap cannot be told from a branch
    is_revoked = trust.is_revoked(signer[0])
    for digest, segment in segments.items():
        if is_revoked and segment.number > line[-1].number:
            continue  # who has a revoked key may add what he likes: it counts for nothing, and harms nothing
        if digest not in reached:
            if is_signed(raws[digest], segment, trust):
                words = f"there are two segments {segment.number} of {_named(signer)}"
                problems.append(LedgerProblem(ProblemKind.FORKED, "", words))
            else:
                words = f"segment {segment.number} of {_named(signer)} was altered"
                problems.append(LedgerProblem(ProblemKind.DAMAGED, "", words))


def _named(signer: tuple[KeyId, str]) -> str:
    return signer[1] or str(signer[0])[:8]
