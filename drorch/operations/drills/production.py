"""A scratch server must not be one that somebody works with: no source of any policy may lie on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drorch.errors import UsageInvalid
from drorch.policy.installation import Sandbox
from drorch.policy.model import MariadbSource, Policy, PostgresqlSource

_USUAL_PORTS = {"postgresql": 5432, "mariadb": 3306}
_HERE = ("", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a server listens; ``socket`` is a directory (PostgreSQL) or a file (MariaDB)."""

    engine: str
    host: str
    port: int
    socket: str = ""

    def may_be(self, other: _Place) -> bool:
        """Whether both could be one server: two sockets are compared by name, all else on this machine by port."""
        if (self.engine, self.host) != (other.engine, other.host):
            return False
        if self.socket and other.socket and self.socket != other.socket:
            return False
        return self.port == other.port


def require_no_production(sandbox: Sandbox, policies: Iterable[Policy]) -> None:
    """Raise ``UsageInvalid`` when a policy backs something up from that server; what its own address hides, the server itself is asked."""
    place = _place(sandbox.engine, sandbox.host, sandbox.port)
    for policy in policies:
        for promise in policy.promises:
            source = promise.source
            if isinstance(source, PostgresqlSource | MariadbSource) and _of(source).may_be(place):
                raise UsageInvalid(
                    f"{sandbox.name} is no scratch server: {promise.address} is backed up from it",
                    expected="a server that nobody works with",
                    found=f"the server of policy {policy.name}",
                    hint="name another server in `sandboxes:`, or let `sandbox: auto` start one",
                )


def _of(source: PostgresqlSource | MariadbSource) -> _Place:
    if isinstance(source, MariadbSource) and source.socket:
        return _place(source.engine, source.socket, source.port)
    return _place(source.engine, source.host, source.port)


def _place(engine: str, host: str | None, port: int | None) -> _Place:
    named, number = (host or "").lower().rstrip("."), port or _USUAL_PORTS[engine]
    if named.startswith("/"):
        return _Place(engine, "localhost", number, socket=(host or "").rstrip("/"))
    if named in _HERE or named.startswith("127."):
        return _Place(engine, "localhost", number)
    return _Place(engine, named, number)
