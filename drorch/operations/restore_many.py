"""Which snapshots a whole fan-out policy has, and under which name each of its databases comes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from urllib.parse import quote

from drorch.errors import SnapshotUnknown, StoreError
from drorch.ids import LaneId
from drorch.operations.newest_links import newest_links
from drorch.policy.model import source_name_of
from drorch.policy.url import split_url
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Repository


def lanes_by_source(repository: Repository, policy: str, known: Mapping[str, str]) -> Mapping[str, tuple[LaneId, ...]]:
    """Return every lane that holds snapshots of a source of ``policy``, by source; ``known`` maps lanes to sources.

    A lane that is not known is asked for its newest manifest that is good. Raises ``SnapshotUnknown`` when there is none.
    """
    found: dict[str, list[LaneId]] = {}
    for lane in list_lanes(repository):
        source = known.get(str(lane)) or _source_of(repository, lane)
        if source is not None and source.startswith(f"{policy}/"):
            found.setdefault(source, []).append(lane)
    if not found:
        raise SnapshotUnknown(
            f"{policy} has no snapshot of any of its sources",
            expected=f"snapshots of {policy}/NAME",
            found="none",
            hint=f"`drorch snapshots {policy}` lists what exists; a policy of one database is restored into .../DATABASE",
        )
    return {source: tuple(found[source]) for source in sorted(found)}


def _source_of(repository: Repository, lane: LaneId) -> str | None:
    for replica in repository.replicas:
        with suppress(StoreError):
            for link in newest_links(replica, repository.trust, lane):
                return link.manifest.source
    return None


def other_lanes(by_source: Mapping[str, Collection[LaneId]], source: str) -> frozenset[LaneId]:
    """Return the lanes of all other sources: nobody need look there."""
    return frozenset(lane for other, lanes in by_source.items() if other != source for lane in lanes)


def database_of(source: str, facts: Mapping[str, object]) -> str:
    """Return the name under which a source's database comes back: its own, where the source is called after it; else the source's.

    Of a list every database may be called the same; the names of its lines are what tells them apart.
    """
    name = source.partition("/")[2]
    own = facts.get("database")
    return own if isinstance(own, str) and source_name_of(own) == name else name


def is_server(url: str) -> bool:
    """Whether a target's URL names a server of databases and no database of it."""
    parts = split_url(url)
    return parts.scheme in ("postgresql", "postgres", "mariadb", "mysql") and parts.path in ("", "/")


def with_database(url: str, database: str) -> str:
    """Return the URL of one database of the server."""
    return split_url(url)._replace(path=f"/{quote(database, safe='')}").geturl()
