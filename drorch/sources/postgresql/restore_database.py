"""Restores a whole database into an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from drorch.errors import Bug, TargetRefused
from drorch.sources.interface import Content, RestoreChoices, StoredStream, StreamKind
from drorch.sources.postgresql import entries
from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.build import build_work
from drorch.sources.postgresql.entries import Entry, decode_entries, encode_entry
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.inventory import exact_names
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.load import load_large_objects, table_work
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.quoting import identifier, qualified
from drorch.sources.postgresql.reaching_out import Reach, analyzed_relations, switched_off
from drorch.sources.postgresql.replay import Replayer, ReplayRules, database_statements, is_security_definer
from drorch.sources.postgresql.role_names import named_roles
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.workers import Work, run_all

_RELATIONS = {"TABLE", "MATERIALIZED VIEW"}


@dataclass(kw_only=True)
class Restored:
    """What was learned on the way."""

    by_hand: list[str] = field(default_factory=list)
    comment: str | None = None
    tables: int = 0


class DatabaseRestore:
    """The steps, in order; each opens the sessions that it needs by ``make``."""

    def __init__(
        self,
        content: Content,
        choices: RestoreChoices,
        rules: ReplayRules,
        *,
        name: str,
        make: Callable[[], Session],
        lifeline: Lifeline,
        progress: Progress,
        known_roles: frozenset[str],
    ) -> None:
        self._content = content
        self._choices = choices
        self._name = name
        self._make = make
        self._lifeline = lifeline
        self._progress = progress
        self._known_roles = known_roles
        self._rules = rules
        self._later: dict[str, list[bytes]] = {section: [] for section in _LATER}
        self._numbers: dict[tuple[str, str], int] = {}
        self._reach = Reach()
        self._restored = Restored()

    def run(self) -> Restored:
        """Do everything; raise a ``TargetError`` (or what the content raises) at the first thing that fails."""
        streams = self._content.streams()
        session = self._make()
        try:
            self._before_the_rows(session, streams)
            self._rows(streams)
            self._after_the_rows(session, streams)
        finally:
            session.close()
        return self._restored

    def _before_the_rows(self, session: Session, streams: Sequence[StoredStream]) -> None:
        self._progress.begin("definitions", 0, "statements")
        if self._content.facts.get("has_public_schema") is False:
            with mapped_target("dropping the schema public, which the source does not have"):
                session.run("drop schema if exists public")
        replayer = Replayer(session, self._rules)
        for stream in _of_kind(streams, StreamKind.SCHEMA):
            for entry in decode_entries(self._content.open(stream)):
                self._sort_in(entry, replayer)

    def _sort_in(self, entry: Entry, replayer: Replayer) -> None:
        if entry.kind in _RELATIONS:
            self._numbers[entry.schema, entry.name] = entry.number
        if entry.kind == "DATABASE COMMENT":
            self._restored.comment = str(entry.values["comment"])
            return
        if self._choices.no_owner and self._is_left_out(entry):
            return
        self._reach.note(entry)
        self._tell_of(entry)
        if entry.kind == "MATERIALIZED VIEW DATA" and any(self._reach.reaches(number) for number in entry.depends):
            self._restored.by_hand.append(f"materialized view not filled, it asks another server: {entry.sql}")
            return
        if entry.section in self._later:
            self._later[entry.section].append(encode_entry(entry))  # as bytes: there may be 200,000
            return
        self._now(entry, replayer)
        self._progress.add(1, statements=1)

    def _now(self, entry: Entry, replayer: Replayer) -> None:
        try:
            replayer.replay(entry)
        except TargetRefused as refused:
            # Before 15 it is the superuser's in every new database, and only a superuser can give it away.
            if (entry.kind, entry.name) != ("SCHEMA", "public"):
                raise
            self._restored.by_hand.append(
                f"schema public keeps its owner ({refused.found}): ALTER SCHEMA public OWNER TO"
            )

    def _is_left_out(self, entry: Entry) -> bool:
        """Whether ``--no-owner`` leaves it out: rights, and what needs a role that is not here."""
        if entry.section == entries.GRANTS or entry.kind == "DATABASE RIGHTS":
            return True
        missing = {self._rules.of(role) for role in named_roles(entry) - {entry.owner}} - self._known_roles
        if missing and entry.kind in ("POLICY", "USER MAPPING", "DATABASE SETTING"):
            self._restored.by_hand.append(f"{entry.label}: left out, no role {', '.join(sorted(missing))}")
            return True
        return False

    def _tell_of(self, entry: Entry) -> None:
        told = switched_off(entry)
        if told:
            self._restored.by_hand.append(told)
        if self._rules.no_owner and is_security_definer(entry):
            self._restored.by_hand.append(
                f"{entry.alter}: runs with the rights of the restoring account now, so PUBLIC may not call it: GRANT EXECUTE"
            )

    def _rows(self, streams: Sequence[StoredStream]) -> None:
        tables = _of_kind(streams, StreamKind.TABLE)
        self._restored.tables = len({stream.spec.name.rpartition("#")[0] or stream.spec.name for stream in tables})
        large = _of_kind(streams, StreamKind.LARGE_OBJECTS)
        self._progress.begin("rows", sum(stream.size_bytes for stream in (*tables, *large)), "bytes")
        work = table_work(self._content, tables, self._progress, self._restored.by_hand)
        for number, stream in enumerate(large, len(work)):
            work.append(Work(key=number, size=stream.size_bytes, do=self._large_objects(stream)))
        self._run(work)

    def _large_objects(self, stream: StoredStream) -> Callable[[Session], None]:
        def load(session: Session) -> None:
            load_large_objects(session, self._content, stream, self._progress)

        return load

    def _after_the_rows(self, session: Session, streams: Sequence[StoredStream]) -> None:
        waiting = sum(len(some) for some in self._later.values())
        self._progress.begin("keys, indexes, rights", waiting, "statements")
        self._replay(session, decode_entries(self._later[entries.DATA]))
        sizes = {
            self._numbers[names]: stream.size_bytes
            for stream in _of_kind(streams, StreamKind.TABLE)
            if (names := exact_names(stream.spec.attributes)[:2]) in self._numbers
        }
        self._run(build_work(self._later[entries.POST], sizes, self._rules, self._progress))
        self._replay(session, decode_entries(self._later[entries.GRANTS]))
        last = list(decode_entries(self._later[entries.LAST]))
        self._replay(session, [entry for entry in last if not _is_of_event_trigger(entry)])
        self._analyze(session)
        # They would fire on what comes before them.
        self._replay(session, [entry for entry in last if _is_of_event_trigger(entry)])
        self._database(session)

    def _replay(self, session: Session, some: Iterable[Entry]) -> None:
        replayer = Replayer(session, self._rules)
        for entry in some:
            replayer.replay(entry)
            self._progress.add(1, statements=1)

    def _analyze(self, session: Session) -> None:
        with mapped_target("ANALYZE"):
            rows = analyzed_relations(session)
        work = [
            Work(key=number, size=int(size or 0), do=_analyzing(qualified(schema or "", name or "")))
            for number, (schema, name, size) in enumerate(rows)
        ]
        self._run(work)

    def _database(self, session: Session) -> None:
        """Settings come last of all: ``default_transaction_read_only`` may be among them."""
        with mapped_target("the settings and rights of the database"):
            if not self._choices.no_owner and self._content.facts.get("owner"):
                owner = self._rules.of(str(self._content.facts["owner"]))
                session.run(f"alter database {identifier(self._name)} owner to {identifier(owner)}")
            for entry in decode_entries(self._later[entries.DATABASE]):
                for sql in database_statements(entry, self._name, self._rules):
                    self._one_of_the_database(session, entry, sql)
                self._progress.add(1, statements=1)

    def _one_of_the_database(self, session: Session, entry: Entry, sql: str) -> None:
        """A setting may name what this version or server does not have; the database is complete without it, and says so."""
        try:
            session.run(sql)
        except StatementRefused as error:
            if entry.kind != "DATABASE SETTING":
                raise
            self._restored.by_hand.append(
                f"setting {entry.name} of the database was refused ({error.state}): ALTER DATABASE"
            )

    def _run(self, work: Sequence[Work]) -> None:
        run_all(work, jobs=self._choices.jobs, make=self._make, lifeline=self._lifeline)


_LATER = (entries.DATA, entries.POST, entries.GRANTS, entries.LAST, entries.DATABASE)


def _is_of_event_trigger(entry: Entry) -> bool:
    return entry.kind == "EVENT TRIGGER" or entry.name.startswith("EVENT TRIGGER ")


def _of_kind(streams: Sequence[StoredStream], kind: StreamKind) -> list[StoredStream]:
    return [stream for stream in streams if stream.spec.kind is kind]


def _analyzing(sql_name: str) -> Callable[[Session], None]:
    def analyze(session: Session) -> None:
        with mapped_target(f"ANALYZE of {sql_name}"):
            session.run(f"analyze {sql_name}")

    return analyze


def the_schema(streams: Sequence[StoredStream]) -> StoredStream:
    """Return the schema stream; every PostgreSQL snapshot has one."""
    found = _of_kind(streams, StreamKind.SCHEMA)
    if len(found) != 1:
        raise Bug("a PostgreSQL snapshot must have one schema stream")
    return found[0]
