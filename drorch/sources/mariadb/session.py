"""One session with a server: PyMySQL makes the connection and logs in, rows are taken from the wire as they are.

PyMySQL would turn every value into an object, at twenty times the cost; a row of the text protocol already is what a
``PREFIXED`` stream wants: each value behind its length, NULL as 0xFB, bytes as they lie in the table.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator

from pymysql import err
from pymysql.connections import MAX_PACKET_LEN, Connection
from pymysql.constants import CLIENT, COMMAND

from drorch.sources.mariadb.failures import ConnectionLost, lost, refusal
from drorch.sources.mariadb.location import USUAL_PORT, MariadbLocation

Row = tuple[bytes | None, ...]
_READ_BYTES = 1 << 18
_PIECE_BYTES = 1 << 18
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, no seconds
_EOF, _ERROR = b"\xfe", b"\xff"
_LONGEST_EOF = 8


class _Wire(Connection):  # type: ignore[misc] # PyMySQL publishes no types
    """PyMySQL's connection, with the timeout that the moment needs and access to packets."""

    def patience(self, seconds: float | None) -> None:
        self._read_timeout = self._write_timeout = seconds

    def begin_rows(self, sql: bytes) -> int:
        """Send a query and return the number of its columns; rows follow."""
        self._execute_command(COMMAND.COM_QUERY, sql)
        first = self._read_packet()
        if first.is_ok_packet():
            return 0
        count = int(first.read_length_encoded_integer())
        for _ in range(count + 1):  # the columns' descriptions and an end marker
            self._read_packet()
        self._sock.settimeout(self._read_timeout)
        self._current_timeout = self._read_timeout
        return count

    def read_some(self) -> bytes:
        return self._rfile.read1(_READ_BYTES)  # type: ignore[no-any-return]

    def raw_socket(self) -> int:
        return int(self._sock.fileno())

    def encrypted(self) -> bool:
        return hasattr(self._sock, "version")

    def cipher(self) -> str:
        return str(self._sock.version()) if self.encrypted() else ""

    def drop(self) -> None:
        self._force_close()


class Session:
    """A connection for one thread; ``abort`` may come from any. Made by ``connect``."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._line = socket.socket(fileno=os.dup(wire.raw_socket()))  # outlives what TLS makes of the other
        self._is_aborted = False

    @property
    def server_version(self) -> str:
        """What the server calls its version."""
        return str(self._wire.server_version).removeprefix("5.5.5-")

    @property
    def identifier(self) -> int:
        """The number of this session on the server."""
        return int(self._wire.thread_id())

    @property
    def tls(self) -> str:
        """The version of TLS; empty on a socket or without."""
        return self._wire.cipher()

    def run(self, sql: str | bytes) -> list[Row]:
        """Run one statement and return its rows, values as bytes; raise ``ServerRefused`` or ``ConnectionLost``."""
        with self._border():
            self._wire.query(sql if isinstance(sql, bytes) else sql.encode("utf-8", "surrogateescape"))
            result = self._wire._result  # noqa: SLF001 - a cursor adds nothing here
            return list(result.rows or ()) if result is not None else []

    def texts(self, sql: str) -> list[list[str]]:
        """Return the rows of a query as text; NULL is empty, bytes that are not UTF-8 are surrogates."""
        return [[as_text(value) for value in row] for row in self.run(sql)]

    def named_texts(self, sql: str) -> list[dict[str, str]]:
        """Return the rows of a query as ``texts`` does, by the names of their columns: for what the server words by its version."""
        rows = self.texts(sql)
        with self._border():
            described = self._wire._result.description  # noqa: SLF001 - as in run
        return [dict(zip((column[0] for column in described), row, strict=True)) for row in rows]

    def value(self, sql: str) -> str:
        """Return the first value of the first row, ``''`` if there is none."""
        rows = self.texts(sql)
        return rows[0][0] if rows else ""

    def stream(self, sql: str) -> Iterator[bytes]:
        """Yield the rows of a query in the ``PREFIXED`` form, in pieces; the server's end marker ends it.

        Left before its end the session is of no more use.
        """
        with self._border():
            self._wire.begin_rows(sql.encode("utf-8", "surrogateescape"))
            is_finished = False
            try:
                yield from _prefixed(self._wire.read_some)
                is_finished = True
            finally:
                if not is_finished:
                    self._wire.drop()

    def abort(self) -> None:
        """Make whatever waits for the server end soon, and the server hear of it when the session is closed.

        A server that waits to send rows is only told by a reset: after an orderly end it asks for room for 100 seconds more,
        and keeps its locks.
        """
        self._is_aborted = True
        with contextlib.suppress(OSError):
            self._line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the session; the server rolls back what was open."""
        with contextlib.suppress(Exception):
            self._wire.close()
        self._wire.drop()
        self._line.close()

    @contextlib.contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except err.MySQLError as error:
            if self._is_aborted:
                raise ConnectionLost("the capture was stopped") from error
            raise refusal(error) from error
        except OSError as error:
            raise ConnectionLost("the capture was stopped") if self._is_aborted else lost(error) from error


def as_text(value: bytes | None) -> str:
    """Return a value as text that gives back its bytes; NULL is empty."""
    return "" if value is None else bytes(value).decode("utf-8", "surrogateescape")


def connect(
    location: MariadbLocation,
    *,
    settings: str,
    connect_timeout_seconds: float,
    stall_timeout_seconds: float | None,
    database: str | None = None,
) -> Session:
    """Log in and apply ``settings``; raise ``ServerRefused``, ``ConnectionLost`` or one of our errors about files and secrets.

    With TLS asked for nothing about the account is sent before the server has proven who it is.
    """
    place = location.resolved()
    context = place.tls_context()
    user = place.user or _system_user()
    wire = _Wire(
        host=place.host or "localhost",
        port=place.port or USUAL_PORT,
        user=user,
        password=_password(place.password),
        database=database,
        charset="utf8mb4",
        use_unicode=False,
        conv={},
        connect_timeout=connect_timeout_seconds,
        read_timeout=connect_timeout_seconds,
        write_timeout=connect_timeout_seconds,
        ssl=context,
        ssl_disabled=context is None,
        client_flag=CLIENT.FOUND_ROWS,
        autocommit=None,
        defer_connect=True,
        program_name="drorch",
    )
    try:
        wire.connect(_line(place, connect_timeout_seconds))
        if context is not None and not wire.encrypted():  # PyMySQL refuses by itself; a future one must not surprise us
            raise ConnectionLost("the server does not speak TLS")
    except err.MySQLError as error:
        raise refusal(error, is_new=True) from error
    except OSError as error:
        raise lost(error, is_new=True) from error
    except RuntimeError as error:  # an authentication method that needs a package of its own
        raise ConnectionLost(str(error)) from error
    session = Session(wire)
    try:
        wire.patience(stall_timeout_seconds)
        session.run(settings)
    except BaseException:
        session.close()
        raise
    return session


def _line(place: MariadbLocation, timeout_seconds: float) -> socket.socket:
    """Return a connected socket; raise ``OSError``. PyMySQL would leave its own open when nobody listens."""
    if not place.is_local:
        line = socket.create_connection((place.host, place.port or USUAL_PORT), timeout_seconds)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return line
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(timeout_seconds)
        line.connect(place.socket_path())
    except BaseException:
        line.close()
        raise
    return line


def _password(ask: Callable[[], str] | None) -> bytes:
    return b"" if ask is None else ask().encode()


def _system_user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "root"


def _prefixed(read_some: Callable[[], bytes]) -> Iterator[bytes]:
    """Turn packets into rows behind their length (u32 big-endian); return at the end marker, raise what the server says."""
    out: list[bytes] = []
    size = 0
    for rows in _payloads(read_some):
        last = rows[-1]  # nothing follows an end marker or an error
        is_end = len(last) <= _LONGEST_EOF and last[:1] == _EOF
        if last[:1] == _ERROR:
            err.raise_mysql_exception(last)
        for row in rows[:-1] if is_end else rows:
            out.append(len(row).to_bytes(4, "big"))
            out.append(row)
            size += len(row) + 4
        if size >= _PIECE_BYTES or (is_end and out):
            yield b"".join(out)
            out.clear()
            size = 0
        if is_end:
            return


def _payloads(read_some: Callable[[], bytes]) -> Iterator[list[bytes]]:
    """Yield the payloads of packets, as many as were read at once; one that needed several packets comes whole."""
    held = b""
    long: list[bytes] = []
    while True:
        held = _filled(held, len(held) + 1, read_some)
        rows = []
        position, size = 0, len(held)
        while position + 4 <= size:
            length = held[position] | held[position + 1] << 8 | held[position + 2] << 16
            start, end = position + 4, position + 4 + length
            if end > size:
                if length > _READ_BYTES:
                    held = _filled(held[position:], 4 + length, read_some)
                    position, size = 0, len(held)
                    continue
                break
            position = end
            row = held[start:end]
            if long or length == MAX_PACKET_LEN:
                long.append(row)
                if length == MAX_PACKET_LEN:
                    continue
                row, long = b"".join(long), []
            rows.append(row)
        held = held[position:]
        if rows:
            yield rows


def _filled(held: bytes, wanted: int, read_some: Callable[[], bytes]) -> bytes:
    """Return ``held`` with more, at least ``wanted`` bytes; a long value is not joined again for every read."""
    parts, have = [held], len(held)
    while have < wanted:
        more = read_some()
        if not more:
            raise err.OperationalError(2013, "Lost connection to server during query")
        parts.append(more)
        have += len(more)
    return b"".join(parts)
