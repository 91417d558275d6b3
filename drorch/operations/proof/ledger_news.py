"""What was added to the ledger since it was last read: all of it once a day, in between one request for each chain in which nothing is new."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from drorch.errors import ObjectMissing, StoreError
from drorch.evidence.dossier import Dossier, OpenedDossier
from drorch.evidence.ledger import Chain, LedgerProblem, ProblemKind, build_chain
from drorch.evidence.ledger_segment import SEGMENT_LIMIT_BYTES
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.ids import Digest, LaneId
from drorch.operations.proof.gathering import copies_of, open_ledger
from drorch.repository.opening import Replica, Repository

WHOLE_EVERY = timedelta(days=1)  # what came into a gap, or was out of reach, is found then


class LedgerNews:
    """Remembers up to where it handed out each chain; a process that asks for the first time gets everything."""

    def __init__(self) -> None:
        self._numbers: dict[LaneId, int] = {}
        self._whole_at: datetime | None = None

    def read(self, repository: Repository, now: datetime) -> OpenedDossier:
        """Return what ``note`` was not told of yet; raises what the last store raised when none shows its ledger."""
        if self._whole_at is None or not timedelta(0) <= now - self._whole_at < WHOLE_EVERY:
            return open_ledger(repository)
        return self._added(repository)

    def note(self, opened: OpenedDossier, now: datetime) -> None:
        """Count what was read as handed out."""
        for identity, chain in opened.chains.items():
            self._numbers[identity] = max(chain.head.number, self._numbers.get(identity, 0))
        if self._whole_at is None or not timedelta(0) <= now - self._whole_at < WHOLE_EVERY:
            self._whole_at = now

    def _added(self, repository: Repository) -> OpenedDossier:
        raws: dict[LaneId, dict[Digest, bytes]] = {}
        failures: list[StoreError] = []
        for replica in repository.replicas:
            try:
                for identity, raw in self._added_in(replica):
                    raws.setdefault(identity, {})[digest_of(raw)] = raw
            except StoreError as error:
                failures.append(error)
        if failures and len(failures) == len(repository.replicas):
            raise failures[-1]
        return _opened(repository, raws)

    def _added_in(self, replica: Replica) -> Iterator[tuple[LaneId, bytes]]:
        for folder in replica.store.list_folders(names.ledger_prefix()):
            identity = names.ledger_chain_of(folder)
            if identity is None:
                continue
            number = self._numbers.get(identity, 0) + 1
            while (raw := _segment(replica, names.ledger_segment(identity, number))) is not None:
                yield identity, raw
                number += 1


def _segment(replica: Replica, name: str) -> bytes | None:
    try:
        return replica.store.read(name, limit_bytes=SEGMENT_LIMIT_BYTES)
    except ObjectMissing:
        return None


def _opened(repository: Repository, raws: dict[LaneId, dict[Digest, bytes]]) -> OpenedDossier:
    """Return the evidence of the ends of the chains: that they begin behind what is known is no gap."""
    chains: dict[LaneId, Chain] = {}
    problems: list[LedgerProblem] = []
    for identity, segments in raws.items():
        chain, wrong = build_chain(identity, segments, repository.trust)
        problems += [one for one in wrong if one.kind is not ProblemKind.GAP]
        if chain is not None:
            chains[identity] = chain
    return OpenedDossier(
        dossier=Dossier(
            trust_objects=(), segments={}, document=lambda name: next(iter(copies_of(repository, name)), None)
        ),
        trust=repository.trust,
        is_rooted=True,
        chains=chains,
        problems=tuple(problems),
        entries=tuple(one for chain in chains.values() for one in chain.entries()),
    )
