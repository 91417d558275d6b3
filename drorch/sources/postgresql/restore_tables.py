"""Restores a few tables into a database that may hold others: one session, one transaction, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.sources.interface import Content, RestoreChoices, StoredStream, StreamKind
from drorch.sources.postgresql import entries as sections
from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.entries import Entry, decode_entries
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.into_schema import moved_entries, place_of
from drorch.sources.postgresql.inventory import display_name, exact_names
from drorch.sources.postgresql.load import load_rows
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.quoting import qualified
from drorch.sources.postgresql.replay import Replayer, ReplayRules
from drorch.sources.postgresql.restore_database import Restored, the_schema
from drorch.sources.postgresql.selection import Selection, select, wanted_names
from drorch.sources.postgresql.session import Session

# SQLSTATEs that say "it is there already": for a type or function that the tables share with others, that is fine.
_EXISTS = {"42710", "42723", "42P06", "42P07"}
_MUST_BE_NEW = {"TABLE", "SEQUENCE", "INDEX", "CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"}
_ORDER = (sections.PRE, sections.DATA, sections.POST, sections.GRANTS, sections.LAST)


def selected_entries(content: Content, tables: Sequence[str]) -> Selection:
    """Return the definitions that belong to ``tables``."""
    return select(decode_entries(content.open(the_schema(content.streams()))), tables)


def has_schema(session: Session, name: str) -> bool:
    """Whether the database has a schema of that name."""
    return session.value("select 1 from pg_catalog.pg_namespace where nspname = $1", name) is not None


def existing_tables(session: Session, tables: Sequence[str]) -> list[str]:
    """Return those of ``tables`` that the database has already."""
    return [
        display_name(schema, name)
        for schema, name in sorted(wanted_names(tables))
        if session.value("select pg_catalog.to_regclass($1)", qualified(schema, name)) is not None
    ]


class TablesRestore:
    """The steps, in one transaction of ``session``."""

    def __init__(
        self, content: Content, choices: RestoreChoices, rules: ReplayRules, session: Session, progress: Progress
    ) -> None:
        self._content = content
        self._choices = choices
        self._session = session
        self._progress = progress
        self._rules = rules
        self._restored = Restored()
        self._kept: set[int] = set()

    def run(self) -> Restored:
        """Restore; raise a ``TargetError`` at the first thing that fails, and nothing stays."""
        chosen = selected_entries(self._content, self._choices.tables)
        streams = self._streams(chosen)
        entries, told = moved_entries(chosen.entries, self._choices.into_schema)
        with mapped_target("the tables"):
            self._session.run("begin")
            self._replay(entries, (sections.PRE,))
            self._load(streams)
            self._replay(entries, _ORDER[1:])
            for names in sorted(chosen.tables):
                self._session.run(f"analyze {place_of(names, self._choices.into_schema)}")
            self._session.run("commit")
        self._restored.tables = len(chosen.tables)
        self._restored.by_hand += [*chosen.left_out, *told]
        return self._restored

    def _streams(self, chosen: Selection) -> list[StoredStream]:
        return [
            stream
            for stream in self._content.streams()
            if stream.spec.kind is StreamKind.TABLE and exact_names(stream.spec.attributes)[:2] in chosen.tables
        ]

    def _load(self, streams: Sequence[StoredStream]) -> None:
        self._progress.begin("rows", sum(stream.size_bytes for stream in streams), "bytes")
        for stream in streams:
            with mapped_target(f"the rows of {stream.spec.name}"):
                place = place_of(exact_names(stream.spec.attributes)[:2], self._choices.into_schema)
                rows = load_rows(self._session, self._content, stream, self._progress, place=place)
            self._progress.add(0, rows=rows, statements=1)

    def _replay(self, entries: Sequence[Entry], wanted: Sequence[str]) -> None:
        some = [entry for section in wanted for entry in entries if entry.section == section]
        self._progress.begin("definitions", len(some), "statements")
        replayer = Replayer(self._session, self._rules)
        for entry in some:
            if self._choices.no_owner and entry.section == sections.GRANTS:
                continue
            if any(number in self._kept for number in entry.depends) and entry.kind in (
                "COMMENT",
                "ACL",
                "SECURITY LABEL",
            ):
                continue  # what was there already keeps its own comment and rights
            self._one(replayer, entry)
            self._progress.add(1, statements=1)

    def _one(self, replayer: Replayer, entry: Entry) -> None:
        """Replay an entry; if a shared thing exists already, keep the one that is there."""
        self._session.run("savepoint entry")
        try:
            with mapped_target(entry.label):
                for sql in replayer.statements(entry):
                    try:
                        self._session.run(sql)
                    except StatementRefused as error:
                        if error.state not in _EXISTS or entry.kind in _MUST_BE_NEW:
                            raise
                        self._session.run("rollback to savepoint entry")
                        replayer.forget()
                        self._kept.add(entry.number)
                        if entry.kind != "SCHEMA":
                            self._restored.by_hand.append(f"{entry.label}: was there already and was kept as it is")
                        break
        finally:
            if not self._session.is_failed:
                self._session.run("release savepoint entry")
