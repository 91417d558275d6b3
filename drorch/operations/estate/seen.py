"""What servers were seen to have, as the sources of the policy that asked them."""

from __future__ import annotations

from collections.abc import Iterable

from drorch.catalog.interface import Catalog, SeenDatabase
from drorch.errors import PolicyUnknown
from drorch.policy.discovery import discovery_of, is_chosen
from drorch.policy.model import SourcePromise

DISCOVERY = "discovery"  # the word in the catalog for asking a server


def gone_addresses(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> tuple[str, ...]:
    """Return the sources of ``promise`` whose databases its server had once and has no longer."""
    return tuple(promise.discovered(one.name).address for one in _meant(promise, seen) if one.gone_at is not None)


def known_promises(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> tuple[SourcePromise, ...]:
    """Return the sources that the server was ever seen to have, those that are gone included; without asking it."""
    return tuple(promise.discovered(one.name) for one in _meant(promise, seen))


def known_sources(catalog: Catalog, promises: Iterable[SourcePromise], address: str) -> tuple[SourcePromise, ...]:
    """Return the sources of ``promises`` that ``address`` means, as far as their servers were asked before; asks nobody.

    Raises ``PolicyUnknown`` for a database that no server was seen to have.
    """
    found: list[SourcePromise] = []
    for promise in promises:
        if promise.needs_discovery:
            found += known_promises(promise, catalog.seen_databases(asked_by=promise.address))
        else:
            found.append(promise)
    chosen = tuple(promise for promise in found if "/" not in address or promise.address == address)
    if "/" in address and not chosen:
        raise PolicyUnknown(
            f"no server was seen to have {address}",
            found=", ".join(promise.address for promise in found[:8]) or "no database yet",
            hint="`drorch backup POLICY` asks the servers; `drorch status POLICY --all` lists what they have",
        )
    return chosen


def _meant(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> Iterable[SeenDatabase]:
    discovery = discovery_of(promise)
    return (one for one in seen if one.asked_by == promise.address and is_chosen(discovery, one.name))
