"""One chain of the ledger as the stores hold it: which is the longest, who lacks what, and bringing them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from drorch.errors import DrorchError, LedgerBroken, ObjectConflict, ObjectMissing, StoreError
from drorch.evidence.ledger import is_signed
from drorch.evidence.ledger_entry import Document
from drorch.evidence.ledger_segment import SEGMENT_LIMIT_BYTES, Segment, SegmentHead, read_segment
from drorch.format import names
from drorch.format.objects import OBJECT_LIMIT_BYTES, digest_of
from drorch.format.trust import TrustChain
from drorch.ids import LaneId
from drorch.operations.proof.memory import ChainMemory
from drorch.repository.opening import Replica, Repository
from drorch.storage.interface import PutOutcome

_MOST_ALTERNATES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCopies:
    """One chain in all stores that answer. ``tip`` is its newest signed segment, ``None`` for a chain that is to begin."""

    chain: LaneId
    trust: TrustChain
    memory: ChainMemory | None
    answering: tuple[Replica, ...]
    numbers: Mapping[str, int]
    tip: Segment | None
    failures: Mapping[str, DrorchError]

    @classmethod
    def look(cls, repository: Repository, chain: LaneId, memory: ChainMemory | None) -> ChainCopies:
        """Look how far each store is; raises what the last one raised when none answers."""
        numbers: dict[str, int] = {}
        failures: dict[str, DrorchError] = {}
        for replica in repository.replicas:
            try:
                numbers[replica.name] = _last_number(replica, chain, 0 if memory is None else memory.last_number())
            except StoreError as error:
                failures[replica.name] = error
        answering = tuple(one for one in repository.replicas if one.name in numbers)
        if not answering:
            raise next(iter(failures.values()))
        return cls(
            chain=chain,
            trust=repository.trust,
            memory=memory,
            answering=answering,
            numbers=numbers,
            tip=_tip(answering, numbers, chain, repository.trust, memory),
            failures=failures,
        )

    def segment(self, wanted: Segment) -> Segment:
        """Return the segment before ``wanted`` from memory or any store; raise ``LedgerBroken`` when it is nowhere whole."""
        number = wanted.number - 1
        for raw in self._candidates(number):
            if digest_of(raw) == wanted.previous:
                return read_segment(raw, self.chain)
        raise LedgerBroken(
            f"segment {number} of this machine's chain of the ledger is in no store that answers",
            expected=str(wanted.previous)[:16],
            found="none, or altered ones",
            hint="`drorch evidence log` says what is wrong; bring the store back that has it",
        )

    def raw(self, segment: Segment) -> bytes:
        """Return the bytes of a segment that ``segment`` or ``tip`` gave."""
        return next(raw for raw in self._candidates(segment.number) if digest_of(raw) == segment.digest)

    def document(self, wanted: Document) -> bytes | None:
        """Return a document from memory or any store; ``None`` when it is nowhere whole."""
        kept = None if self.memory is None else self.memory.document(wanted.digest)
        if kept is not None:
            return kept
        for replica in self.answering:
            with suppress(StoreError):
                content = replica.store.read(wanted.name, limit_bytes=OBJECT_LIMIT_BYTES)
                if digest_of(content) == wanted.digest:
                    return content
        return None

    def _candidates(self, number: int) -> Iterator[bytes]:
        kept = None if self.memory is None else self.memory.segment(number)
        if kept is not None:
            yield kept
        for replica in self.answering:
            with suppress(StoreError):
                yield from versions(replica, self.chain, number)


def versions(replica: Replica, chain: LaneId, number: int) -> Iterator[bytes]:
    """Yield what a store holds under the name of a segment, alternates included."""
    name = names.ledger_segment(chain, number)
    with suppress(ObjectMissing):
        yield replica.store.read(name, limit_bytes=SEGMENT_LIMIT_BYTES)
        for turn in range(1, _MOST_ALTERNATES):
            yield replica.store.read(names.alternate(name, turn), limit_bytes=SEGMENT_LIMIT_BYTES)


def bring_up(replica: Replica, copies: ChainCopies) -> list[SegmentHead]:
    """Give a store what it lacks of the chain; return heads of branches of this chain that only it had."""
    lost: list[SegmentHead] = []
    wanted: list[tuple[Segment, bool]] = []
    segment = copies.tip
    while segment is not None:
        held = list(versions(replica, copies.chain, segment.number))
        lost += _lost(held, segment, copies)
        if segment.digest in map(digest_of, held):
            break
        wanted.append((segment, bool(held)))
        segment = copies.segment(segment) if segment.number > 1 else None
    for one, is_taken in reversed(wanted):
        for document in (document for entry in one.entries for document in entry.documents):
            _copy_document(replica, document, copies)
        name = names.ledger_segment(copies.chain, one.number)
        _put_at_one_of(replica, _alternates(name) if is_taken else [name, *_alternates(name)], copies.raw(one))
    return lost[:1]  # the highest: it pins those below


def heads_of_others(replicas: Sequence[Replica], trust: TrustChain, own: LaneId) -> dict[LaneId, SegmentHead]:
    """Return the newest signed segment of every other chain, as these stores have it; a store that fails is left out."""
    heads: dict[LaneId, SegmentHead] = {}
    for replica in replicas:
        with suppress(StoreError):
            for folder in replica.store.list_folders(names.ledger_prefix()):
                chain = names.ledger_chain_of(folder)
                if chain is None or chain == own:
                    continue
                number = _listed_last(replica, chain)
                for segment in _signed(versions(replica, chain, number) if number else (), chain, trust):
                    if chain not in heads or heads[chain] < segment.head:
                        heads[chain] = segment.head
    return heads


def _lost(held: Iterable[bytes], segment: Segment, copies: ChainCopies) -> list[SegmentHead]:
    joined = {head.digest for chain, head in segment.seen if chain == copies.chain}
    signed = _signed(held, copies.chain, copies.trust)
    return [one.head for one in signed if one.digest != segment.digest and one.digest not in joined]


def _signed(raws: Iterable[bytes], chain: LaneId, trust: TrustChain) -> Iterator[Segment]:
    for raw in raws:
        with suppress(LedgerBroken):
            segment = read_segment(raw, chain)
            if is_signed(raw, segment, trust):
                yield segment


def _copy_document(replica: Replica, document: Document, copies: ChainCopies) -> None:
    try:
        replica.store.stat(document.name)
    except ObjectMissing:
        content = copies.document(document)
        if content is not None:  # else the ledger still says what it was, and verification says that it is gone
            replica.store.put_if_absent(document.name, content)


def put_new(replica: Replica, segment: Segment, raw: bytes, trust: TrustChain) -> bool:
    """Put the next segment; say no when its signer added another one meanwhile. What strangers left under its name is passed by."""
    name = names.ledger_segment(segment.chain, segment.number)
    if replica.store.put_if_absent(name, raw) is PutOutcome.CREATED:
        return True
    held = list(versions(replica, segment.chain, segment.number))
    if raw in held:
        return True
    if any(True for _ in _signed(held, segment.chain, trust)):
        return False
    _put_at_one_of(replica, _alternates(name), raw)
    return True


def _alternates(name: str) -> list[str]:
    return [names.alternate(name, turn) for turn in range(1, _MOST_ALTERNATES)]


def _put_at_one_of(replica: Replica, places: Sequence[str], raw: bytes) -> None:
    """Put a segment under the first name that is free, or holds it already."""
    for place in places:
        if replica.store.put_if_absent(place, raw) is PutOutcome.CREATED:
            return
        if replica.store.read(place, limit_bytes=SEGMENT_LIMIT_BYTES) == raw:
            return
    raise ObjectConflict(f"{places[-1]} is taken in {replica.name}", expected="a free name", found="other objects")


def _last_number(replica: Replica, chain: LaneId, remembered: int) -> int:
    """Return the number of the newest segment that a store has; with a memory usually by two short questions."""
    if remembered and _has(replica, chain, remembered):
        number = remembered
        while _has(replica, chain, number + 1):
            number += 1
        return number
    return _listed_last(replica, chain)


def _has(replica: Replica, chain: LaneId, number: int) -> bool:
    try:
        replica.store.stat(names.ledger_segment(chain, number))
    except ObjectMissing:
        return False
    return True


def _listed_last(replica: Replica, chain: LaneId) -> int:
    listed = replica.store.list_objects(names.ledger_chain_prefix(chain))
    return max((names.sequence_of(one.name) for one in listed), default=0)


def _tip(
    replicas: Sequence[Replica],
    numbers: Mapping[str, int],
    chain: LaneId,
    trust: TrustChain,
    memory: ChainMemory | None,
) -> Segment | None:
    """Return the newest segment that is signed; of two with one number that of the memory, then of the first store."""
    remembered = 0 if memory is None else memory.last_number()
    for number in range(max([*numbers.values(), remembered]), 0, -1):
        kept = None if memory is None else memory.segment(number)
        for segment in _signed([] if kept is None else [kept], chain, trust):
            return segment
        for replica in replicas:
            with suppress(StoreError):
                for segment in _signed(versions(replica, chain, number), chain, trust):
                    if segment.number == number:
                        return segment
    if max([*numbers.values(), remembered]):
        raise LedgerBroken(
            "no segment of this machine's chain of the ledger is signed by its key",
            expected=f"a signature of chain {str(chain)[:8]}",
            found="none: the key was revoked, or the segments were altered",
            hint="`drorch evidence log` says what is wrong",
        )
    return None
