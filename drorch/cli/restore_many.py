"""``drorch restore latest:POLICY --to SERVER``: every source of a fan-out policy under its own name, several at once, one table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from drorch.cli.fan_out import cause_lines
from drorch.cli.output import Output, error_fields, local_time, printable, table, utc_time
from drorch.cli.repositories import known_sources
from drorch.errors import PARTIAL, DecisionNeeded, DrorchError, TargetRefused
from drorch.format.keys import RecipientKey
from drorch.ids import LaneId
from drorch.operations import restore
from drorch.operations.at_once import Job, Limits, Place, results
from drorch.operations.causes import Failure, common_code, grouped
from drorch.operations.choose import LATEST, choose
from drorch.operations.content import SnapshotContent
from drorch.operations.interruption import Interruption
from drorch.operations.restore_many import database_of, is_server, lanes_by_source, other_lanes, with_database
from drorch.policy.url import split_url
from drorch.quantities import counted, format_duration
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import Repository
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import RestoreChoices
from drorch.wiring import Wiring

_FETCH_THREADS = 1  # several restores run at once
_CLEARING_SECONDS = 2.5  # what one needs at most to remove what it had begun


class _UntilInterrupted:
    """The observer of a restore that nobody watches, and that ends when nobody wants it any more."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``sources.interface.Observer``."""
        del label, done, total, unit
        self._interruption.require_none()


@dataclass(frozen=True, kw_only=True)
class ManyRequest:
    """What is restored where, by which choices; with ``only_plan`` nothing is changed. ``password`` is asked for once."""

    policy: str
    server_url: str
    choices: RestoreChoices
    before: datetime | None
    only_plan: bool
    recipient: RecipientKey
    password: Callable[[], str] | None


@dataclass(slots=True)
class _One:
    """What became of one source."""

    source: str
    chosen: ListedSnapshot | None = None
    database: str = ""
    tables: int = 0
    rows: int = 0
    error: DrorchError | None = None
    not_as_before: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class _All:
    ones: list[_One] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[_One]:
        return [one for one in self.ones if one.error is not None]

    @property
    def exit_code(self) -> int:
        errors = [one.error for one in self.ones if one.error is not None]
        if not errors:
            return PARTIAL if any(one.not_as_before for one in self.ones) else 0
        return common_code(errors) if len(errors) == len(self.ones) else PARTIAL


def restore_many(wiring: Wiring, repository: Repository, request: ManyRequest, output: Output) -> int:
    """Restore the newest snapshot of every source of a policy; return the exit code: 0 all, 3 some, else that of the failures."""
    known, retired = known_sources(wiring)
    by_source = lanes_by_source(repository, request.policy, known)
    sources = [source for source in by_source if source not in retired]
    interruption = Interruption()
    worker = _Worker(wiring, repository, request, by_source, interruption)
    limits = wiring.settings.limits
    most = max(limits.parallel_per_server, 1)
    if output.shows_progress:
        output.message(f"{request.policy}  {counted(len(sources), 'database')} to {worker.server}, {most} at a time")
    found, started = _All(), wiring.clock.monotonic_seconds()
    ended = results(
        [Job(work=source, server=worker.server) for source in sources],
        worker.act,
        limits=Limits(in_all=limits.parallel_runs, per_server=most),
        monotonic_seconds=wiring.clock.monotonic_seconds,
        abandon=lambda error: interruption.end(terminated=isinstance(error, SystemExit)),
    )
    with interruption.waited_for(), closing(ended):
        for _source, one in ended:
            found.ones.append(one)
            if output.shows_progress:
                output.message(f"  {len(found.ones)}/{len(sources)}  {one.source}")
    found.ones.sort(key=lambda one: one.source)
    found.seconds = wiring.clock.monotonic_seconds() - started
    if output.as_json:
        output.document("drorch.restore-many/1", _document(found, request))
    elif found.exit_code or not output.quiet:
        output.lines(_lines(found, request, str(wiring.settings.time_zone)))
    return found.exit_code


class _Worker:
    """Restores one source at a time, in any thread."""

    def __init__(
        self,
        wiring: Wiring,
        repository: Repository,
        request: ManyRequest,
        by_source: Mapping[str, tuple[LaneId, ...]],
        interruption: Interruption,
    ) -> None:
        self._wiring = wiring
        self._repository = repository
        self._request = request
        self._by_source = by_source
        self._interruption = interruption
        self._password = None if request.password is None else functools.cache(request.password)
        self.server = split_url(request.server_url).hostname or "this machine"

    def act(self, source: str, _place: Place) -> _One:
        one = _One(source)
        started = self._wiring.clock.monotonic_seconds()
        try:
            self._interruption.require_none()
            with self._interruption.delayed(_CLEARING_SECONDS):
                self._restore(one)
        except DrorchError as error:
            one.error = error
        one.seconds = self._wiring.clock.monotonic_seconds() - started
        return one

    def _restore(self, one: _One) -> None:
        request = self._request
        one.chosen = choose(
            self._repository,
            f"{LATEST}{one.source}",
            before=request.before,
            lanes=self._by_source[one.source],
            lanes_of_others=other_lanes(self._by_source, one.source),
        )
        reader = SnapshotReader(
            self._repository,
            one.chosen.link,
            [request.recipient],
            threads=_FETCH_THREADS,
            stores=one.chosen.stores,
        )
        with closing(reader):
            one.database = database_of(one.source, SnapshotContent(reader).facts)
            target = self._wiring.target(with_database(request.server_url, one.database), self._password)
            if request.only_plan:
                _content, plan = restore.plan(reader, target, request.choices)
                one.tables, one.rows = plan.tables, plan.rows
                if plan.stops:
                    raise DecisionNeeded(
                        f"{counted(len(plan.stops), 'point')} in the way",
                        found="\n".join(stop.text for stop in plan.stops),
                    )
                return
            observer = _UntilInterrupted(self._interruption)
            try:
                report = restore.run(reader, target, request.choices, observer=observer, clock=self._wiring.clock)
            except TargetRefused as error:
                if "creating roles" not in error.message or "already exists" not in error.found:
                    raise
                # another of the restores made the same role between our look and our try
                report = restore.run(reader, target, request.choices, observer=observer, clock=self._wiring.clock)
            one.tables, one.rows = report.outcome.tables, report.outcome.rows
            one.not_as_before = report.outcome.not_as_before


def _lines(found: _All, request: ManyRequest, zone: str) -> list[str]:
    rows = [("SOURCE", "SNAPSHOT", "RESTORE POINT", "DATABASE", "RESULT")]
    for one in found.ones:
        link = None if one.chosen is None else one.chosen.link
        rows.append(
            (
                printable(one.source.partition("/")[2]),
                "" if one.chosen is None else one.chosen.short_id,
                "" if link is None else local_time(link.manifest.restore_point, zone)[:16],
                printable(one.database),
                _result(one, request),
            )
        )
    good, failed = len(found.ones) - len(found.failed), len(found.failed)
    word = "PLAN" if request.only_plan else "OK" if not found.exit_code else "PARTIAL" if good else "FAIL"
    what = "can be restored" if request.only_plan else "are as at backup"
    took = "" if request.only_plan else f"; {format_duration(found.seconds)}"
    lines = [*table(rows), "", f"{word}  {good} of {len(found.ones)} databases of {request.policy} {what}{took}"]
    failures = ((one.source, Failure.of(one.error)) for one in found.failed if one.error is not None)
    lines += cause_lines(grouped(failures), f"{request.policy}/")
    if request.only_plan:
        lines.append("Nothing was changed; of the server only its catalog was read.")
    elif failed:
        lines.append(f"  one by one: drorch restore latest:{request.policy}/NAME --to ... --plan")
    return lines


def _result(one: _One, request: ManyRequest) -> str:
    if one.error is not None:
        return "STOP" if request.only_plan else "FAILED"
    lost = f", {len(one.not_as_before)} not as before" if one.not_as_before else ""
    return f"ok {counted(one.tables, 'table')}, {counted(one.rows, 'row')}{lost}"


def _document(found: _All, request: ManyRequest) -> dict[str, object]:
    return {
        "ok": not found.exit_code,
        "policy": request.policy,
        "plan": request.only_plan,
        "duration_s": round(found.seconds, 3),
        "restores": [_one_document(one) for one in found.ones],
    }


def _one_document(one: _One) -> dict[str, object]:
    link = None if one.chosen is None else one.chosen.link
    return {
        "source": one.source,
        "snapshot": None if link is None else str(link.manifest.run),
        "restore_point": None if link is None else utc_time(link.manifest.restore_point),
        "database": one.database or None,
        "tables": one.tables,
        "rows": one.rows,
        "duration_s": round(one.seconds, 3),
        "not_as_before": list(one.not_as_before),
        "error": None if one.error is None else error_fields(one.error),
    }


def policy_of_many(wanted: str, url: str) -> str | None:
    """Return the policy whose sources are all wanted: ``latest:POLICY`` into a server. ``None`` for anything else."""
    name = wanted.removeprefix(LATEST)
    return name if wanted.startswith(LATEST) and name and "/" not in name and is_server(url) else None
