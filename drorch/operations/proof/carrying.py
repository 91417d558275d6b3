"""Bring the ledger, and the documents that its entries name, to a store that was away: every chain, as it is, without a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drorch.errors import IntegrityError, LedgerBroken, ObjectConflict, StoreError
from drorch.format import names
from drorch.format.trust import TrustChain
from drorch.ids import LaneId
from drorch.operations.proof.chain_copies import ChainCopies, bring_up
from drorch.repository.copy_report import CopyProblem
from drorch.repository.opening import Replica, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedLedger:
    """How many segments the store lacked and has now; ``problems`` are chains that could not be brought whole."""

    segments: int
    problems: tuple[CopyProblem, ...]


def carry_ledger(sources: Sequence[Replica], target: Replica, trust: TrustChain) -> CarriedLedger:
    """Give ``target`` what it lacks of every chain that ``sources`` list; raises what a store raises that lists nothing.

    A chain that only the target has, or of which it has more, stays as it is; so does one of which nothing is signed by who may:
    ``evidence log`` tells those.
    """
    segments, problems = 0, []
    for chain in _chains(sources):
        try:
            copies = ChainCopies.look(Repository(trust=trust, replicas=(*sources, target)), chain, None)
        except LedgerBroken:
            continue
        try:
            if target.name not in copies.numbers:
                raise copies.failures[target.name]
            before = copies.numbers[target.name]
            bring_up(target, copies)
            segments += 0 if copies.tip is None else max(0, copies.tip.number - before)
        except (IntegrityError, LedgerBroken, ObjectConflict, StoreError) as error:
            problems.append(CopyProblem(lane=chain, name=names.ledger_chain_prefix(chain), error=error))
    return CarriedLedger(segments=segments, problems=tuple(problems))


def _chains(sources: Sequence[Replica]) -> list[LaneId]:
    found = {
        chain
        for source in sources
        for folder in source.store.list_folders(names.ledger_prefix())
        if (chain := names.ledger_chain_of(folder)) is not None
    }
    return sorted(found, key=str)
