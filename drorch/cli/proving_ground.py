"""Where a restore proves something and is thrown away: a server of the engine, or a place for files, on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.cli.demo_directory import place_for_server
from drorch.policy.model import CommandSource, FilesSource, MariadbSource, PostgresqlSource, SourcePromise, SqliteSource
from drorch.sources.interface import Target
from drorch.wiring import Wiring, throw_away_mariadb, throw_away_postgresql

_DATABASE = "proof"
_SCHEMES: dict[type, str] = {
    SqliteSource: "sqlite",
    FilesSource: "files",
    CommandSource: "file",  # its bytes: where its own restore command leads to is its business, and may be the server in use
}


@contextmanager
def proving_ground(wiring: Wiring, promise: SourcePromise) -> Iterator[Target]:
    """Yield an empty target that fits the source, gone at the end; raise ``SourceUnsupported`` where its server is not installed."""
    source = promise.source
    if isinstance(source, PostgresqlSource):
        with throw_away_postgresql(place_for_server(wiring.temporary())) as server:
            yield wiring.target(server.url(_DATABASE))
    elif isinstance(source, MariadbSource):
        with throw_away_mariadb(place_for_server(wiring.temporary()), wiring.clock) as server:
            yield wiring.target(server.url(_DATABASE))
    else:
        with tempfile.TemporaryDirectory(prefix="proof-", dir=wiring.temporary()) as place:
            yield wiring.target(f"{_SCHEMES[type(source)]}://{Path(place) / _DATABASE}")
