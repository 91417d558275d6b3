"""Bring together all that evidence consists of, out of the stores; which of it is good is decided by ``evidence``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from drorch.errors import StoreError
from drorch.evidence.dossier import Dossier, OpenedDossier
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.ids import Digest, LaneId
from drorch.operations.proof.reading import read_ledger, read_segments
from drorch.repository.opening import Repository, read_trust


def gather(repository: Repository) -> Dossier:
    """Return what the stores hold together; raises what the last one raised when none answers.

    ``Dossier.document`` returns the first copy that a store has; of one that differs between stores, ``copies_of`` gives all.
    """
    trust: tuple[bytes, ...] = ()
    segments: dict[LaneId, dict[Digest, bytes]] = {}
    failures: list[StoreError] = []
    for replica in repository.replicas:
        try:
            trust = max(trust, read_trust(replica.store), key=len)
            for chain, raws in read_segments(replica).items():
                segments.setdefault(chain, {}).update(raws)
        except StoreError as error:
            failures.append(error)
    if not trust and failures:
        raise failures[-1]
    return Dossier(
        trust_objects=trust,
        segments=segments,
        document=lambda name: next(iter(copies_of(repository, name)), None),
    )


def open_ledger(repository: Repository) -> OpenedDossier:
    """Return the evidence that this repository's own trust chain vouches for; raises what the last store raised when none shows its ledger."""
    ledger = read_ledger(repository)
    return OpenedDossier(
        dossier=Dossier(
            trust_objects=(), segments={}, document=lambda name: next(iter(copies_of(repository, name)), None)
        ),
        trust=repository.trust,
        is_rooted=True,
        chains=ledger.chains,
        problems=ledger.problems,
        entries=tuple(ledger.entries()),
    )


def copies_of(repository: Repository, name: str) -> Sequence[bytes]:
    """Return the copies of a document, one for each store that has it."""
    found: list[bytes] = []
    for replica in repository.replicas:
        with suppress(StoreError):
            found.append(replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES))
    return found
