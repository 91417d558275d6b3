"""Names of the databases that a restore makes, and the comment by which drorch knows its own."""

from __future__ import annotations

from datetime import datetime

MARKER = "drorch: a restore that is not finished"
COMPLETE = "drorch: a complete restore that could not take its name"
_LONGEST_NAME_BYTES = 63  # NAMEDATALEN - 1


def side_name(name: str, short_id: str) -> str:
    """Return ``NAME__drorch_ID``, cut so that the server does not cut it."""
    return _with_suffix(name, f"__drorch_{short_id}")


def side_prefix(name: str) -> str:
    """Return what the names of all side databases of ``name`` begin with."""
    return side_name(name, "x" * 8)[:-8]


def before_name(name: str, moment: datetime) -> str:
    """Return ``NAME__before_YYYYMMDD_HHMM``."""
    return _with_suffix(name, f"__before_{moment:%Y%m%d_%H%M}")


def marker(short_id: str) -> str:
    """Return the comment of a database that is being restored."""
    return f"{MARKER} (snapshot {short_id}); it can be dropped"


def _with_suffix(name: str, suffix: str) -> str:
    room = _LONGEST_NAME_BYTES - len(suffix)
    return name.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "ignore") + suffix
