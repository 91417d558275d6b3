"""How everything stands, in numbers: what Prometheus reads and alert rules ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from drorch import __version__
from drorch.catalog.interface import RunState
from drorch.monitoring.interface import Measure
from drorch.operations.occurrences.standing import DaemonState
from drorch.operations.overview import Overview, SourceStanding, Standing
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.operations.watch.facts import Facts

_SOURCE = ("source", "policy")


def measures(found: Overview, alerts: Sequence[Alert], facts: Facts) -> tuple[Measure, ...]:
    """Return every metric, those without a value included."""
    return (
        _one("drorch_build_info", "The version that looked", {(__version__,): 1.0}, "version"),
        _one("drorch_looked_timestamp_seconds", "When everything was last looked at", {(): facts.now.timestamp()}),
        *_of_sources(found.protected, facts),
        _alerts(alerts),
        _one("drorch_policy_problems", "Problems in policy files", {(): len(found.policy_problems)}),
        _one(
            "drorch_store_last_contact_timestamp_seconds",
            "When a store last answered or took a snapshot",
            {(store,): at.timestamp() for store, at in facts.last_contact.items()},
            "store",
        ),
        *_of_disks(facts),
        *_of_daemon(facts),
        _one(
            "drorch_messages_waiting",
            "Messages that could not be sent yet",
            {(target,): count for target, count in Counter(one.target for one in facts.waiting).items()},
            "target",
        ),
    )


def _one(name: str, meaning: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Measure:
    return Measure(name=name, meaning=meaning, labels=labels, values=values)


def _of_sources(sources: Iterable[SourceStanding], facts: Facts) -> list[Measure]:
    every = list(sources)

    def of_each(name: str, meaning: str, value: Callable[[SourceStanding], float | None]) -> Measure:
        found = {(one.address, one.policy): value(one) for one in every}
        return _one(name, meaning, {key: number for key, number in found.items() if number is not None}, *_SOURCE)

    def drilled(one: SourceStanding) -> float | None:
        passed = facts.passed_drills.get(one.address)
        return None if passed is None else passed.ended_at.timestamp()

    def judged(value: Callable[[SourceStanding], float | None]) -> Callable[[SourceStanding], float | None]:
        """Leave out what another machine answers for: its own metrics say it, and rules must not fire twice."""
        return lambda one: None if one.standing is Standing.ELSEWHERE else value(one)

    return [
        of_each(
            "drorch_source_rpo_seconds",
            "Promised: at most so much is lost",
            judged(lambda one: one.rpo_target_seconds),
        ),
        of_each(
            "drorch_source_restore_point_timestamp_seconds",
            "The restore point of the newest good snapshot",
            lambda one: None if one.newest_good is None else one.newest_good.restore_point.timestamp(),
        ),
        of_each(
            "drorch_source_inside_rpo", "Whether the promise is kept", judged(lambda one: float(one.is_inside_rpo))
        ),
        of_each("drorch_source_copies", "Stores that hold the newest good snapshot", lambda one: one.copies_complete),
        of_each("drorch_source_copies_promised", "Stores that must hold it", lambda one: one.copies_promised),
        of_each(
            "drorch_source_last_run_good",
            "Whether the last run left a whole snapshot",
            lambda one: None if one.last_run is None else float(one.last_run.state is RunState.COMPLETE),
        ),
        of_each(
            "drorch_source_read_bytes",
            "What the newest good snapshot read",
            lambda one: None if one.newest_good is None else one.newest_good.bytes_read,
        ),
        of_each(
            "drorch_source_stored_bytes",
            "What the newest good snapshot added to each store",
            lambda one: None if one.newest_good is None else one.stored_bytes,
        ),
        of_each("drorch_source_proven_timestamp_seconds", "The last restore drill that passed", drilled),
    ]


def _alerts(alerts: Iterable[Alert]) -> Measure:
    counts = Counter(alert.code for alert in alerts)
    values: dict[tuple[str, ...], float] = {
        (code.value, code.severity.value): float(counts[code]) for code in AlertCode
    }
    return _one("drorch_alerts", "What is wrong now, by code; 0 is said, too", values, "code", "severity")


def _of_disks(facts: Facts) -> list[Measure]:
    disks = {(room.label,): room.disk for room in facts.rooms if room.disk is not None}
    free: dict[tuple[str, ...], float] = {key: disk.free_bytes / disk.total_bytes for key, disk in disks.items()}
    return [
        _one("drorch_disk_free_ratio", "What is free of the disk of a directory", free, "directory"),
        _one("drorch_keep_free_ratio", "Below this nothing starts", {(): facts.keep_free_percent / 100}),
    ]


def _of_daemon(facts: Facts) -> list[Measure]:
    daemon = facts.daemon.record
    here: tuple[str, ...] = () if daemon is None else (daemon.host,)
    beat = {} if daemon is None else {here: daemon.heartbeat_at.timestamp()}
    lives = {} if daemon is None else {here: float(facts.daemon.state is DaemonState.RUNNING)}
    return [
        _one("drorch_daemon_up", "Whether the daemon runs; absent: there never was one", lives, "host"),
        _one("drorch_daemon_heartbeat_timestamp_seconds", "When the daemon last lived", beat, "host"),
    ]
