"""Which sources a restore test is about: what the catalog and the stores know. Production is not asked; it may be gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drorch.catalog.interface import Catalog, SourceState
from drorch.errors import PolicyUnknown, SnapshotUnknown
from drorch.operations.estate.seen import known_promises
from drorch.operations.restore_many import lanes_by_source
from drorch.policy.discovery import discovery_of, is_chosen
from drorch.policy.model import Policy, SourcePromise
from drorch.repository.opening import Repository

_Opens = Callable[[], Repository]


def drillable(catalog: Catalog, opens: _Opens, policy: Policy, address: str) -> tuple[SourcePromise, ...]:
    """Return the sources that ``address`` means, a policy or one of its sources; closed ones only when they are named.

    A machine that never asked a server takes what the stores hold of it. Raises ``PolicyUnknown`` when there is none.
    """
    found = {promise.address: promise for promise in _known(catalog, opens, policy)}
    if "/" in address and address not in found:
        raise PolicyUnknown(
            f"there is no source {address}",
            expected="a source that was backed up",
            found=", ".join(sorted(found)[:8]) or "none yet",
            hint=f"`drorch snapshots {policy.name}` lists what exists",
        )
    if "/" in address:
        return (found[address],)
    closed = {record.address for record in catalog.sources() if record.state is SourceState.CLOSED}
    return tuple(promise for name, promise in sorted(found.items()) if name not in closed)


def _known(catalog: Catalog, opens: _Opens, policy: Policy) -> Iterator[SourcePromise]:
    for promise in policy.promises:
        if not promise.needs_discovery:
            yield promise
            continue
        seen = known_promises(promise, catalog.seen_databases(asked_by=promise.address))
        yield from seen or _stored(promise, opens, policy)


def _stored(promise: SourcePromise, opens: _Opens, policy: Policy) -> Iterator[SourcePromise]:
    try:
        sources = lanes_by_source(opens(), policy.name, {})
    except SnapshotUnknown:
        return
    for source in sources:
        name = source.removeprefix(f"{policy.name}/")
        if is_chosen(discovery_of(promise), name):
            yield promise.discovered(name)
