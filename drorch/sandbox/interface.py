"""The contract of disposable places: servers, files and directories that are made to be filled, looked at and thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

GIBIBYTE = 1 << 30
Cuts: TypeAlias = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Is told how to end something from another thread, for as long as it lasts."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxNeeds:
    """What a snapshot needs of a place to be restored into. ``server_version`` is as the source's server says it, ``15.18``.

    ``server_identity`` is that of the source's server, on which nothing may be restored; ``locale_provider`` is PostgreSQL's: ``libc``, ``icu`` or ``builtin``.
    """

    engine: str
    server_version: str = ""
    extensions: tuple[str, ...] = ()
    locale_provider: str = ""
    server_identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a sandbox may use: time as a whole, and memory for each of its processes. Nothing of it may dump core."""

    seconds: float = 24 * 3600.0
    memory_bytes: int = 8 * GIBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How far a sandbox is cut off. ``has_no_network`` holds only when the kernel keeps it from every network, its own machine's too.

    ``account`` is who its programs run as; empty where it has none.
    """

    has_no_network: bool
    account: str
    means: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeProof:
    """What was found and removed at the end. ``left`` names whatever is still there, and is empty when nothing is."""

    processes: int = 0
    files: int = 0
    bytes: int = 0
    databases: int = 0
    left: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not self.left


class Sandbox(Protocol):
    """A disposable place of one engine, empty when it is given. It is wiped at the end of the context that gave it, whatever happened.

    One thread opens it and stays until the end: the system ends its server when that thread is gone.
    """

    @property
    def description(self) -> str:
        """What is shown to people: ``throw-away PostgreSQL 15.18, no network``."""
        ...

    @property
    def url(self) -> str:
        """The address of the one database, file, directory or place, fit for ``--to``; it does not exist yet."""
        ...

    @property
    def reference_url(self) -> str:
        """The address of a second database on the same server, wiped with the first; empty where there is no server."""
        ...

    @property
    def password(self) -> Callable[[], str] | None:
        """The password for ``url``, where one is needed."""
        ...

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the snapshot needs and this place does not have; a verdict about a place that lacks anything is inconclusive."""
        ...

    @property
    def isolation(self) -> Isolation:
        """How far it is cut off."""
        ...

    @property
    def version(self) -> str:
        """Which version of the engine is there; empty where there is no server."""
        ...

    @property
    def is_throw_away(self) -> bool:
        """Whether drorch made it, and nobody else has anything in it."""
        ...

    @property
    def is_out_of_time(self) -> bool:
        """Whether its limit of time has passed, and it was ended for it."""
        ...

    @property
    def scratch(self) -> Path:
        """A directory of this account in the sandbox, wiped with it; for what a scenario brings along."""
        ...

    def stop(self) -> None:
        """End whatever works in it, so that who waits for that goes on; from any thread. It is wiped all the same."""
        ...

    def wipe(self) -> WipeProof:
        """End and delete everything, look whether anything is left, and say so; a second call gives the same proof."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshEnd:
    """How a drorch that knew nothing ended. ``hides`` tells whether this machine's own settings and state were out of its sight."""

    code: int
    answer: str
    complaint: str
    hides: bool


class RunsAfresh(Protocol):
    """Runs drorch in a process, and a home, that know nothing of this installation."""

    def __call__(
        self, words: Sequence[str], *, home: Path, answer: str, variables: Mapping[str, str], cuts: Cuts
    ) -> FreshEnd:
        """Run ``drorch WORDS`` and wait for its end; ``answer`` is its standard input, ``cuts`` is told how to end it."""
        ...
