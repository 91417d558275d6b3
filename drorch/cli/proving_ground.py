"""Where a restore proves something and is thrown away: a server of the engine, or a place for files, on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.cli.demo_directory import place_for_server
from drorch.errors import SourceUnsupported
from drorch.policy.model import FilesSource, PostgresqlSource, SourcePromise, SqliteSource
from drorch.sources.interface import Target
from drorch.wiring import Wiring, throw_away_postgresql

_DATABASE = "proof"


@contextmanager
def proving_ground(wiring: Wiring, promise: SourcePromise) -> Iterator[Target]:
    """Yield an empty target that fits the source, gone at the end; raise ``SourceUnsupported`` for engines that have none here."""
    source = promise.source
    if isinstance(source, PostgresqlSource):
        with throw_away_postgresql(place_for_server(wiring.temporary())) as server:
            yield wiring.target(server.url(_DATABASE))
    elif isinstance(source, SqliteSource | FilesSource):
        with tempfile.TemporaryDirectory(prefix="proof-", dir=wiring.temporary()) as place:
            scheme = "sqlite" if isinstance(source, SqliteSource) else "files"
            yield wiring.target(f"{scheme}://{Path(place) / _DATABASE}")
    else:
        raise SourceUnsupported(
            f"{promise.address}: this version has no throw-away place to restore {source.engine} into",
            expected="postgresql, sqlite or files",
            found=source.engine,
            hint="a source is closed only when its final snapshot was restored; back it up and keep it open until then",
        )
