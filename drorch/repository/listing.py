"""What snapshots exist, read from the stores alone: no catalog, no private key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from drorch.errors import DrorchError, StoreDenied, StoreError
from drorch.format import names
from drorch.format.objects import ObjectType
from drorch.format.trust import TrustChain
from drorch.format.trust_record import LANE_PREFIX_BYTES
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink, LinkState, lanes_of, read_good_part
from drorch.repository.opening import Repository
from drorch.repository.retirement import known_retired
from drorch.storage.interface import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSnapshot:
    """A snapshot that exists in at least one store; ``stores`` are those where it is committed."""

    link: ChainLink
    stores: tuple[str, ...]

    @property
    def short_id(self) -> str:
        """Eight characters."""
        return self.link.manifest.run.short


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneListing:
    """A lane as the stores show it.

    ``problems`` names each store whose chain could not be read to its end. ``cut_by`` is one of them when no other store's chain
    goes further: then there may be newer snapshots than those listed. ``retired`` are snapshots that were given up wherever they are committed:
    their packs may be there yet.
    """

    lane: LaneId
    snapshots: tuple[ListedSnapshot, ...]
    problems: tuple[tuple[str, DrorchError], ...]
    cut_by: DrorchError | None = None
    retired: tuple[ListedSnapshot, ...] = ()


def list_lanes(repository: Repository) -> tuple[LaneId, ...]:
    """Return every lane that any store lists and in which somebody may sign: others hold nothing that counts.

    A credential that may list a writer's own lanes only gets those. Raises what the stores raise when none of them can be listed.
    """
    found: set[LaneId] = set()
    failures: list[StoreError] = []
    for replica in repository.replicas:
        try:
            found |= _lanes_shown(replica.store, repository.trust)
        except StoreError as error:
            failures.append(error)
    if len(failures) == len(repository.replicas):
        raise failures[0]
    return tuple(sorted(lane for lane in found if repository.trust.allowed(ObjectType.MANIFEST, lane)))


def _lanes_shown(store: ObjectStore, trust: TrustChain) -> set[LaneId]:
    """Return all lanes, or those of the writers whose lanes this credential may list; raise ``StoreDenied`` when it may list none."""
    try:
        return set(lanes_of(store))
    except StoreDenied as error:
        denied = error
    shown: set[LaneId] | None = None
    for writer in trust.signers:
        beginning = writer.public.key_id.raw[:LANE_PREFIX_BYTES]
        with suppress(StoreDenied):
            shown = (shown or set()) | set(lanes_of(store, names.lanes_prefix(beginning)))
    if shown is None:
        raise denied
    return shown


def list_lane(repository: Repository, lane: LaneId) -> LaneListing:
    """Return the committed snapshots of one lane, oldest first; of a store without those that it was told to give up.

    A store whose chain cannot be read does not hide what the others hold, nor a damaged manifest those before it; the store is named among
    the problems. When all fail and nothing was found, the first error is raised.
    """
    links: dict[str, ChainLink] = {}
    stores: dict[str, list[str]] = {}
    given_up: dict[str, list[str]] = {}
    problems: list[tuple[str, DrorchError]] = []
    read_to_the_end = broken_off = -1
    for replica in repository.replicas:
        try:
            part = read_good_part(replica.store, repository.trust, lane)
            retired = known_retired(replica.store, repository.trust, lane) if part.links else {}
        except StoreError as error:
            problems.append((replica.name, error))
            continue
        if part.problem is None:
            read_to_the_end = max(read_to_the_end, len(part.links))
        else:
            problems.append((replica.name, part.problem))
            broken_off = max(broken_off, len(part.links))
        for link in part.links:
            if link.state is LinkState.COMMITTED:
                run = str(link.manifest.run)
                links.setdefault(run, link)
                (given_up if link.manifest.run in retired else stores).setdefault(run, []).append(replica.name)
    # A store that is behind does not make good what another holds behind its damage.
    cut_by = problems[0][1] if problems and read_to_the_end <= broken_off else None
    if len(problems) == len(repository.replicas):
        cut_by = problems[0][1]
    if cut_by is not None and not links:
        raise cut_by
    return LaneListing(
        lane=lane,
        snapshots=_listed(links, stores),
        problems=tuple(problems),
        cut_by=cut_by,
        retired=_listed(links, {run: names for run, names in given_up.items() if run not in stores}),
    )


def _listed(links: Mapping[str, ChainLink], stores: Mapping[str, Sequence[str]]) -> tuple[ListedSnapshot, ...]:
    found = [ListedSnapshot(link=links[run], stores=tuple(names)) for run, names in stores.items()]
    return tuple(sorted(found, key=lambda snapshot: snapshot.link.sequence))
