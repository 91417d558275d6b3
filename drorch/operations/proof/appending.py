"""Add entries to the ledger of every store: documents first, then the segment that names them; nothing is ever changed.

One machine adds to one chain, its own, so machines never wait for each other; processes of one machine take turns by a lock, and
without one the store's put-if-absent decides. A store that was away is brought up by the next entry. It can be killed anywhere: an
entry is in the ledger as soon as one store has its segment, and whoever repeats an append may find it there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import Bug, DrorchError, LedgerBroken, NothingDone, ObjectConflict, StoreError, StoreMissing
from drorch.evidence.ledger_entry import Entry
from drorch.evidence.ledger_segment import Segment, SegmentHead, chain_of, read_segment, sign_segment
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.signing import SigningKey
from drorch.ids import Digest, LaneId
from drorch.operations.proof.chain_copies import ChainCopies, bring_up, heads_of_others, put_new
from drorch.operations.proof.looking_back import missing
from drorch.operations.proof.memory import ChainMemory
from drorch.repository.opening import Replica, Repository
from drorch.storage.interface import ObjectStore, PutOutcome

_TRIES = 20
Wanted = Callable[[ChainCopies], Sequence[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Where the entries are now: ``numbers`` in the chain of this machine, ``head`` the new head of it, by store; and why not elsewhere."""

    chain: LaneId
    head: SegmentHead
    numbers: tuple[int, ...]
    stores: tuple[str, ...]
    failures: Mapping[str, DrorchError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWriter:
    """Adds to the chain of ``key``. ``memory`` is a directory of this machine's state; without it no lock is held."""

    repository: Repository
    key: SigningKey
    clock: Clock
    memory: Path | None

    def append(self, entries: Sequence[Entry], documents: Mapping[str, bytes] | None = None) -> Appended:
        """Add ``entries`` together, and before them ``documents`` by name; every store is tried.

        Raises what the last store raised when none took them, ``LedgerBroken`` when this machine's key may not sign here, ``ObjectConflict``
        when a document of that name is there with other bytes.
        """
        appended = self._append(lambda _: entries, documents or {})
        if appended is None:
            raise Bug("nothing to add to the ledger")
        return appended

    def append_missing(self, entries: Sequence[Entry], since: datetime) -> Appended | None:
        """Add those of ``entries`` that this chain does not hold since ``since``; ``None`` when it holds all of them.

        For who cannot know whether an earlier try came through: entries are the same when all but their time is. Raises as ``append``.
        """
        return self._append(lambda copies: missing(copies, entries, since), {})

    def _append(self, wanted: Wanted, documents: Mapping[str, bytes]) -> Appended | None:
        chain = self._chain()
        memory = None if self.memory is None else ChainMemory(self.memory, chain)
        with nullcontext() if memory is None else memory.alone():
            for _ in range(_TRIES):
                copies = ChainCopies.look(self.repository, chain, memory)
                entries = wanted(copies)
                if not entries:
                    return None
                appended = self._try(copies, entries, documents)
                if appended is not None:
                    return appended
        raise NothingDone("others add to this chain of the ledger at the same time", hint="try again")

    def _chain(self) -> LaneId:
        chain = chain_of(self.key.key_id)
        trust, own = self.repository.trust, self.key.key_id
        if trust.is_revoked(own) or own not in trust.allowed(ObjectType.LEDGER_SEGMENT, chain):
            raise LedgerBroken(
                "this machine's key may not add to the ledger",
                expected="the key of a signer in the trust record in force",
                found=f"key {str(self.key.key_id)[:16]}",
            )
        return chain

    def _try(self, copies: ChainCopies, entries: Sequence[Entry], documents: Mapping[str, bytes]) -> Appended | None:
        """Add them behind what is there now; ``None`` when somebody else was quicker."""
        chain, memory = copies.chain, copies.memory
        failures: dict[str, DrorchError] = {**self.repository.unusable, **copies.failures}
        ready, lost = _prepare(copies, documents, failures)
        raw = sign_segment(
            entries,
            after=copies.tip,
            seen=heads_of_others(ready, self.repository.trust, chain),
            lost=lost,
            repository=self.repository.trust.repository,
            made_at=self.clock.now(),
            key=self.key,
        )
        segment = read_segment(raw, chain)
        stores: list[str] = []
        for replica in ready:
            try:
                is_there = put_new(replica, segment, raw, copies.trust)
            except StoreError as error:
                failures[replica.name] = error
                continue
            if not is_there:
                if not stores:
                    return None
                failures[replica.name] = LedgerBroken(f"{replica.name} got another segment {segment.number} meanwhile")
                continue
            stores.append(replica.name)
            if memory is not None and len(stores) == 1:
                memory.remember(segment.number, raw, {digest_of(one): one for one in documents.values()})
        if not stores:
            raise next(iter(failures.values()), StoreMissing("no store took the ledger entry"))
        if memory is not None and not failures:
            memory.forget_before(segment.number)
        return _appended(segment, stores, failures)


def _prepare(
    copies: ChainCopies, documents: Mapping[str, bytes], failures: dict[str, DrorchError]
) -> tuple[list[Replica], list[SegmentHead]]:
    """Bring every store up and put the documents there; return the stores that are ready, and heads of lost branches."""
    ready: list[Replica] = []
    lost: set[SegmentHead] = set()
    for replica in copies.answering:
        try:
            lost.update(bring_up(replica, copies))
            for name, content in documents.items():
                put_document(replica.store, name, content)
        except ObjectConflict:
            raise
        except StoreError as error:
            failures[replica.name] = error
        else:
            ready.append(replica)
    return ready, sorted(lost)


def _appended(segment: Segment, stores: Sequence[str], failures: Mapping[str, DrorchError]) -> Appended:
    return Appended(
        chain=segment.chain,
        head=segment.head,
        numbers=tuple(range(segment.first_entry, segment.next_entry)),
        stores=tuple(stores),
        failures=failures,
    )


def put_document(store: ObjectStore, name: str, content: bytes) -> Digest:
    """Put a document and return its digest; the same again is nothing new, other bytes are an ``ObjectConflict``."""
    if not _put(store, name, content):
        raise ObjectConflict(
            f"{name} is there with other bytes",
            expected=str(digest_of(content)),
            found=str(digest_of(store.read(name, limit_bytes=OBJECT_LIMIT_BYTES))),
        )
    return digest_of(content)


def _put(store: ObjectStore, name: str, content: bytes) -> bool:
    """Put and say whether these bytes are there now."""
    if store.put_if_absent(name, content) is PutOutcome.CREATED:
        return True
    return store.read(name, limit_bytes=OBJECT_LIMIT_BYTES) == content
