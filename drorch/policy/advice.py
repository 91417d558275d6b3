"""What a policy may say but should not: notes that refuse nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from drorch.policy.model import MariadbSource, Policy, PostgresqlSource, Source, source_address
from drorch.policy.retention_presets import RETENTION_PRESETS
from drorch.policy.schedule import OnceSchedule, next_occurrence
from drorch.quantities import counted, format_promise

_YEAR = timedelta(days=366)
_MOST_OCCURRENCES = 800
_CLOCK_CHANGE = timedelta(hours=1)
_LEVEL_OF_TWO_PLACES = 3


def notes(policy: Policy, now: datetime) -> tuple[str, ...]:
    """Return what is worth a second thought, each in one sentence."""
    return tuple(_notes(policy, now))


def _notes(policy: Policy, now: datetime) -> Iterator[str]:
    longest = _longest_gap(policy, now)
    if longest is not None and longest - _CLOCK_CHANGE > timedelta(seconds=policy.objectives.rpo_seconds):
        gap, promise = format_promise(int(longest.total_seconds())), format_promise(policy.objectives.rpo_seconds)
        yield f"up to {gap} lie between two runs, but the policy promises to lose at most {promise}"
    preset = RETENTION_PRESETS.get(policy.retention.preset or "")
    places = sum(policy.retention.in_store(store).preset == policy.retention.preset for store in policy.stores)
    if preset is not None and len(policy.stores) < preset.stores:
        yield f"{policy.retention.preset} asks for {counted(preset.stores, 'place')}; `stores` names {len(policy.stores)}"
    elif preset is not None and places < preset.stores:
        yield f"{policy.retention.preset} asks for {counted(preset.stores, 'place')}; only {places} of the stores keep by it"
    elif policy.security_level >= _LEVEL_OF_TWO_PLACES and len(policy.stores) == 1:
        yield f"level {policy.security_level} asks for copies in more than one place; `stores` names one"
    if _is_open_on_the_way(policy.source):
        yield "`tls: none`: whoever sits between here and the server can read and change everything"


def _is_open_on_the_way(source: Source) -> bool:
    if not isinstance(source, PostgresqlSource | MariadbSource) or source.host is None:
        return False
    return source.tls == "none" and not source.host.startswith("/")


def _longest_gap(policy: Policy, now: datetime) -> timedelta | None:
    """Return the longest time between two occurrences of the next year; ``None`` for a source that is frozen."""
    if isinstance(policy.schedule, OnceSchedule):
        return None
    longest = timedelta()
    before = next_occurrence(policy.schedule, now)
    for _ in range(_MOST_OCCURRENCES):
        following = None if before is None else next_occurrence(policy.schedule, before)
        if before is None or following is None:
            return None
        longest = max(longest, following - before)
        if following - now > _YEAR:
            break
        before = following
    return longest


def twins(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Return a note for each database that more than one source names."""
    seen: dict[str, str] = {}
    found: list[str] = []
    for promise in (promise for policy in policies for promise in policy.promises if not promise.needs_discovery):
        if promise.source.engine == "command":
            continue
        address = source_address(promise.source)
        if address in seen:
            found.append(f"{seen[address]} and {promise.address} both back up {address}")
        seen.setdefault(address, promise.address)
    return tuple(found)


def lonely_groups(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Return a note for each consistency group with one policy: often the name of another, misspelled."""
    members: dict[str, list[str]] = {}
    for policy in policies:
        if policy.group is not None and policy.for_each is None:
            members.setdefault(policy.group.name, []).append(policy.name)
    return tuple(f"{names[0]} is alone in group {group}" for group, names in members.items() if len(names) == 1)
