"""Runs, log lines and events in SQL (``catalog.interface.History``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal, or_, select, update

from drorch.catalog import tables
from drorch.catalog.columns import Moment
from drorch.catalog.contract.history import EventRecord, LogLine, RunOutcome, RunRecord, RunState
from drorch.catalog.database import Database
from drorch.catalog.interface import LOG_LINES_KEPT, IsAlive
from drorch.catalog.rows import NoSuchId, add_if_absent, columns_of, only_id_with, records, values_in, values_of
from drorch.errors import Bug, UsageInvalid

_GOOD = (RunState.COMPLETE, RunState.PARTIAL)
_BAD = (RunState.FAILED, RunState.CRASHED, RunState.INTERRUPTED, RunState.VOID)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before any run
LOG_LINE_LENGTH = 4_000  # a server's message may be as long as it likes; the catalog stays small


class SqlHistory(Database):
    """See ``History``."""

    def begin_run(self, run: RunRecord) -> None:
        """See ``History``."""
        if run.state is not RunState.RUNNING:
            raise Bug("a run begins as running", found=run.state.value)
        with self.writing() as connection:
            if not add_if_absent(connection, tables.runs, values_of(run)):
                raise Bug("a run of that id was begun before", found=run.run_id)

    def end_run(self, run_id: str, outcome: RunOutcome) -> RunRecord:
        """See ``History``."""
        with self.writing() as connection:
            if not _end(connection, run_id, values_of(outcome)):
                found = _run(connection, run_id)
                raise Bug("only a running run can end", found=found.state.value if found else f"no run {run_id}")
            ended = _run(connection, run_id)
        if ended is None:
            raise Bug("a run vanished while it ended", found=run_id)
        return ended

    def recognise_crashed_runs(self, *, host: str, is_alive: IsAlive, now: datetime) -> tuple[RunRecord, ...]:
        """See ``History``."""
        running = _runs().where(tables.runs.c.state == RunState.RUNNING, tables.runs.c.host == host)
        with self.reading() as connection:
            suspects = records(connection, RunRecord, running)
        gone = [run.run_id for run in suspects if not is_alive(run.pid, run.process_started)]
        if not gone:
            return ()
        with self.writing() as connection:
            crashed = {"state": RunState.CRASHED, "ended_at": now}
            marked = [run_id for run_id in gone if _end(connection, run_id, crashed)]
            return records(connection, RunRecord, _newest_first(_runs().where(tables.runs.c.run_id.in_(marked))))

    def run(self, run_id: str) -> RunRecord | None:
        """See ``History``."""
        with self.reading() as connection:
            return _run(connection, run_id)

    def find_run(self, prefix: str) -> RunRecord:
        """See ``History``."""
        try:
            with self.reading() as connection:
                run_id = only_id_with(connection, tables.runs.c.run_id, prefix)
                return records(connection, RunRecord, _runs().where(tables.runs.c.run_id == run_id))[0]
        except NoSuchId as error:
            raise error.as_error(UsageInvalid, "run", prefix) from None

    def runs(
        self,
        *,
        source: str | None = None,
        policy: str | None = None,
        operation: str | None = None,
        states: Collection[RunState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """See ``History``."""
        runs = tables.runs.c
        query = _newest_first(_runs()).limit(limit)
        if source is not None:
            query = query.where(runs.source == source)
        if policy is not None:
            query = query.where(runs.policy == policy)
        if operation is not None:
            query = query.where(runs.operation == operation)
        if states:
            query = query.where(runs.state.in_(states))
        if since is not None:
            query = query.where(runs.started_at >= since)
        with self.reading() as connection:
            return records(connection, RunRecord, query)

    def newest_run_by_source(self, *, operation: str) -> Mapping[str, RunRecord]:
        """See ``History``."""
        runs, each = tables.runs, values_in(tables.runs.c.source)
        newest = (
            _newest_first(select(runs.c.run_id))
            .where(runs.c.source == each.c.value, runs.c.operation == operation)
            .limit(1)
            .correlate(each)
            .scalar_subquery()
        )
        with self.reading() as connection:
            found = records(connection, RunRecord, _runs().where(runs.c.run_id.in_(select(newest).select_from(each))))
        return {run.source: run for run in found}

    def bad_tries_by_source(self, *, operation: str, ignoring: Collection[str] = ()) -> Mapping[str, int]:
        """See ``History``."""
        runs, each = tables.runs, values_in(tables.runs.c.source)
        good = runs.alias()
        last_good = (
            select(good.c.started_at)
            .where(good.c.source == each.c.value, good.c.operation == operation, good.c.state.in_(_GOOD))
            .order_by(good.c.started_at.desc())
            .limit(1)
            .correlate(each)
            .scalar_subquery()
        )
        ended = select(
            each.c.value.label("source"), func.coalesce(last_good, literal(BEGINNING, Moment)).label("at")
        ).cte()
        query = (
            select(runs.c.source, func.count())
            .where(
                runs.c.source == ended.c.source,
                runs.c.operation == operation,
                runs.c.started_at > ended.c.at,
                runs.c.state.in_(_BAD),
                or_(runs.c.error_slug.is_(None), runs.c.error_slug.not_in(ignoring)),
            )
            .group_by(runs.c.source)
        )
        with self.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def append_log(self, run_id: str, lines: Iterable[LogLine]) -> None:
        """See ``History``."""
        log = tables.log_lines
        fresh = list(lines)[-LOG_LINES_KEPT:]
        if not fresh:
            return
        with self.writing() as connection:
            _lock_run(connection, run_id)
            last = connection.scalar(select(func.max(log.c.number)).where(log.c.run_id == run_id)) or 0
            connection.execute(
                insert(log),
                [
                    {"run_id": run_id, "number": number, "at": line.at, "text": line.text[:LOG_LINE_LENGTH]}
                    for number, line in enumerate(fresh, start=last + 1)
                ],
            )
            oldest_kept = last + len(fresh) - LOG_LINES_KEPT
            connection.execute(delete(log).where(log.c.run_id == run_id, log.c.number <= oldest_kept))

    def log_lines(self, run_id: str) -> tuple[LogLine, ...]:
        """See ``History``."""
        log = tables.log_lines
        query = select(*columns_of(LogLine, log)).where(log.c.run_id == run_id).order_by(log.c.number)
        with self.reading() as connection:
            return records(connection, LogLine, query)

    def record_event(self, event: EventRecord) -> None:
        """See ``History``."""
        with self.writing() as connection:
            connection.execute(insert(tables.events), values_of(event))

    def events(
        self,
        *,
        source: str | None = None,
        run_id: str | None = None,
        kinds: Collection[str] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[EventRecord, ...]:
        """See ``History``."""
        events = tables.events.c
        query = select(*columns_of(EventRecord, tables.events)).limit(limit)
        query = query.order_by(events.at.desc(), events.number.desc())
        if source is not None:
            query = query.where(events.source == source)
        if run_id is not None:
            query = query.where(events.run_id == run_id)
        if kinds:
            query = query.where(events.kind.in_(kinds))
        if since is not None:
            query = query.where(events.at >= since)
        with self.reading() as connection:
            return records(connection, EventRecord, query)

    def purge_history(self, before: datetime) -> int:
        """See ``History``."""
        runs, events, occurrences = tables.runs, tables.events, tables.occurrences
        unentered = tables.unentered_occurrences
        with self.writing() as connection:
            connection.execute(delete(events).where(events.c.at < before))
            connection.execute(delete(occurrences).where(occurrences.c.ended_at < before))
            connection.execute(delete(unentered).where(unentered.c.slot < before))
            ended = delete(runs).where(runs.c.state != RunState.RUNNING, runs.c.ended_at < before)
            return connection.execute(ended).rowcount


def _runs() -> Select[Any]:
    return select(*columns_of(RunRecord, tables.runs))


def _newest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(tables.runs.c.started_at.desc(), tables.runs.c.run_id.desc())


def _run(connection: Connection, run_id: str) -> RunRecord | None:
    found = records(connection, RunRecord, _runs().where(tables.runs.c.run_id == run_id))
    return found[0] if found else None


def _end(connection: Connection, run_id: str, values: dict[str, Any]) -> bool:
    """Let a running run end and release its claims; tell whether it was running."""
    runs, claims = tables.runs, tables.claims
    running = update(runs).where(runs.c.run_id == run_id, runs.c.state == RunState.RUNNING)
    if connection.execute(running.values(values)).rowcount == 0:
        return False
    connection.execute(delete(claims).where(claims.c.run_id == run_id))
    return True


def _lock_run(connection: Connection, run_id: str) -> None:
    # two threads that log for one run must not number their lines alike
    query = select(tables.runs.c.run_id).where(tables.runs.c.run_id == run_id).with_for_update()
    locked: Row[Any] | None = connection.execute(query).one_or_none()
    if locked is None:
        raise Bug("lines can be logged only for a run that was begun", found=run_id)
