"""The one border where what libpq and the server say becomes our errors.

A server's ``DETAIL`` and ``CONTEXT`` quote rows (``Key (id_no)=(...) already exists``), so they never leave; the primary
message does, without the values that class 22 (data exceptions) puts in quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drorch import errors

LOCK_NOT_AVAILABLE = "55P03"

_VALUE = re.compile(r":\s*[\"«'].*$", re.DOTALL)
_PLACE = re.compile(r"COPY .*?, line (\d+)(?:, column ([^:]+))?", re.DOTALL)
_LOCKS_HINT = "raise max_locks_per_transaction on the server and restart it"
_STANDBY_HINT = "the standby cancelled the capture: set hot_standby_feedback = on, or raise max_standby_streaming_delay, on the standby"


class ConnectionLost(Exception):
    """The connection broke, or never came to be; the text is libpq's."""


@dataclass(eq=False)
class StatementRefused(Exception):
    """The server refused a statement."""

    state: str
    message: str
    place: str = ""  # "row 17, column area" of a COPY

    def __str__(self) -> str:
        return f"{self.message} (SQLSTATE {self.state})"


def refusal(state: str, message: str, context: str) -> StatementRefused:
    """Return the refusal without any row's content."""
    match = _PLACE.search(context)
    place = ""
    if match is not None:
        place = f"row {match[1]}" + (f", column {match[2]}" if match[2] else "")
    text = _VALUE.sub("", message) if state.startswith("22") else message
    return StatementRefused(state, text.strip(), place)


def source_error(error: StatementRefused | ConnectionLost, doing: str) -> errors.SourceError:
    """Return the ``SourceError`` for what happened while ``doing`` (``reading public.parcel``)."""
    if isinstance(error, ConnectionLost):
        return connection_error(str(error), doing)
    kind, hint = _of_state(error)
    return kind(f"the server refused {doing}", found=str(error), hint=hint)


_CLASSES: dict[str, tuple[type[errors.SourceError], str]] = {
    "28P01": (errors.SourceLoginFailed, ""),
    "28000": (errors.SourceLoginFailed, ""),
    "3D000": (errors.SourceMissing, ""),
    "42501": (errors.SourceRightsMissing, "`drorch policy grants POLICY` prints the SQL that gives them"),
    LOCK_NOT_AVAILABLE: (
        errors.SourceLocked,
        "another session holds the lock; run again when it has ended, or raise lock_timeout",
    ),
    "40P01": (errors.SourceLocked, ""),
    "53200": (errors.SourceLocked, _LOCKS_HINT),
    "40001": (errors.StandbyLag, _STANDBY_HINT),
    "57P01": (errors.SourceUnreachable, ""),
    "57P02": (errors.SourceUnreachable, ""),
    "57P03": (errors.SourceUnreachable, ""),
    "57P05": (errors.SourceUnreachable, ""),
    "53300": (errors.SourceUnreachable, "all connections of the server are taken; raise max_connections or close some"),
    "0A000": (errors.SourceUnsupported, ""),
}


def _of_state(error: StatementRefused) -> tuple[type[errors.SourceError], str]:
    if error.state == "53200" and "shared memory" not in error.message and "max_locks" not in error.message:
        return errors.CaptureFailed, "the server ran out of memory while it built the value"
    if error.state in ("57014", "40001") and "recovery" in error.message:
        return errors.StandbyLag, _STANDBY_HINT
    if error.state in _CLASSES:
        return _CLASSES[error.state]
    if error.state.startswith("28"):
        return errors.SourceLoginFailed, ""
    return errors.CaptureFailed, ""


_REJECTED = "password authentication failed"

# libpq gives no SQLSTATE for a connection that was never made, so its words decide; the server's own words come
# in the server's language, hence the last line: whatever else the server said itself was about the account.
_WORDS: tuple[tuple[str, type[errors.SourceError], str], ...] = (
    (
        "no password supplied",
        errors.SourceLoginFailed,
        "give the source a password, or the account a line in ~/.pgpass",
    ),
    (_REJECTED, errors.SourceLoginFailed, ""),
    ("authentication failed", errors.SourceLoginFailed, ""),
    (
        "requires a valid client certificate",
        errors.SourceLoginFailed,
        "the server asks for our certificate: give it and its key (tls_certificate, tls_key)",
    ),
    ("private key file", errors.SourceLoginFailed, "the key must be there, and only its owner may read it: chmod 600"),
    (
        "definition of service",
        errors.SourceUnreachable,
        "services are read from ~/.pg_service.conf and /etc/postgresql-common/pg_service.conf",
    ),
    (
        "no pg_hba.conf entry",
        errors.SourceLoginFailed,
        "the server's pg_hba.conf has no line for this account, host and database",
    ),
    ("permission denied for database", errors.SourceRightsMissing, "grant connect on the database to the account"),
    (
        "certificate",
        errors.SourceUnreachable,
        "check the certificate and its name, or give the authority that signed it (tls)",
    ),
    ("does not support SSL", errors.SourceUnreachable, "a server without TLS needs `tls: none` in the policy"),
    (
        "SSL",
        errors.SourceUnreachable,
        "check the server's TLS set-up, and that the authority given is the one that signed its certificate",
    ),
    ("too many", errors.SourceUnreachable, "all connections of the server are taken"),
    ("starting up", errors.SourceUnreachable, ""),
    ("shutting down", errors.SourceUnreachable, ""),
    ("not currently accepting", errors.SourceUnreachable, ""),
    ("could not translate host name", errors.SourceUnreachable, "the name of the host is unknown here"),
    ("Connection refused", errors.SourceUnreachable, "is the server running, and listening at that address and port?"),
    ("No such file or directory", errors.SourceUnreachable, "no server listens on that socket"),
    ("timeout", errors.SourceUnreachable, "no answer in time; a firewall may drop the packets"),
)
_DATABASE_GONE = re.compile(r'FATAL:\s+database ".*" does not exist', re.DOTALL)
_ROLE_GONE = re.compile(r'FATAL:\s+role ".*" (does not exist|is not permitted to log in)', re.DOTALL)


def connection_error(text: str, doing: str) -> errors.SourceError:
    """Return the ``SourceError`` for a connection that broke or could not be made."""
    said = " ".join(text.split())[:300]
    if _DATABASE_GONE.search(text):
        return errors.SourceMissing("the database does not exist", found=said)
    if _ROLE_GONE.search(text):
        return errors.SourceLoginFailed("the server refused the account", found=said)
    for word, kind, hint in _WORDS:
        if word in text:
            told = (
                "the server refused the account" if kind is errors.SourceLoginFailed else "no connection to the server"
            )
            if word == _REJECTED:
                told = "the server rejected the password"
            return kind(told, found=said, hint=hint)
    if "FATAL" in text and "terminating" not in text:
        return errors.SourceLoginFailed("the server refused the account", found=said)
    return errors.SourceUnreachable(f"the connection broke while {doing}", found=said)


# A quota or a limit has no SQLSTATE of its own, only the words of the system, in the server's language.
_NO_ROOM = re.compile(r"^could not .*: (No space left on device|Disk quota exceeded|File too large)")


def target_error(error: StatementRefused | ConnectionLost, doing: str) -> errors.TargetError:
    """Return the ``TargetError`` for what happened while ``doing``."""
    if isinstance(error, ConnectionLost):
        told = connection_error(str(error), doing)
        return errors.TargetUnreachable(told.message, found=told.found, hint=told.hint)
    found = str(error) + (f", {error.place}" if error.place else "")
    if error.state in ("53100", "53000") or _NO_ROOM.search(error.message):
        hint = "free space there, or put it elsewhere (--map-tablespace); what was there before is as it was"
        return errors.TargetFull(f"no room left on the server while {doing}", found=found, hint=hint)
    if error.state in ("57P01", "57P02", "57P03", "53300"):
        return errors.TargetUnreachable(f"the server went away while {doing}", found=found)
    hint = (
        "the account may not do that; restore with an account that may, or with --no-owner"
        if error.state == "42501"
        else ""
    )
    if error.state == "53200":
        hint = _LOCKS_HINT
    return errors.TargetRefused(f"the server refused {doing}", found=found, hint=hint)
