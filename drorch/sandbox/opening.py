"""Opens the sandbox that fits an engine, after what dead drills left behind was removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.errors import SourceUnsupported
from drorch.sandbox.ground import Ground
from drorch.sandbox.housing import House, make_house, remove_leftovers
from drorch.sandbox.interface import Sandbox, SandboxLimits, SandboxNeeds
from drorch.sandbox.local_places import local_place
from drorch.sandbox.mariadb_sandbox import mariadb_sandbox
from drorch.sandbox.postgresql_sandbox import postgresql_sandbox
from drorch.sandbox.scratch_server import ScratchLogin, scratch_server

OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 - a directory of our own is made there
LONGEST_SOCKET_BYTES = 107  # of the address of a Unix socket
_SOCKET = "/drorch-sb-xxxxxxxx/s/.s.PGSQL.5432"
_SERVERS = ("postgresql", "mariadb")
_OTHERS = ("sqlite", "files", "command", "file")


@contextmanager
def open_sandbox(ground: Ground, needs: SandboxNeeds, limits: SandboxLimits) -> Iterator[Sandbox]:
    """Yield an empty throw-away place for what is needed, wiped at the end; raise ``SourceUnsupported`` for other engines."""
    for parent in {ground.temporary, OPEN_TO_ALL}:
        remove_leftovers(parent, ground.is_alive)
    if needs.engine in _OTHERS:
        house = make_house(ground.temporary, ground.owner, is_given_away=False)
        with local_place(house, needs.engine) as place:
            yield place
        return
    if needs.engine not in _SERVERS:
        raise SourceUnsupported(
            f"no sandbox for {needs.engine or 'a snapshot that does not name its engine'}",
            expected=", ".join((*_SERVERS, *_OTHERS)),
            found=needs.engine,
        )
    house = make_house(place_of_servers(ground.temporary), ground.owner, is_given_away=True)
    if needs.engine == "mariadb":
        with mariadb_sandbox(house, needs, limits, ground.clock) as mariadb:
            yield mariadb
        return
    with postgresql_sandbox(house, needs, limits, ground.clock, named=ground.postgresql) as postgresql:
        yield postgresql


@contextmanager
def open_scratch_server(
    ground: Ground, login: ScratchLogin, needs: SandboxNeeds, limits: SandboxLimits
) -> Iterator[Sandbox]:
    """Yield a database of our own on a server that drorch.yaml names, dropped at the end; refuses the one that the snapshot is of."""
    house = make_house(ground.temporary, ground.owner, is_given_away=False)
    try:
        with scratch_server(house, login, needs, limits, ground) as sandbox:
            yield sandbox
    finally:
        _forget(house)


def _forget(house: House) -> None:
    """Delete the directory of a sandbox that never began; one with a proof is as it should be."""
    if house.proof is None:
        house.wipe()


def place_of_servers(temporary: Path) -> Path:
    """Return ``temporary``, unless a socket there could not be named, or the servers' account not go there: then /var/tmp."""
    is_short = len(os.fsencode(temporary)) + len(_SOCKET) <= LONGEST_SOCKET_BYTES
    if not is_short or not str(temporary).isascii():
        return OPEN_TO_ALL
    if os.geteuid() == 0 and not all(one.stat().st_mode & stat.S_IXOTH for one in (temporary, *temporary.parents)):
        return OPEN_TO_ALL
    return temporary
