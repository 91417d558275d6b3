"""MariaDB option files (``my.cnf``), as far as they say how to log in."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path

from drorch.errors import SecretUnavailable

_GROUPS = (
    "client",
    "client-server",
    "client-mariadb",
    "drorch",
)  # a later one has the last word, as with its own programs
_WANTED = ("user", "password", "host", "port", "socket", "ssl-ca", "ssl-cert", "ssl-key")
_OPEN_TO_OTHERS = 0o007


def read_option_file(path: Path) -> Mapping[str, str]:
    """Return what the file says about logging in; raise ``SecretUnavailable`` if it cannot be read or others could read it."""
    parser = configparser.RawConfigParser(
        allow_no_value=True, strict=False, comment_prefixes=("#", ";", "!"), inline_comment_prefixes=None
    )
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
        parser.read_string(text)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SecretUnavailable(
            f"the option file {path} cannot be read",
            found=error.strerror or "" if isinstance(error, OSError) else "not an option file",
        ) from None  # a parser's words quote the line, which may be the password's
    if mode & _OPEN_TO_OTHERS:
        raise SecretUnavailable(
            f"the option file {path} is open to others", found=f"mode {mode & 0o777:04o}", hint=f"chmod 0600 {path}"
        )
    found: dict[str, str] = {}
    for group in _GROUPS:
        for key, value in parser.items(group) if parser.has_section(group) else ():
            name = key.replace("_", "-")
            if name in _WANTED and value is not None:
                found[name] = _plain(value)
    return found


_ESCAPES = {"s": " ", "t": "\t", "n": "\n", "r": "\r", "b": "\b", "\\": "\\"}


def _plain(value: str) -> str:
    """Return a value without its quotes, escapes and, unless it is quoted, its comment."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    else:
        value = re.sub(r"\s*#.*", "", value)
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), value)
