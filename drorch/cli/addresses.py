"""Completes what people type for policies, sources and stores. Says nothing when drorch.yaml cannot be read: a shell asks, not a person."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from drorch.environment import process_environment
from drorch.errors import DrorchError
from drorch.policy.model import Policy
from drorch.settings import Settings, load_policies, load_settings

_LATEST = "latest:"


def complete_source(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the policies whose names begin so; with a ``/`` in it, the sources."""
    return [CompletionItem(address) for address in _addresses(context, incomplete)]


def complete_snapshot(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return ``latest:POLICY`` for what begins so."""
    if not incomplete.startswith(_LATEST):
        return [CompletionItem(_LATEST)] if _LATEST.startswith(incomplete) else []
    found = _addresses(context, incomplete.removeprefix(_LATEST))
    return [CompletionItem(_LATEST + address) for address in found]


def complete_store(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of drorch.yaml's stores that begin so."""
    settings = _settings(context)
    names: Iterable[str] = () if settings is None else settings.stores
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _addresses(context: click.Context, incomplete: str) -> list[str]:
    settings = _settings(context)
    if settings is None:
        return []
    try:
        policies = load_policies(settings).policies
    except DrorchError:
        return []
    if "/" in incomplete:
        names = [address for policy in policies for address in _sources(settings, policy, incomplete)]
    else:
        names = [policy.name for policy in policies]
    return [name for name in names if name.startswith(incomplete)]


def _sources(settings: Settings, policy: Policy, incomplete: str) -> list[str]:
    """Return the sources of a policy; those of a server as it was last seen."""
    if policy.name != incomplete.partition("/")[0]:
        return []
    if not any(promise.needs_discovery for promise in policy.promises):
        return [promise.address for promise in policy.promises]
    from drorch.operations.estate.seen import known_promises
    from drorch.wiring import Wiring

    try:
        with Wiring(settings) as wiring:
            seen = wiring.catalog().seen_databases()
    except DrorchError:
        return []
    return [
        one.address for promise in policy.promises if promise.needs_discovery for one in known_promises(promise, seen)
    ]


def _settings(context: click.Context) -> Settings | None:
    try:
        return load_settings(context.params.get("config"), process_environment())
    except DrorchError:
        return None
