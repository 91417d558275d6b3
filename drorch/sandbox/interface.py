"""The contract of disposable servers."""

from __future__ import annotations

from collections.abc import Iterable
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
