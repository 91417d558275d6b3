"""Learn from the stores what other machines backed up: a machine that makes no backups knows it from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from drorch.catalog.interface import Catalog, LaneHead
from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, StoreError
from drorch.format.trust import TrustChain
from drorch.format.trust_record import Head
from drorch.ids import Digest, LaneId
from drorch.operations import contacts
from drorch.operations.listing import ListingProblem, complete_copy, note_given_up, record_of
from drorch.repository.chain import ChainPart, LinkState, read_good_part, read_news
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Replica, Repository
from drorch.repository.retirement import known_retired


@dataclass(frozen=True, slots=True)
class Learned:
    """How many copies were new to the catalog, and the lanes that could not be read to their end in a store."""

    copies: int
    problems: tuple[ListingProblem, ...]


def learn(repository: Repository, catalog: Catalog, clock: Clock) -> Learned:
    """Add to the catalog what was committed in each store since it was last read; needs no private key.

    A lane in which nothing is new costs two requests. A store that stops answering is left out and noted as silent; raises
    ``StoreError`` when none can be listed. What a maintainer gave up is taken back where something is new.
    """
    silent: dict[str, DrorchError] = dict(repository.unusable)
    problems: list[ListingProblem] = []
    copies = 0
    for lane in list_lanes(repository):
        for replica in (one for one in repository.replicas if one.name not in silent):
            try:
                copies += _read_on(replica, repository.trust, lane, catalog)
            except StoreError as error:
                silent[replica.name] = error
            except IntegrityError as error:
                problems.append(ListingProblem(replica.name, str(lane), error))
    answered = [replica.name for replica in repository.replicas if replica.name not in silent]
    contacts.note(catalog, clock, answered=answered, failed=silent)
    return Learned(copies=copies, problems=tuple(problems))


def _read_on(replica: Replica, trust: TrustChain, lane: LaneId, catalog: Catalog) -> int:
    """Record what is new of a lane in one store; raises what is wrong with it when that is done."""
    part = _news(replica, trust, lane, catalog)
    committed = [link for link in part.links if link.state is LinkState.COMMITTED]
    if committed:
        retired = known_retired(replica.store, trust, lane)
        for link in (one for one in committed if one.manifest.run not in retired):
            record = record_of(link)
            catalog.record_snapshot(record, [complete_copy(record, replica.name)])
        note_given_up(catalog, replica.name, list(retired))
        newest = committed[-1]
        catalog.remember_head(
            LaneHead(store=replica.name, lane=str(lane), sequence=newest.sequence, manifest_digest=str(newest.digest))
        )
    if part.problem is not None:
        raise part.problem
    return len(committed)


def _news(replica: Replica, trust: TrustChain, lane: LaneId, catalog: Catalog) -> ChainPart:
    heads = catalog.heads(store=replica.name, lane=str(lane))
    if not heads:
        return read_good_part(replica.store, trust, lane)
    return read_news(replica.store, trust, lane, Head(heads[0].sequence, Digest.parse(heads[0].manifest_digest)))
