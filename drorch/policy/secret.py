"""Secrets by reference. A policy or drorch.yaml says where a secret lies, never what it is.

``file:NAME`` is relative to drorch.yaml, ``env:NAME`` an environment variable, ``credential:NAME`` a credential
that systemd hands to the service. ``Settings.reveal`` turns a reference into a ``Secret``; nothing else does.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from drorch.errors import SecretUnavailable

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class SecretPlace(Enum):
    """Where a secret can lie."""

    FILE = "file"
    ENVIRONMENT = "env"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret lies. Safe to print: it never holds the secret."""

    place: SecretPlace
    name: str

    def __str__(self) -> str:
        return f"{self.place.value}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> SecretReference | None:
        """Return the reference that ``text`` spells; ``None`` when it is anything else, such as the secret itself."""
        prefix, colon, name = text.partition(":")
        if not colon or not name or name != name.strip() or "\x00" in name:
            return None
        if prefix == "file":
            return cls(SecretPlace.FILE, name)
        if prefix == "env" and _ENVIRONMENT_NAME.fullmatch(name):
            return cls(SecretPlace.ENVIRONMENT, name)
        if prefix == "credential" and _CREDENTIAL_NAME.fullmatch(name):
            return cls(SecretPlace.CREDENTIAL, name)
        return None


class Secret:
    """The secret itself: it does not print, format, pickle or compare in a way that leaks.

    ``content`` gives the bytes as they lie there, ``text`` the same as UTF-8 without one final line end.
    """

    __slots__ = ("_content", "_origin")

    def __init__(self, content: bytes, origin: str = "") -> None:
        self._content = content
        self._origin = origin

    def content(self) -> bytes:
        """Return the exact bytes."""
        return self._content

    def text(self) -> str:
        """Return the secret as text; raise ``SecretUnavailable`` when it is not one line of UTF-8."""
        try:
            text = self._content.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        line = text.removesuffix("\n").removesuffix("\r")
        if not line or "\n" in line or "\x00" in line:
            raise SecretUnavailable(
                f"the secret {self._origin or 'given'} is not a password",
                expected="one line of UTF-8 text, not empty",
                found=f"{len(self._content)} bytes",
            ) from None
        return line

    def __repr__(self) -> str:
        return "Secret(...)"

    def __format__(self, format_spec: str) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._content, other._content)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
