"""One connection, without blocking: every wait can be ended from another thread, and has a limit.

This is a thin layer on ``psycopg.pq`` (libpq), not on psycopg's cursors. It was measured for 310 MB of COPY text:
``get_copy_data`` joined to pieces of 64 kB cost 0.46 s of CPU, psycopg's ``copy.read()`` 0.58 s, a ``psql`` child
through a pipe 0.65-0.88 s in all. Blocking calls of libpq would also keep Python's lock, so none is used.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeAlias

from psycopg import Error as PsycopgError
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from drorch.native.rows import RowReader
from drorch.quantities import counted
from drorch.sources.interface import Bytes
from drorch.sources.postgresql.copy_reader import row_reader
from drorch.sources.postgresql.encoding import UTF8, Encoding
from drorch.sources.postgresql.failures import ConnectionLost, refusal
from drorch.sources.postgresql.lifeline import Lifeline

# Measured for 310 MB: 0.46 s of CPU; with 256 kB 0.63 s, for the rows leave the cache before they are joined.
PIECE_BYTES = 64 * 1024
_FILLED_BYTES = 256 * 1024  # a piece that C fills, joining nothing: fewer pieces, fewer calls (docs/adr/0059)
_MOST_ROWS = 2_048  # in a piece
_LARGE_ROW_BYTES = 8 * 1024  # is a piece's last, so that no piece grows out of bounds
_READ, _WRITE = select.POLLIN, select.POLLOUT
Row: TypeAlias = tuple[str | None, ...]


class Session:
    """A logged-in connection, used by one thread at a time."""

    def __init__(self, connection: PGconn, *, lifeline: Lifeline, stall_seconds: float | None) -> None:
        self._connection = connection
        self._lifeline = lifeline
        self._stall_seconds = stall_seconds
        self._encoding = UTF8
        self._socket = connection.socket
        connection.nonblocking = 1
        connection.notice_handler = None
        lifeline.hold(self, self.cut)

    # -- what the server says about itself

    @property
    def encoding(self) -> Encoding:
        """The encoding of the database, which is also the client's."""
        return self._encoding

    @property
    def server_version(self) -> int:
        """``150018`` for 15.18."""
        return self._connection.server_version

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS protects the connection."""
        return self._connection.ssl_in_use

    @property
    def is_failed(self) -> bool:
        """Whether the transaction is broken, or the connection is."""
        return self._connection.transaction_status in (pq.TransactionStatus.INERROR, pq.TransactionStatus.UNKNOWN)

    @property
    def is_idle(self) -> bool:
        """Whether the server waits for a statement."""
        unfit = (pq.TransactionStatus.ACTIVE, pq.TransactionStatus.UNKNOWN)
        return self._connection.transaction_status not in unfit

    def parameter(self, name: str) -> str:
        """Return a parameter that the server reports at login."""
        return (self._connection.parameter_status(name.encode()) or b"").decode("ascii", "replace")

    def adopt_encoding(self) -> None:
        """Make the client's encoding the server's: nothing is converted from here on."""
        self._encoding = Encoding(self.parameter("server_encoding"))
        if self.parameter("client_encoding") != self._encoding.server_name:
            self.run(f"set client_encoding = '{self._encoding.server_name}'")

    # -- statements

    def run(self, sql: str, *parameters: str | None) -> list[Row]:
        """Run one or more statements (one, if there are parameters) and return the rows of the last."""
        return [
            tuple(None if value is None else self._encoding.decode(value) for value in row)
            for row in self.run_raw(
                sql, [None if value is None else self._encoding.encode(value) for value in parameters]
            )
        ]

    def value(self, sql: str, *parameters: str | None) -> str | None:
        """Return the first column of the first row, ``None`` if there is none."""
        rows = self.run(sql, *parameters)
        return rows[0][0] if rows and rows[0] else None

    def run_raw(
        self, sql: str, parameters: Sequence[bytes | None] = (), *, binary: bool = False, single: bool = False
    ) -> list[tuple[bytes | None, ...]]:
        """Run a statement and return its rows as bytes.

        ``binary`` asks for and sends the binary form; with ``single`` the server refuses more than one statement.
        """
        result = self._last(self._send(sql, parameters, binary=binary, single=single))
        if result is None or result.status != pq.ExecStatus.TUPLES_OK:
            return []
        columns = range(result.nfields)
        return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]

    def copy_out(self, sql: str, *, rows_are_binary: bool = False) -> Iterator[Bytes]:
        """Yield the rows of ``COPY ... TO STDOUT`` in pieces of 64 to 256 kB; end only after the server's own end.

        The number of rows that the server says it sent must be the number that came; the binary form has an end marker
        instead, which the caller checks.
        """
        self._begin_copy(sql, pq.ExecStatus.COPY_OUT)
        self._reset_when_closed(yes=True)
        reader = row_reader(self._connection)
        rows = yield from self._read_rows() if reader is None else self._read_rows_by(reader)
        self._end_copy(rows, is_binary=rows_are_binary)
        self._reset_when_closed(yes=False)

    def _read_rows_by(self, reader: RowReader) -> Generator[Bytes, None, int]:
        """Read by the library of ``drorch.native``; the rows are those of ``_read_rows``, whose cost is the calls of Python."""
        buffer, used = bytearray(_FILLED_BYTES), 0
        while reader.status >= 0:
            used = reader.fill(buffer, used, _LARGE_ROW_BYTES)
            if reader.status == 0:  # libpq holds no more; what there is waits for company
                self._wait(_READ)
            elif used:
                del buffer[used:]
                yield buffer
                buffer, used = bytearray(_FILLED_BYTES), 0
            if reader.large:
                yield reader.large
        if reader.status < -1:
            self._raise_lost(self._connection.get_error_message())
        return reader.rows

    def _read_rows(self) -> Generator[Bytes, None, int]:
        get, join, rows, at_once = self._connection.get_copy_data, b"".join, 0, 64
        piece: list[memoryview] = []
        size = 1
        with self._lost():
            while size >= 0:
                append = piece.append
                # This loop is the cost of a capture: nothing is counted in it, and a large row ends it.
                for _ in range(at_once - len(piece)):
                    size, row = get(1)
                    if not 0 < size < _LARGE_ROW_BYTES:
                        break
                    append(row)
                if size == 0:  # libpq holds no more; what there is waits for company
                    self._wait(_READ)
                    self._connection.consume_input()
                    continue
                if size >= _LARGE_ROW_BYTES:
                    append(row)
                if piece:
                    joined = join(piece)
                    rows += len(piece)
                    at_once = max(1, min(_MOST_ROWS, PIECE_BYTES * len(piece) // len(joined)))
                    piece = []
                    yield joined
        return rows

    def copy_in(self, sql: str, pieces: Iterable[bytes | bytearray | memoryview]) -> int:
        """Send ``pieces`` to ``COPY ... FROM STDIN``; return the rows that the server took.

        If ``pieces`` raises, the COPY is refused to the server before the error goes on: nothing of it stays.
        """
        self._begin_copy(sql, pq.ExecStatus.COPY_IN)
        try:
            for piece in pieces:
                self._put(piece)
        except (ConnectionLost, GeneratorExit):
            raise
        except BaseException:
            self._close_copy(b"drorch gave up")
            with contextlib.suppress(Exception):
                self._last(self._results())
            raise
        self._close_copy(None)
        result = self._last(self._results())
        return int((result.command_tuples if result else None) or 0)

    def close(self) -> None:
        """End the session; the server rolls back what is open."""
        self._lifeline.release(self)
        self._connection.finish()

    def cut(self) -> None:
        """End it from another thread, in which nothing else is safe: whoever waits for the server gets ``ConnectionLost``."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    # -- the inside

    def _send(
        self, sql: str, parameters: Sequence[bytes | None] = (), *, binary: bool = False, single: bool = False
    ) -> Iterator[PGresult]:
        query = self._encoding.encode(sql)
        with self._lost():
            if parameters or binary or single:
                form = pq.Format.BINARY if binary else pq.Format.TEXT
                self._connection.send_query_params(
                    query, list(parameters) or None, None, [form] * len(parameters) or None, form
                )
            else:
                self._connection.send_query(query)
        self._flush()
        return self._results()

    def _results(self) -> Iterator[PGresult]:
        while True:
            while self._connection.is_busy():
                self._wait(_READ)
                self._consume()
            with self._lost():
                result = self._connection.get_result()
            if result is None:
                return
            yield result
            if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT):
                return

    def _last(self, results: Iterable[PGresult]) -> PGresult | None:
        """Return the last result; raise what the server said if any of them is an error."""
        last = failed = None
        for last in results:
            if last.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
                failed = failed or last
        if failed is not None:
            self._refuse(failed)
        return last

    def _refuse(self, result: PGresult) -> None:
        def said(field: pq.DiagnosticField) -> str:
            return (result.error_field(field) or b"").decode("utf-8", "replace")

        state = said(pq.DiagnosticField.SQLSTATE)
        if not state:  # libpq's own words: the connection is gone
            self._raise_lost(result.error_message.decode("utf-8", "replace"))
        if self._lifeline.reason is not None:
            raise self._lifeline.reason
        raise refusal(state, said(pq.DiagnosticField.MESSAGE_PRIMARY), said(pq.DiagnosticField.CONTEXT))

    def _begin_copy(self, sql: str, status: pq.ExecStatus) -> None:
        result = self._last(self._send(sql))
        if result is None or result.status != status:
            raise ConnectionLost("the server did not begin the COPY")

    def _end_copy(self, rows: int, *, is_binary: bool) -> None:
        result = self._last(self._results())
        told = None if result is None else result.command_tuples
        if told != rows and not is_binary:
            raise ConnectionLost(f"the server sent {counted(rows, 'row')} and says that it sent {told}")

    def _reset_when_closed(self, *, yes: bool) -> None:
        """Say whether a close, also by the end of this process, resets the connection (SO_LINGER of 0 s, socket(7)).

        A close amid the rows sends the end and drops what comes; the server, whose buffers are full, then probes an ever
        rarer window and keeps its session, with all its locks, for minutes (seen with ``ss``). After a reset it ends at once.
        """
        with socket.socket(fileno=os.dup(self._connection.socket)) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", yes, 0))

    def _put(self, piece: bytes | bytearray | memoryview) -> None:
        while True:
            with self._lost():
                taken = self._connection.put_copy_data(piece)
            if taken:
                break
            self._wait(_WRITE)
        self._flush()

    def _close_copy(self, complaint: bytes | None) -> None:
        while True:
            with self._lost():
                taken = self._connection.put_copy_end(complaint)
            if taken:
                break
            self._wait(_WRITE)
        self._flush()

    def _flush(self) -> None:
        while True:
            with self._lost():
                if self._connection.flush() == 0:
                    return
            if self._wait(_READ | _WRITE) & _READ:
                self._consume()

    def _consume(self) -> None:
        with self._lost():
            self._connection.consume_input()

    def _wait(self, events: int) -> int:
        poll = select.poll()
        poll.register(self._socket, events)
        ready = poll.poll(None if self._stall_seconds is None else self._stall_seconds * 1_000)
        if self._lifeline.reason is not None:
            raise self._lifeline.reason
        if not ready:
            raise Stalled(f"not a byte for {self._stall_seconds:g} s")
        return ready[0][1]

    @contextlib.contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except PsycopgError as error:
            self._raise_lost(str(error), error)

    def _raise_lost(self, text: str, cause: Exception | None = None) -> None:
        if self._lifeline.reason is not None:
            raise self._lifeline.reason from cause
        raise ConnectionLost(text) from cause


class Stalled(ConnectionLost):
    """The server was silent for longer than it may be."""
