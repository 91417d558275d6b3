"""Filling a side database: sequences, tables, rows; every table is read back and compared before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drorch.errors import ObjectCorrupt, RestoreDiffers
from drorch.quantities import counted
from drorch.sources.interface import Bytes, Content, Observer, StoredStream
from drorch.sources.mariadb.definitions import Definition, Kind
from drorch.sources.mariadb.failures import ServerRefused, mapped_target
from drorch.sources.mariadb.inventory import Table, read_tables
from drorch.sources.mariadb.options import LOADING_MODE, STRICT_LOADING_MODE
from drorch.sources.mariadb.quoting import identifier
from drorch.sources.mariadb.rows import RowSum, split_rows, tuples
from drorch.sources.mariadb.selection import Selection, table_of
from drorch.sources.mariadb.session import Session

_STATEMENT_BYTES = 1 << 20


class Loader:
    """Makes the tables of a selection in the database that the session uses, and fills them."""

    def __init__(
        self, session: Session, content: Content, selection: Selection, observer: Observer, database: str
    ) -> None:
        self._session = session
        self._content = content
        self._selection = selection
        self._observer = observer
        self._database = database
        self._longest_statement = 0
        self.statements = 0
        self.rows = 0

    def run(self) -> None:
        """Make and fill everything; raise a ``TargetError``, or what the content raises."""
        with mapped_target("asking for max_allowed_packet"):
            self._longest_statement = int(self._session.value("SELECT @@max_allowed_packet"))
        definitions = self._selection.schema.of(Kind.SEQUENCE, Kind.TABLE)
        for done, definition in enumerate(definitions, start=1):
            self._make(definition)
            self._observer.advance("tables", done, len(definitions), "statements")
        with mapped_target("looking at the new tables"):
            tables = {table.name: table for table in read_tables(self._session, self._database)}
        for stream in self._selection.streams:
            table = tables.get(table_of(stream))
            if table is None:
                raise ObjectCorrupt(f"the snapshot has rows of {table_of(stream)} and no definition of it")
            self._load(stream, table)

    def _make(self, definition: Definition) -> None:
        with mapped_target(f"making {definition.kind.value} {definition.name}"):
            self._session.run(definition.sql)
            if definition.kind is Kind.SEQUENCE:
                self._session.run(f"INSERT INTO {identifier(definition.name)} VALUES ({definition.values})")
        self.statements += 1

    def _load(self, stream: StoredStream, table: Table) -> None:
        sent = RowSum()
        with mapped_target(f"writing table {table.name}"):
            self._prepare(stream, table)
            counted = self._counted(split_rows(self._told(stream)), sent)
            for statement in _inserts(table, stream, counted):
                self._send(statement)
            self._session.run("COMMIT")
        if stream.rows is not None and sent.rows != stream.rows:
            raise RestoreDiffers(
                f"{table.name} has another number of rows", expected=str(stream.rows), found=str(sent.rows)
            )
        self._compare(table, sent)
        self.rows += sent.rows

    def _send(self, statement: bytes) -> None:
        """Refuse what the server would answer by hanging up."""
        if len(statement) >= self._longest_statement:
            raise ServerRefused(1153, f"a row needs a statement of {len(statement):,} bytes")
        self._session.run(statement)

    def _prepare(self, stream: StoredStream, table: Table) -> None:
        """Choose the mode: strict, but where a value that is no member of an ENUM must come back as such."""
        mode = LOADING_MODE if stream.spec.attributes.get("has_enum") else STRICT_LOADING_MODE
        self._session.run(f"SET SESSION sql_mode = '{mode}'")
        if table.has_history:
            self._session.run("SET SESSION system_versioning_insert_history = 1")
        self._session.run("START TRANSACTION")

    def _told(self, stream: StoredStream) -> Iterator[Bytes]:
        done = 0
        for piece in self._content.open(stream):
            yield piece
            done += len(piece)
            self._observer.advance(table_of(stream), done, stream.size_bytes, "bytes")

    def _counted(self, batches: Iterable[list[bytes]], sent: RowSum) -> Iterator[list[bytes]]:
        for batch in batches:
            sent.add(batch)
            yield batch

    def _compare(self, table: Table, sent: RowSum) -> None:
        """Refuse a table that does not read as it was captured."""
        found = RowSum()
        with mapped_target(f"reading table {table.name} back"):
            self._session.run("SET SESSION sql_mode = ''")
            for batch in split_rows(self._session.stream(table.select())):
                found.add(batch)
        if (found.rows, found.total) != (sent.rows, sent.total):
            raise RestoreDiffers(
                f"the rows of {table.name} do not read back as they were captured",
                expected=counted(sent.rows, "row"),
                found=counted(found.rows, "row") + ("" if found.rows != sent.rows else ", of which some are others"),
                hint="the server changed values while storing them: is it older than the source, or of another build?",
            )


def _inserts(table: Table, stream: StoredStream, batches: Iterable[list[bytes]]) -> Iterator[bytes]:
    attributes = stream.spec.attributes
    columns, forms = _listed(attributes.get("columns")), str(attributes.get("forms"))
    if not columns or len(columns) != len(forms) or set(forms) - set("btn"):
        raise ObjectCorrupt(f"the stream of {table.name} does not say which columns it holds")
    names = ", ".join(identifier(str(column)) for column in columns)
    head = f"INSERT INTO {identifier(table.name)} ({names}) VALUES ".encode("utf-8", "surrogateescape")
    waiting: list[bytes] = []
    size = 0
    for batch in batches:
        for one in tuples(batch, forms):
            if waiting and size + len(one) > _STATEMENT_BYTES:
                yield head + b",".join(waiting)
                waiting, size = [], 0
            waiting.append(one)
            size += len(one) + 1
    if waiting:
        yield head + b",".join(waiting)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
