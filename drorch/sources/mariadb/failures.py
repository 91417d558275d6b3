"""The one border where what PyMySQL and the server say becomes our errors.

A server's message may quote a row (``Duplicate entry '123456789012' for key``, ``Incorrect string value``), so of errors about
data only the number and the part without quotes leave.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from pymysql import err

from drorch import errors

_ABOUT_VALUES = {1062, 1264, 1265, 1292, 1366, 1406, 1411, 1416, 1525, 1586, 3819, 4025, 4078}
_QUOTED = re.compile(r"'.*?'(?= for | at row |$)", re.DOTALL)
_LOST = {2003, 2006, 2013, 2055}


@dataclass(eq=False)
class ConnectionLost(Exception):
    """The connection broke, or never came to be."""

    said: str
    is_silence: bool = False

    def __str__(self) -> str:
        return self.said


@dataclass(eq=False)
class ServerRefused(Exception):
    """The server refused a statement, or the account."""

    number: int
    message: str

    def __str__(self) -> str:
        return f"{self.number} {self.message}"


def refusal(error: err.MySQLError, *, is_new: bool = False) -> ServerRefused | ConnectionLost:
    """Return what PyMySQL raised without any row's content."""
    number, message = _parts(error)
    cause = getattr(error, "original_exception", None) or error.__context__
    if isinstance(cause, OSError):
        return lost(cause, is_new=is_new)
    if number == 0 or number in _LOST or number == 2026:
        return ConnectionLost(message or "the connection was closed")
    if number in _ABOUT_VALUES:
        message = _QUOTED.sub("'...'", message, count=1)
    return ServerRefused(number, " ".join(message.split())[:300])


def lost(error: OSError, *, is_new: bool = False) -> ConnectionLost:
    """Return what an error of the connection itself means; silence counts only once it had been made."""
    if isinstance(error, ssl.SSLError):
        return ConnectionLost(f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}")
    if isinstance(error, TimeoutError):
        return ConnectionLost("timed out", is_silence=not is_new)
    if isinstance(error, socket.gaierror):
        return ConnectionLost(f"unknown host: {error.strerror}")
    return ConnectionLost(error.strerror or str(error))


def _parts(error: err.MySQLError) -> tuple[int, str]:
    if error.args and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1]) if len(error.args) > 1 else ""
    return 0, str(error)


_RETRY_DDL = "somebody changed tables while the snapshot was taken; run again"
_RIGHTS = "`drorch policy grants POLICY` prints the SQL that gives them"
_CLASSES: dict[int, tuple[type[errors.SourceError], str, str]] = {
    1044: (errors.SourceRightsMissing, "the account may not use the database", _RIGHTS),
    1045: (errors.SourceLoginFailed, "the database rejected the password", ""),
    1049: (errors.SourceMissing, "the database does not exist", ""),
    1130: (errors.SourceLoginFailed, "the server lets nobody in from this machine", ""),
    1251: (errors.SourceLoginFailed, "the server asks for a login method that drorch lacks", ""),
    1275: (errors.SourceLoginFailed, "the server asks for a login method that drorch lacks", ""),
    1524: (errors.SourceLoginFailed, "the server lacks the account's login method", ""),
    1698: (errors.SourceLoginFailed, "the server refused the account", ""),
    1820: (errors.SourceLoginFailed, "the account's password has expired", ""),
    1862: (errors.SourceLoginFailed, "the account's password has expired", ""),
    2059: (errors.SourceLoginFailed, "the server asks for a login method that drorch lacks", ""),
    4151: (errors.SourceLoginFailed, "the account is locked", ""),
    1142: (errors.SourceRightsMissing, "", _RIGHTS),
    1143: (errors.SourceRightsMissing, "", _RIGHTS),
    1227: (errors.SourceRightsMissing, "", _RIGHTS),
    1370: (errors.SourceRightsMissing, "", _RIGHTS),
    1356: (errors.SourceRightsMissing, "", _RIGHTS),
    1205: (
        errors.SourceLocked,
        "a table was locked for longer than lock_timeout",
        "another session holds it (ALTER, LOCK TABLES); run again when it has ended, or raise lock_timeout",
    ),
    1213: (errors.SourceLocked, "", ""),
    1223: (errors.SourceLocked, "", ""),
    1412: (errors.SourceLocked, "tables were changed while the snapshot was taken", _RETRY_DDL),
    1146: (errors.SourceLocked, "a table vanished while the snapshot was taken", _RETRY_DDL),
    1053: (errors.SourceUnreachable, "the server is shutting down", ""),
    1927: (errors.SourceUnreachable, "the session was ended on the server", ""),
    1317: (errors.SourceUnreachable, "the session was ended on the server", ""),
    1040: (
        errors.SourceUnreachable,
        "all connections of the server are taken",
        "raise max_connections or close some",
    ),
    1203: (errors.SourceUnreachable, "all connections of the account are taken", ""),
    1226: (errors.SourceUnreachable, "all connections of the account are taken", ""),
    1129: (errors.SourceUnreachable, "the server blocks this machine", "FLUSH HOSTS on the server lets it in again"),
    1153: (
        errors.CaptureFailed,
        "a row is longer than the server sends",
        "raise max_allowed_packet on the server (SET GLOBAL max_allowed_packet = 1073741824)",
    ),
}
_CLASSES[1301] = _CLASSES[1153]


def source_error(error: ServerRefused | ConnectionLost, doing: str) -> errors.SourceError:
    """Return the ``SourceError`` for what happened while ``doing`` (``reading parcel``)."""
    if isinstance(error, ConnectionLost):
        if error.is_silence:
            return errors.SourceStalled(f"the server fell silent while {doing}", found=str(error))
        if error.said == "the capture was stopped":
            return errors.CaptureFailed(error.said)
        told, hint = _of_connection(error.said, doing)
        return errors.SourceUnreachable(told, found=error.said, hint=hint)
    kind, told, hint = _CLASSES.get(error.number, (errors.CaptureFailed, "", ""))
    return kind(told or f"the server refused {doing}", found=str(error), hint=hint)


_WORDS = (
    ("ynacl", "no connection to the server", "the account logs in by ed25519, which needs the Python package PyNaCl"),
    ("SSL is required", "no connection to the server", "a server without TLS needs `tls: none` in the policy"),
    ("speak TLS", "no connection to the server", "a server without TLS needs `tls: none` in the policy"),
    ("TLS", "no connection to the server", "check the certificate and its name, or give the authority that signed it (tls_authority)"),
    ("unknown host", "no connection to the server", "the name of the host is unknown here"),
    ("refused", "no connection to the server", "is the server running, and listening at that address and port?"),
    ("No such file", "no connection to the server", "no server listens on that socket"),
    ("timed out", "no connection to the server", "no answer in time; a firewall may drop the packets"),
)  # fmt: skip


_BROKE = "run again: what was stored so far is used; if it breaks again and again look at the server's log, and for a firewall between"


def _of_connection(said: str, doing: str) -> tuple[str, str]:
    for word, told, hint in _WORDS:
        if word in said:
            return told, hint
    return f"the connection broke while {doing}", _BROKE


def target_error(error: ServerRefused | ConnectionLost, doing: str) -> errors.TargetError:
    """Return the ``TargetError`` for what happened while ``doing``."""
    if isinstance(error, ConnectionLost):
        told, hint = _of_connection(error.said, doing)
        return errors.TargetUnreachable(
            told, found=error.said, hint=hint.replace("`tls: none` in the policy", "`?tls=none` in the address")
        )
    if error.number in _CLASSES and issubclass(
        _CLASSES[error.number][0], errors.SourceLoginFailed | errors.SourceUnreachable
    ):
        is_login = issubclass(_CLASSES[error.number][0], errors.SourceLoginFailed)
        hint = "--to-password file:PATH, env:NAME or prompt says the password of the account in the address"
        return errors.TargetUnreachable(_CLASSES[error.number][1], found=str(error), hint=hint if is_login else "")
    if error.number in (1021, 1114, 1041, 1877) or "errno: 28" in error.message:
        return errors.TargetFull(f"no room left on the server while {doing}", found=str(error))
    hints = {
        1044: "the account may not do that; restore with an account that may",
        1142: "the account may not do that; restore with an account that may",
        1227: "the account may not do that; restore with an account that may (SET USER), or with --no-owner",
        1153: "raise max_allowed_packet on the server (SET GLOBAL max_allowed_packet = 1073741824), then run again",
        1205: "somebody holds a table of the target; --terminate-sessions ends them",
        1286: "the server lacks that storage engine; install its plugin first",
        1273: "the server lacks that collation: it is older than the source",
    }
    return errors.TargetRefused(f"the server refused {doing}", found=str(error), hint=hints.get(error.number, ""))


@contextlib.contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Turn what a session raises into a ``SourceError`` that says what was being done."""
    try:
        yield
    except (ServerRefused, ConnectionLost) as error:
        raise source_error(error, doing) from error


@contextlib.contextmanager
def mapped_target(doing: str) -> Iterator[None]:
    """Turn what a session raises into a ``TargetError`` that says what was being done."""
    try:
        yield
    except (ServerRefused, ConnectionLost) as error:
        raise target_error(error, doing) from error
