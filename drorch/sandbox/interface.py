"""The contract of disposable servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ThrowAwayServer(Protocol):
    """A running server that nobody else can reach; its superuser needs no password. It ends with the context that gave it."""

    @property
    def directory(self) -> Path:
        """Where its socket lies."""
        ...

    @property
    def port(self) -> int:
        """The number in the socket's name."""
        ...

    @property
    def programs(self) -> Path:
        """The folder of the engine's programs."""
        ...

    def url(self, database: str) -> str:
        """Return the address of a database, fit for ``--to``."""
        ...

    def execute(self, database: str, script: Iterable[str]) -> None:
        """Run a script of SQL, COPY data included; raise ``TargetUnreachable`` at its first error."""
        ...


class ThrowAwayMariadb(Protocol):
    """A running MariaDB that nobody else can reach; ``root`` needs no password. It ends with the context that gave it."""

    @property
    def socket(self) -> Path:
        """Where it listens."""
        ...

    def url(self, database: str) -> str:
        """Return the address of a database, fit for ``--to``."""
        ...

    def execute(self, database: str, script: Iterable[str]) -> None:
        """Run a script of SQL; raise ``TargetUnreachable`` at its first error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One name in a tree of files: an empty directory unless more is said.

    With ``content`` it is a file, with ``says`` a symbolic link, with ``same_as`` one more name of a file that came before.
    """

    name: bytes
    content: bytes | None = None
    says: bytes | None = None
    same_as: bytes | None = None
    mode: int = 0o644
    modified_ns: int | None = None
