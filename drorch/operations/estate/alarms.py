"""What is wrong with a policy or a server rather than with one source: servers that cannot be asked, counts, what nobody protects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from drorch.catalog.interface import RunRecord, RunState, SeenDatabase
from drorch.policy.advice import twins
from drorch.policy.discovery import chosen, discovery_of, server_of, uncovered
from drorch.policy.model import Policy, SourcePromise
from drorch.quantities import counted

_SHOWN = 6


class AlarmKind(Enum):
    """What an alarm is about, worst first."""

    UNASKED = "unasked"  # the server could not be asked for its databases
    COUNT = "count"  # it has another number of them than the policy expects
    OPEN = "open"  # it has databases that no policy means
    TWICE = "twice"  # two policies back up one database

    @property
    def is_only_a_note(self) -> bool:
        """Whether nothing is unprotected by it."""
        return self is AlarmKind.TWICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """``subject`` is a policy, or the server for what no policy means; ``remedy`` is a command."""

    kind: AlarmKind
    subject: str
    policy: str
    text: str
    details: str = ""
    remedy: str = ""
    databases: tuple[str, ...] = ()


def alarms(
    policies: Sequence[Policy], seen: Mapping[str, Sequence[SeenDatabase]], asked: Mapping[str, RunRecord]
) -> tuple[Alarm, ...]:
    """Return every alarm, the worst first. ``seen`` is by who asked, ``asked`` has the last discovery of each policy."""
    found = [
        alarm
        for policy in policies
        for promise in policy.promises
        if promise.needs_discovery
        for alarm in _of_promise(promise, seen.get(promise.address, ()), asked.get(promise.address))
    ]
    found += _of_servers(policies, seen)
    found += [Alarm(kind=AlarmKind.TWICE, subject="one database", policy="", text=text) for text in twins(policies)]
    found += _twice_by_discovery(policies, seen)
    order = {kind: position for position, kind in enumerate(AlarmKind)}
    return tuple(sorted(found, key=lambda alarm: order[alarm.kind]))


def _of_promise(promise: SourcePromise, seen: Sequence[SeenDatabase], asked: RunRecord | None) -> Iterator[Alarm]:
    policy = promise.policy_name
    if asked is not None and asked.state not in (RunState.COMPLETE, RunState.RUNNING):
        yield Alarm(
            kind=AlarmKind.UNASKED,
            subject=promise.address,
            policy=policy,
            text=f"{server_of(promise.source)} could not be asked for its databases",
            details=_why(asked).removeprefix(f"{promise.address}: "),
            remedy=f"drorch doctor {policy}",
        )
    expected = discovery_of(promise).expect
    count = len(_present(promise, seen))
    if expected is not None and seen and count != expected:
        yield Alarm(
            kind=AlarmKind.COUNT,
            subject=promise.address,
            policy=policy,
            text=f"expected {counted(expected, 'database')}, found {count}",
            remedy=f"drorch policy show {policy}",
        )


def _why(asked: RunRecord) -> str:
    told = asked.error_message or "no reason was kept"
    return f"{told}: {asked.hint}" if asked.hint else told


def _present(promise: SourcePromise, seen: Sequence[SeenDatabase]) -> tuple[str, ...]:
    return chosen(discovery_of(promise), [one.name for one in seen if one.gone_at is None])


def _of_servers(policies: Sequence[Policy], seen: Mapping[str, Sequence[SeenDatabase]]) -> Iterator[Alarm]:
    """Yield, for each server that a policy of today asks, the databases that are there and that no policy means."""
    present: dict[str, set[str]] = {}
    asker: dict[str, str] = {}
    for promise in (promise for policy in policies for promise in policy.promises if promise.needs_discovery):
        server = server_of(promise.source)
        asker.setdefault(server, promise.policy_name)
        present.setdefault(server, set()).update(
            one.name for one in seen.get(promise.address, ()) if one.gone_at is None and one.server == server
        )
    for server, names in uncovered(policies, present).items():
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        plural = "s" if len(names) > 1 else ""
        yield Alarm(
            kind=AlarmKind.OPEN,
            subject=server.partition("://")[2].strip("/") or server,
            policy=asker[server],
            text=f"{len(names)} database{plural} in no policy: {shown}",
            remedy=f"drorch policy show {asker[server]}",
            databases=names,
        )


def _twice_by_discovery(policies: Sequence[Policy], seen: Mapping[str, Sequence[SeenDatabase]]) -> Iterator[Alarm]:
    """Yield each pair of policies that mean one database of which at least one found it by asking the server."""
    meant: dict[tuple[str, str], tuple[str, bool]] = {}
    told: set[tuple[str, str]] = set()
    for promise in (promise for policy in policies for promise in policy.promises):
        server = server_of(promise.source)
        named = getattr(promise.source, "database", None)
        names = (
            _present(promise, seen.get(promise.address, ())) if promise.needs_discovery else (named,) if named else ()
        )
        for name in names if server else ():
            other, was_found = meant.setdefault((server, name), (promise.policy_name, promise.needs_discovery))
            pair = (other, promise.policy_name)
            if other != promise.policy_name and pair not in told and (was_found or promise.needs_discovery):
                told.add(pair)
                text = f"{other} and {promise.policy_name} both back up {server}{name}"
                yield Alarm(kind=AlarmKind.TWICE, subject="one database", policy=promise.policy_name, text=text)
