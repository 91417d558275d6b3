"""Read the ledger from every store and say what is wrong with it; changes nothing and needs no private key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain as joined

from drorch.errors import StoreError
from drorch.evidence.ledger import (
    Chain,
    LedgerProblem,
    NumberedEntry,
    ProblemKind,
    build_chain,
    cut_chains,
)
from drorch.evidence.ledger_segment import SEGMENT_LIMIT_BYTES, SegmentHead
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.ids import Digest, LaneId
from drorch.quantities import counted
from drorch.repository.opening import Replica, Repository

_READERS = 8
_MOST_AT_ONCE = 100
_ALARMING = frozenset(ProblemKind) - {ProblemKind.BEHIND}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger as all readable stores together hold it. ``heads`` says, by store, up to where that store follows each chain.

    ``unreadable`` are stores that do not answer: of them nothing is known.
    """

    chains: Mapping[LaneId, Chain]
    heads: Mapping[str, Mapping[LaneId, SegmentHead]]
    problems: tuple[LedgerProblem, ...] = ()
    unreadable: Mapping[str, StoreError] = field(default_factory=dict)

    def entries(self) -> list[NumberedEntry]:
        """Return all entries, by time; those of one chain in their order."""
        every = [one for chain in self.chains.values() for one in chain.entries()]
        return sorted(every, key=lambda one: one.entry.at)

    @property
    def alarms(self) -> tuple[LedgerProblem, ...]:
        """What no later entry mends."""
        return tuple(one for one in self.problems if one.kind in _ALARMING)

    def find_head(self, prefix: str) -> tuple[Chain, SegmentHead] | None:
        """Return the segment whose digest begins with ``prefix`` and its chain; ``None`` when it is not (or no longer) there."""
        for chain in self.chains.values():
            for segment in reversed(chain.segments):
                if str(segment.digest).startswith(prefix):
                    return chain, segment.head
        return None


def read_ledger(repository: Repository) -> Ledger:
    """Return the ledger of all stores that answer; raises what the last one raised when none does."""
    found: dict[str, dict[LaneId, dict[Digest, bytes]]] = {}
    unreadable = {name: one for name, one in repository.unusable.items() if isinstance(one, StoreError)}
    for replica in repository.replicas:
        try:
            found[replica.name] = read_segments(replica)
        except StoreError as error:
            unreadable[replica.name] = error
    if not found and unreadable:
        raise next(iter(unreadable.values()))
    return _assembled(repository, found, unreadable)


def read_segments(replica: Replica) -> dict[LaneId, dict[Digest, bytes]]:
    """Return every segment that one store holds, by chain and digest; raises a ``StoreError``."""
    chains = {folder: names.ledger_chain_of(folder) for folder in replica.store.list_folders(names.ledger_prefix())}
    with ThreadPoolExecutor(_READERS, thread_name_prefix="ledger") as readers:
        return {
            chain: dict(
                joined.from_iterable(readers.map(lambda some: _read(replica, some), _handfuls(replica, folder)))
            )
            for folder, chain in chains.items()
            if chain is not None
        }


def _handfuls(replica: Replica, folder: str) -> Iterator[Sequence[str]]:
    """Return the names in parts that keep every reader busy: handing over each name by itself costs more than reading a small file."""
    listed = [one.name for one in replica.store.list_objects(folder)]
    size = max(1, min(_MOST_AT_ONCE, len(listed) // (4 * _READERS)))
    return (listed[start : start + size] for start in range(0, len(listed), size))


def _read(replica: Replica, some: Sequence[str]) -> list[tuple[Digest, bytes]]:
    raws = [replica.store.read(name, limit_bytes=SEGMENT_LIMIT_BYTES) for name in some]
    return [(digest_of(raw), raw) for raw in raws]


def _assembled(
    repository: Repository,
    found: Mapping[str, Mapping[LaneId, Mapping[Digest, bytes]]],
    unreadable: Mapping[str, StoreError],
) -> Ledger:
    chains: dict[LaneId, Chain] = {}
    problems: list[LedgerProblem] = []
    digests: dict[tuple[str, LaneId], set[Digest]] = {}
    for identity in sorted({chain for store in found.values() for chain in store}):
        raws: dict[Digest, bytes] = {}
        for store, held in found.items():
            of_store = held.get(identity, {})
            digests[store, identity] = set(of_store)
            raws.update(of_store)
        chain, wrong = build_chain(identity, raws, repository.trust)
        problems += wrong
        if chain is not None:
            chains[identity] = chain
    problems += cut_chains(chains)
    heads: dict[str, dict[LaneId, SegmentHead]] = {store: {} for store in found}
    for store in found:
        for chain in chains.values():
            head, wrong_here = _followed(chain, digests.get((store, chain.identity), set()), store)
            problems += wrong_here
            if head is not None:
                heads[store][chain.identity] = head
    return Ledger(chains=chains, heads=heads, problems=tuple(problems), unreadable=unreadable)


def _followed(chain: Chain, held: set[Digest], store: str) -> tuple[SegmentHead | None, tuple[LedgerProblem, ...]]:
    """Return the newest segment of ``chain`` that a store has, and what it lacks of it."""
    numbers = [segment.number for segment in chain.segments if segment.digest in held]
    last = numbers[-1] if numbers else 0
    missing = [one.number for one in chain.segments if one.number <= last and one.digest not in held]
    behind = chain.head.number - last
    problems = []
    if missing:
        words = f"{counted(len(missing), 'segment')} of {chain.signer} missing or altered, the first is {missing[0]}"
        problems.append(LedgerProblem(ProblemKind.DAMAGED, store, words))
    if behind:
        words = f"lacks {counted(behind, 'segment')} of {chain.signer}, from {last + 1} on"
        problems.append(LedgerProblem(ProblemKind.BEHIND, store, words))
    segment = chain.at(last)
    return (None if segment is None else segment.head), tuple(problems)
