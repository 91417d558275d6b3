"""Which databases of a server a policy means, and which no policy means. Pure; the server is asked by ``operations.estate.discover``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from drorch.policy.model import (
    Discovery,
    MariadbSource,
    Policy,
    PostgresqlSource,
    Source,
    SourcePromise,
    source_address,
)


def chosen(discovery: Discovery, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that ``match`` means and ``except`` does not, in their order; capitals count."""
    return tuple(name for name in names if is_chosen(discovery, name))


def is_chosen(discovery: Discovery, name: str) -> bool:
    """Whether ``match`` means the name and ``except`` does not."""
    wanted = any(fnmatchcase(name, pattern) for pattern in discovery.match)
    return wanted and not any(fnmatchcase(name, pattern) for pattern in discovery.exclude)


def discovery_of(promise: SourcePromise) -> Discovery:
    """Return the patterns of a promise that needs discovery."""
    assert isinstance(promise.source, PostgresqlSource | MariadbSource)
    assert promise.source.databases is not None
    return promise.source.databases


def server_of(source: Source) -> str:
    """Return the address of the server that bears the load of a source; empty when there is none that could be shared."""
    if not isinstance(source, PostgresqlSource | MariadbSource):
        return ""
    address = source_address(source)
    path, question, query = address.partition("?")
    return path.rpartition("/")[0] + "/" + question + query


def _is_thought_of(discovery: Discovery, name: str) -> bool:
    """Whether somebody decided about the name: a policy means it, or leaves it out by ``except``."""
    return any(fnmatchcase(name, pattern) for pattern in (*discovery.match, *discovery.exclude))


def uncovered(policies: Iterable[Policy], present: Mapping[str, Collection[str]]) -> Mapping[str, tuple[str, ...]]:
    """Return, by server, the databases that are there (``present``, by server) and that no policy means or leaves out."""
    meant: dict[str, set[str]] = {server: set() for server in present}
    for promise in (promise for policy in policies for promise in policy.promises):
        server = server_of(promise.source)
        if server not in present or not isinstance(promise.source, PostgresqlSource | MariadbSource):
            continue
        if promise.needs_discovery:
            discovery = discovery_of(promise)
            meant[server] |= {name for name in present[server] if _is_thought_of(discovery, name)}
        elif promise.source.database is not None:
            meant[server].add(promise.source.database)
    found = {server: tuple(sorted(set(names) - meant[server])) for server, names in present.items()}
    return {server: names for server, names in found.items() if names}
