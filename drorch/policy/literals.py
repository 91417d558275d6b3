"""Finds secrets that stand in a file where only their place belongs: URLs, addresses, arguments of programs.

It knows the usual spellings, not every one: what it finds is refused, what it does not find is not blessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s@]*:[^/?#\s]+@")
_IN_ADDRESS = re.compile(r"[^\s:/@]+:[^\s/@]+@[^\s/@]+")
_IN_QUERY = re.compile(r"[?&](?:password|passwd|pwd|secret|token)=[^&\s]", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?:^|[;\s,-])(?:password|passwd|pwd|pgpassword|mysql_pwd)\s*=\s*(?!file:|env:|credential:)\S", re.IGNORECASE
)
_ORACLE_LOGIN = re.compile(r"[\w$#.]+/[^\s/@]+@[\w./:-]+")
_JOINED_OPTION = re.compile(r"(?:-p|-P)(?![0-9]+$)\S{4,}")
_OPTIONS_WITH_SECRET = {"-pas", "-pass", "-password", "--password", "--passwd", "-pw", "--pass"}


def why_literal_secret(text: str) -> str:
    """Return what is wrong when ``text`` holds a password, without showing it; empty otherwise."""
    if _IN_URL.search(text) or _IN_QUERY.search(text):
        return "a password stands in the URL; take it out and name it by `file:secrets/NAME`, `env:NAME` or `credential:NAME`"
    if _IN_ADDRESS.fullmatch(text) and "://" not in text:
        return "a password stands in the address; take it out and name it by `file:secrets/NAME`, `env:NAME` or `credential:NAME`"
    return ""


def why_secret_argument(arguments: Sequence[str]) -> tuple[int, str] | None:
    """Return the position of the first argument that is or holds a password, and what to do; ``None`` if none does.

    Arguments are visible to every user of the machine (``ps``), so not even a reference belongs there.
    """
    advice = "a password does not belong in the arguments, where `ps` shows it; name it in `environment:`"
    program = arguments[0].rsplit("/", 1)[-1] if arguments else ""
    for position, argument in enumerate(arguments):
        before = arguments[position - 1] if position else ""
        is_secret = (
            _ASSIGNED.search(argument)
            or (position and _ORACLE_LOGIN.fullmatch(argument))
            or before.lower() in _OPTIONS_WITH_SECRET
            or (before == "-P" and program in {"sqlcmd", "bcp", "isql", "tsql"})
            or (program.startswith(("mysql", "mariadb", "sqlcmd", "bcp")) and _JOINED_OPTION.fullmatch(argument))
        )
        if is_secret:
            return position, advice
    return None
