"""Runs pg_dump inside the capture's snapshot and turns its archive into our entries."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import CaptureFailed, SourceError
from drorch.sources.postgresql import entries
from drorch.sources.postgresql.archive import ArchiveEntry, read_archive
from drorch.sources.postgresql.blanking import blank_secrets
from drorch.sources.postgresql.encoding import Encoding
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.failures import StatementRefused, connection_error, source_error
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation, connection_string
from drorch.sources.postgresql.quoting import identifier, qualified
from drorch.sources.subprocesses import Child, running

_OF_A_SCHEMA = {
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "FOREIGN TABLE",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "STATISTICS",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TYPE",
    "VIEW",
}
_OF_THE_DATABASE = {"EVENT TRIGGER", "FOREIGN DATA WRAPPER", "PUBLICATION", "SCHEMA", "SERVER", "SUBSCRIPTION"}
_BY_SIGNATURE = {
    "AGGREGATE",
    "FUNCTION",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURE",
    "PROCEDURAL LANGUAGE",
}
_DROPPED = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES"}
_GRANTS = {"ACL", "DEFAULT ACL", "ACL LANGUAGE"}
_LAST = {"EVENT TRIGGER"}
_SECTION_POST_DATA = 4


@dataclass(kw_only=True)
class DumpedSchema:
    """What is learned while the entries go by."""

    blanked: list[str] = field(default_factory=list)
    materialized_views: list[Entry] = field(default_factory=list)
    count: int = 0


# In definitions, too, a moment is text in the session's time zone: the bounds of partitions, defaults, constraints.
_OPTIONS = "-c standard_conforming_strings=on -c quote_all_identifiers=off -c lc_monetary=C -c timezone=UTC"


@contextlib.contextmanager
def pg_dump(
    program: Path,
    location: PostgresqlLocation,
    *,
    snapshot: str,
    encoding: Encoding,
    application: str,
    lock_timeout_seconds: int,
    connect_timeout_seconds: int,
    stall_timeout_seconds: int,
    lifeline: Lifeline,
) -> Iterator[Child]:
    """Run ``pg_dump --schema-only`` of the snapshot; the password travels as its standard input, which libpq reads as a file."""
    keywords = location.keywords(application=application, connect_timeout_seconds=connect_timeout_seconds)
    keywords["options"] = _OPTIONS
    with _password_file(location) as password_file:
        if password_file is not None:
            keywords["passfile"] = "/proc/self/fd/0"
        arguments: Sequence[str | Path] = [
            program,
            "--format=custom",
            "--compress=0",
            "--schema-only",
            "--no-password",
            f"--snapshot={snapshot}",
            f"--encoding={encoding.server_name}",
            f"--lock-wait-timeout={lock_timeout_seconds * 1_000}",
            f"--dbname={connection_string(keywords)}",
        ]
        with running(
            arguments,
            environment=_environment(location),
            stall_seconds=stall_timeout_seconds,
            standard_input=password_file,
        ) as child:
            lifeline.hold(child, child.kill)
            try:
                yield child
            finally:
                lifeline.release(child)


def _environment(location: PostgresqlLocation) -> Mapping[str, str]:
    """Return all that pg_dump is given: messages in English, and what leads our own sessions to the server."""
    environment = {**location.variables, "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    with contextlib.suppress(RuntimeError):
        environment["HOME"] = str(Path("~").expanduser())  # ~/.pgpass, ~/.postgresql and service files
    return environment


@contextlib.contextmanager
def _password_file(location: PostgresqlLocation) -> Iterator[int | None]:
    """Yield a password file that lies in memory only: no crash and no power cut leaves it on a disk."""
    if location.password is None:
        yield None
        return
    secret = location.password().replace("\\", "\\\\").replace(":", "\\:")
    with open(os.memfd_create("pgpass"), "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, no path
        os.fchmod(file.fileno(), 0o600)  # libpq reads no other
        file.write(f"*:*:*:*:{secret}\n".encode())
        yield file.fileno()


def schema_entries(child: Child, encoding: Encoding, learned: DumpedSchema, keep_first: int = 0) -> Iterator[Entry]:
    """Yield the entries of pg_dump's archive; raise a ``SourceError`` unless it is complete and pg_dump content."""
    converter = _Converter(encoding, learned, keep_first)
    try:
        for raw in read_archive(child.read_exactly):
            entry = converter.convert(raw)
            if entry is not None:
                yield entry
        if not child.is_at_end():
            raise child.failure("bytes after the archive's end")
    except CaptureFailed:
        child.kill()
        raise told_by_pg_dump(child) from None
    try:
        child.finish()
    except CaptureFailed:
        raise told_by_pg_dump(child) from None


def told_by_pg_dump(child: Child) -> SourceError:
    """Return the error for what pg_dump wrote before it failed."""
    text = child.complaint()
    for words, state in _STATES:
        if words in text:
            return source_error(StatementRefused(state, child.last_line()), "the definitions to pg_dump")
    if "connection to server" in text or "could not connect" in text:
        return connection_error(text, "reading the definitions")
    return child.failure("an archive that is not complete")


_STATES = (
    ("permission denied", "42501"),
    ("lock timeout", "55P03"),
    ("could not obtain lock", "55P03"),
    ("canceling statement due to statement timeout", "55P03"),  # what --lock-wait-timeout sets while it locks
    ("out of shared memory", "53200"),
    ("conflict with recovery", "40001"),
    ("terminating connection", "57P01"),
    ("server closed the connection", "57P01"),
)


class _Converter:
    def __init__(self, encoding: Encoding, learned: DumpedSchema, keep_first: int) -> None:
        self._encoding = encoding
        self._learned = learned
        self._numbers: dict[int, int] = {}
        self._sections: list[str] = []
        self._next = keep_first
        self._database: int | None = None

    def convert(self, raw: ArchiveEntry) -> Entry | None:
        kind = raw.kind.decode("ascii")
        if kind in _DROPPED:
            if kind == "DATABASE":
                self._database = raw.identifier
            return None
        if self._database in raw.depends:
            return None  # grants, comment and label of the database itself: ours say them without its name
        text = self._encoding.decode
        schema, name = text(raw.schema), text(raw.tag)
        sql, had_secret = blank_secrets(kind, text(raw.definition).strip())
        number = self._next
        depends = tuple(sorted({self._numbers[one] for one in raw.depends if one in self._numbers}))
        entry = Entry(
            number=number,
            section=self._section(kind, raw, depends),
            kind=kind,
            schema=schema,
            name=name,
            owner=text(raw.owner),
            alter=_altered_as(kind, schema, name, text(raw.drop)),
            tablespace=text(raw.tablespace or b""),
            access_method=text(raw.access_method or b""),
            sql=sql,
            depends=depends,
        )
        self._numbers[raw.identifier] = number
        self._sections.append(entry.section)
        self._next += 1
        self._learned.count += 1
        if had_secret:
            self._learned.blanked.append(entry.label)
        if kind == "MATERIALIZED VIEW":
            self._learned.materialized_views.append(entry)
        return entry

    def _section(self, kind: str, raw: ArchiveEntry, depends: tuple[int, ...]) -> str:
        if kind in _GRANTS:
            return entries.GRANTS
        if kind in _LAST:
            return entries.LAST
        if raw.section == _SECTION_POST_DATA:
            return entries.POST
        # Comments and labels have no section: they follow what they are about.
        order = (entries.PRE, entries.POST, entries.LAST)
        told = [self._sections[number - self._next + len(self._sections)] for number in depends]
        return max((section for section in told if section in order), key=order.index, default=entries.PRE)


def _altered_as(kind: str, schema: str, name: str, drop: str) -> str:
    if kind in _OF_A_SCHEMA:
        return f"{kind} {qualified(schema, name)}"
    if kind in _OF_THE_DATABASE:
        return f"{kind} {identifier(name)}"
    if kind in _BY_SIGNATURE:
        return drop.strip().removeprefix("DROP ").rstrip(";")
    return ""
