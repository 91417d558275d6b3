"""A sandbox on a server that drorch.yaml names: a database of its own there, dropped at the end with the roles that came with it.

drorch does not run that server and cannot cut it off: the report says so. One drill at a time uses it, or the roles of two would mix.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from drorch.clock import Clock
from drorch.errors import DrorchError, TargetUnreachable, UsageInvalid
from drorch.sandbox.ground import Ground
from drorch.sandbox.housing import NOTE, House, dead_houses
from drorch.sandbox.interface import Isolation, SandboxLimits, SandboxNeeds, WipeProof
from drorch.sandbox.scratch_words import Words

PREFIX = "drorch_drill_"
_ISOLATION = Isolation(
    has_no_network=False,
    account="",
    means=(
        "a server that drorch did not start and cannot cut off",
        "subscriptions and events come disabled, passwords of mappings blank",
    ),
)


class AsksServer(Protocol):
    """Runs one statement on the server, as the account of drorch.yaml."""

    def __call__(self, sql: str, /) -> list[list[str]]:
        """Return its rows as text; raises our errors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchLogin:
    """A named scratch server. ``url_of`` gives the address of one of its databases."""

    name: str
    product: str
    words: Words
    ask: AsksServer
    url_of: Callable[[str], str]
    password: Callable[[], str] | None


@dataclass(slots=True)
class ScratchServer:
    """See ``Sandbox``."""

    login: ScratchLogin
    database: str
    roles_before: frozenset[str]
    house: House
    version: str
    lacks: tuple[str, ...] = ()
    is_throw_away: bool = False
    is_out_of_time: bool = False
    isolation: Isolation = _ISOLATION

    @property
    def description(self) -> str:
        """See ``Sandbox``."""
        return f"scratch server {self.login.name} ({self.login.product} {self.version}), network not cut"

    @property
    def url(self) -> str:
        """See ``Sandbox``."""
        return self.login.url_of(self.database)

    @property
    def reference_url(self) -> str:
        """See ``Sandbox``."""
        return self.login.url_of(f"{self.database}__reference")

    @property
    def password(self) -> Callable[[], str] | None:
        """See ``Sandbox``."""
        return self.login.password

    @property
    def scratch(self) -> Path:
        """See ``Sandbox``."""
        return self.house.scratch

    def stop(self) -> None:
        """See ``Sandbox``."""
        with contextlib.suppress(DrorchError):
            for name in _with_prefix(_names(self.login, self.login.words.databases), self.database):
                _end_sessions(self.login, name)

    def wipe(self) -> WipeProof:
        """See ``Sandbox``."""
        if self.house.proof is None:
            dropped, left = _drop(self.login, self.database, self.roles_before)
            if left:  # who comes next finds the note, and tries again
                self.house.proof = WipeProof(databases=dropped, left=left)
            else:
                self.house.wipe(databases=dropped)
        assert self.house.proof is not None
        return self.house.proof


@contextmanager
def scratch_server(
    house: House, login: ScratchLogin, needs: SandboxNeeds, limits: SandboxLimits, ground: Ground
) -> Iterator[ScratchServer]:
    """Yield a name for a database that is not there yet; drop what came under it at the end.

    Raises ``UsageInvalid`` for the server that the snapshot is of, and what the server raises.
    """
    _require_another(login, needs.server_identity)
    with _alone(ground.temporary / f"scratch-{login.name}.lock", limits.seconds, ground.clock):
        for dead in dead_houses(ground.temporary, ground.is_alive):
            _take_up(dead, login)
        database = PREFIX + house.directory.name.rpartition("-")[2]
        roles = frozenset(_names(login, login.words.roles))
        note = {"server": login.name, "database": database, "roles": sorted(roles)}
        (house.directory / NOTE).write_text(json.dumps(note), encoding="utf-8")
        sandbox = ScratchServer(login, database, roles, house, _names(login, login.words.version)[0])
        try:
            yield sandbox
        finally:
            sandbox.wipe()


def _require_another(login: ScratchLogin, identity: str) -> None:
    if identity and login.words.identity and _names(login, login.words.identity) == [identity]:
        raise UsageInvalid(
            f"{login.name} is the server that this was backed up from",
            expected="a server that nobody works with",
            found=f"system identifier {identity}, as at the backup",
            hint="name another server in `sandboxes:`; a physical copy of the source's has its identifier, too",
        )


def _take_up(dead: House, login: ScratchLogin) -> None:
    """Finish what a drill that was killed left on this server."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        note = json.loads((dead.directory / NOTE).read_text(encoding="utf-8"))
        if note["server"] == login.name:
            dropped, left = _drop(login, str(note["database"]), frozenset(map(str, note["roles"])))
            if not left:
                dead.wipe(databases=dropped)


def _drop(login: ScratchLogin, database: str, roles_before: frozenset[str]) -> tuple[int, tuple[str, ...]]:
    """Drop every database of that name, those of an unfinished restore included, and the roles that were not there; say what stays."""
    words, left, dropped = login.words, [], 0
    try:
        for name in _with_prefix(_names(login, words.databases), database):
            _end_sessions(login, name)
            dropped += _run(login, words.drop_database(name))
        for role in sorted(frozenset(_names(login, words.roles)) - roles_before):
            _run(login, words.drop_role(role))
        left += [f"database {name} on {login.name}" for name in _with_prefix(_names(login, words.databases), database)]
        left += [
            f"role {role} on {login.name}" for role in sorted(frozenset(_names(login, words.roles)) - roles_before)
        ]
    except DrorchError as error:
        left.append(f"database {database} on {login.name}, which could not be asked: {error.message}")
    return dropped, tuple(left)


def _end_sessions(login: ScratchLogin, database: str) -> None:
    for statement in _names(login, login.words.sessions_in(database)):
        _run(login, statement)


def _run(login: ScratchLogin, statement: str) -> bool:
    """Run a statement; what it could not do is seen afterwards."""
    with contextlib.suppress(DrorchError):
        login.ask(statement)
        return True
    return False


def _names(login: ScratchLogin, question: str) -> list[str]:
    return [row[0] for row in login.ask(question)]


def _with_prefix(names: Sequence[str], database: str) -> list[str]:
    return [name for name in names if name == database or name.startswith(f"{database}__")]


@contextmanager
def _alone(path: Path, seconds: float, clock: Clock) -> Iterator[None]:
    """Wait until no other drill of this machine uses the server."""
    deadline = clock.monotonic_seconds() + seconds
    with path.open("w", encoding="utf-8") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if clock.monotonic_seconds() > deadline:
                    raise TargetUnreachable("another drill uses the scratch server all the time") from error
                clock.sleep(0.2)
            else:
                break
        yield


def server_url(scheme: str, user: str | None, host: str, port: int | None, database: str) -> str:
    """Return an address for ``--to``; a host that begins with a slash is the directory of a socket."""
    account = f"{quote(user, safe='')}@" if user else ""
    if host.startswith("/"):
        word = "host" if scheme == "postgresql" else "socket"
        more = f"&port={port}" if port and scheme == "postgresql" else ""
        return f"{scheme}://{account}/{quote(database, safe='')}?{word}={quote(host)}{more}"
    return f"{scheme}://{account}{host}{f':{port}' if port else ''}/{quote(database, safe='')}"
