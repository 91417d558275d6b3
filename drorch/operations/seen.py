"""What servers were seen to have, as the sources of the policy that asked them."""

from __future__ import annotations

from collections.abc import Iterable

from drorch.catalog.interface import SeenDatabase
from drorch.policy.discovery import discovery_of, is_chosen
from drorch.policy.model import SourcePromise

DISCOVERY = "discovery"  # the word in the catalog for asking a server


def gone_addresses(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> tuple[str, ...]:
    """Return the sources of ``promise`` whose databases its server had once and has no longer."""
    return tuple(promise.discovered(one.name).address for one in _meant(promise, seen) if one.gone_at is not None)


def known_promises(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> tuple[SourcePromise, ...]:
    """Return the sources that the server was ever seen to have, those that are gone included; without asking it."""
    return tuple(promise.discovered(one.name) for one in _meant(promise, seen))


def _meant(promise: SourcePromise, seen: Iterable[SeenDatabase]) -> Iterable[SeenDatabase]:
    discovery = discovery_of(promise)
    return (one for one in seen if one.asked_by == promise.address and is_chosen(discovery, one.name))
