"""Puts rows and large objects into a database whose tables are empty and have no indexes, constraints or triggers yet."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from drorch.errors import RestoreDiffers
from drorch.quantities import counted
from drorch.sources.interface import Bytes, Content, StoredStream
from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.inventory import exact_names
from drorch.sources.postgresql.large_objects import parse_large_objects
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.quoting import identifier, qualified
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.workers import Work

_TRUNCATE_FROM_BYTES = 64 * 1024  # below, a new file for the table costs more than it saves
_GATHERED_BYTES = 256 * 1024  # in one call of libpq
_LARGE_OBJECTS_AT_ONCE = 500  # in one transaction: each takes a lock


def table_work(content: Content, streams: Sequence[StoredStream], progress: Progress, told: list[str]) -> list[Work]:
    """Return one piece of work a stream; what people should know of it is appended to ``told``."""
    return [
        Work(key=number, size=stream.size_bytes, do=_Loading(content, stream, progress, told))
        for number, stream in enumerate(streams)
    ]


class _Loading:
    """Loads one stream, in one transaction."""

    def __init__(self, content: Content, stream: StoredStream, progress: Progress, told: list[str]) -> None:
        self._content = content
        self._stream = stream
        self._progress = progress
        self._told = told

    def __call__(self, session: Session) -> None:
        """Empty the table and fill it in one transaction: no WAL on a server that keeps little, and frozen rows."""
        attributes = self._stream.spec.attributes
        with mapped_target(f"the rows of {self._stream.spec.name}"):
            session.run("begin")
            if "extension" in attributes:
                rows, replaced = load_configuration(session, self._content, self._stream, self._progress)
                if replaced:
                    self._told.append(
                        f"{self._stream.spec.name}: {counted(replaced, 'row')} of the extension gave way to the source's"
                    )
            else:
                is_frozen = "part" not in attributes and self._stream.size_bytes >= _TRUNCATE_FROM_BYTES
                if is_frozen:
                    session.run(f"truncate only {_sql_name(self._stream)}")
                rows = load_rows(session, self._content, self._stream, self._progress, is_frozen=is_frozen)
            session.run("commit")
        self._progress.add(0, rows=rows, statements=1)


def _sql_name(stream: StoredStream) -> str:
    schema, table, _columns = exact_names(stream.spec.attributes)
    return qualified(schema, table)


def load_configuration(session: Session, content: Content, stream: StoredStream, progress: Progress) -> tuple[int, int]:
    """Add the rows that the source had beside an extension's own; return them, and how many of the extension's gave way.

    A newer extension may bring what the source had added by hand (PostGIS: the zones of VN-2000). The source's rows count:
    data were made with them.
    """
    table, columns = _sql_name(stream), _columns(stream)
    if session.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user") == "t":
        session.run("set local session_replication_role = replica")  # configuration tables may refer to each other
    session.run(f"create temporary table drorch_rows (like {table}) on commit drop")
    rows = load_rows(session, content, stream, progress, place="pg_temp.drorch_rows")
    same = " and ".join(f"t.{name} = s.{name}" for name in map(identifier, _primary_key(session, table)))
    replaced = 0
    if same:
        replaced = len(session.run(f"delete from {table} t using pg_temp.drorch_rows s where {same} returning 1"))
    session.run(f"insert into {table} ({columns}) overriding system value select {columns} from pg_temp.drorch_rows")
    return rows, replaced


def _primary_key(session: Session, table: str) -> list[str]:
    sql = """select a.attname from pg_catalog.pg_index i join pg_catalog.pg_attribute a
        on a.attrelid = i.indrelid and a.attnum = any (i.indkey) where i.indisprimary and i.indrelid = $1::pg_catalog.regclass"""
    return [name or "" for (name,) in session.run(sql, table)]


def _columns(stream: StoredStream) -> str:
    return ", ".join(identifier(column) for column in exact_names(stream.spec.attributes)[2])


def load_rows(
    session: Session,
    content: Content,
    stream: StoredStream,
    progress: Progress,
    *,
    is_frozen: bool = False,
    place: str = "",
) -> int:
    """Copy one stream into its table, or into ``place``; return the rows. Raises ``RestoreDiffers`` unless all rows came."""
    columns = _columns(stream)
    columns = f" ({columns})" if columns else ""
    sql = f"copy {place or _sql_name(stream)}{columns} from stdin{' with (freeze)' if is_frozen else ''}"
    rows = session.copy_in(sql, gathered(progress.watching(content.open(stream))))
    if stream.rows is not None and rows != stream.rows:
        raise RestoreDiffers(
            f"rows are missing in {stream.spec.name}", expected=counted(stream.rows, "row"), found=counted(rows, "row")
        )
    return rows


def gathered(pieces: Iterable[Bytes]) -> Iterator[Bytes]:
    """Yield small pieces joined to at least ``_GATHERED_BYTES``; large ones as they are."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) >= _GATHERED_BYTES:
            yield piece
            continue
        held += piece
        if len(held) >= _GATHERED_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def load_large_objects(session: Session, content: Content, stream: StoredStream, progress: Progress) -> int:
    """Create the large objects under their own numbers; return the rows of the stream."""
    rows = objects = 0
    with mapped_target("the large objects"):
        session.run("begin")
        for number, offset, block in parse_large_objects(progress.watching(content.open(stream))):
            oid = struct.pack(">I", number)
            if offset == 0:
                session.run_raw(
                    "select pg_catalog.lo_from_bytea($1::pg_catalog.oid, $2::pg_catalog.bytea)",
                    [oid, block],
                    binary=True,
                )
                objects += 1
                if objects % _LARGE_OBJECTS_AT_ONCE == 0:
                    session.run("commit; begin")
            else:
                parameters = [oid, struct.pack(">q", offset), block]
                session.run_raw(
                    "select pg_catalog.lo_put($1::pg_catalog.oid, $2::pg_catalog.int8, $3::pg_catalog.bytea)",
                    parameters,
                    binary=True,
                )
            rows += 1
        session.run("commit")
    if stream.rows is not None and rows != stream.rows:
        raise RestoreDiffers("blocks of large objects are missing", expected=str(stream.rows), found=str(rows))
    progress.add(0, statements=objects)
    return rows
