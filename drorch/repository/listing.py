"""What snapshots exist, read from the stores alone: no catalog, no private key."""

from __future__ import annotations

from dataclasses import dataclass

from drorch.errors import DrorchError
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink, LinkState, lanes_of, read_chain
from drorch.repository.opening import Replica, Repository


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
    """A lane as the stores show it. ``problems`` names each store whose chain could not be read or differs."""

    lane: LaneId
    snapshots: tuple[ListedSnapshot, ...]
    problems: tuple[tuple[str, DrorchError], ...]


def list_lanes(repository: Repository) -> tuple[LaneId, ...]:
    """Return every lane that any store lists."""
    found = {lane for replica in repository.replicas for lane in lanes_of(replica.store)}
    return tuple(sorted(found))


def list_lane(repository: Repository, lane: LaneId) -> LaneListing:
    """Return the committed snapshots of one lane, oldest first.

    A store whose chain cannot be read does not hide what the others hold; it is named among the problems. When all fail,
    the first error is raised.
    """
    links: dict[str, ChainLink] = {}
    stores: dict[str, list[str]] = {}
    problems: list[tuple[str, DrorchError]] = []
    for replica in repository.replicas:
        try:
            chain = read_chain(replica.store, repository.trust, lane)
        except DrorchError as error:
            problems.append((replica.name, error))
            continue
        _collect(replica, chain, links, stores)
    if len(problems) == len(repository.replicas):
        raise problems[0][1]
    snapshots = [ListedSnapshot(link=link, stores=tuple(stores[run])) for run, link in links.items()]
    return LaneListing(
        lane=lane,
        snapshots=tuple(sorted(snapshots, key=lambda snapshot: snapshot.link.sequence)),
        problems=tuple(problems),
    )


def _collect(
    replica: Replica, chain: tuple[ChainLink, ...], links: dict[str, ChainLink], stores: dict[str, list[str]]
) -> None:
    for link in chain:
        if link.state is LinkState.COMMITTED:
            run = str(link.manifest.run)
            links.setdefault(run, link)
            stores.setdefault(run, []).append(replica.name)
