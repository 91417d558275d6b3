"""One transaction of one session, offered as streams."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import Bug, CaptureFailed, SourceStalled
from drorch.quantities import counted, format_duration
from drorch.sources.contract.definitions import storable
from drorch.sources.interface import Bytes, Json, RowFormat, StreamKind, StreamSpec
from drorch.sources.mariadb.definitions import encode_schema
from drorch.sources.mariadb.failures import ServerRefused, mapped
from drorch.sources.mariadb.inventory import Table
from drorch.sources.mariadb.quoting import printable
from drorch.sources.mariadb.session import Session, as_text
from drorch.sources.mariadb.snapshot import Snapshot

SCHEMA_STREAM = "schema"
ROLES_STREAM = "roles"
_LONGEST_PROBE_ANSWER = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What ``source`` has prepared. ``taken`` are the tables whose rows are read; ``accounts`` is the ``roles`` stream."""

    session: Session
    locks: Session | None
    snapshot: Snapshot
    taken: Sequence[Table]
    accounts: bytes | None
    facts: Mapping[str, Json]
    began_seconds: float


class MariadbCapture:
    """See ``Capture``. Made by ``MariadbSource.capture`` with the transaction open."""

    def __init__(self, opened: Opened, *, address: str, clock: Clock, max_age_seconds: int) -> None:
        self._opened = opened
        self._session = opened.session
        self._address = address
        self._clock = clock
        self._max_age_seconds = max_age_seconds
        self._tables = {f"table/{printable(table.name)}": table for table in _uncovered_first(opened.taken)}
        self._locked = {name for name, table in self._tables.items() if not table.is_covered}
        self._is_aborted = False

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        return self._opened.facts

    @property
    def restore_point(self) -> datetime:
        """The server's clock when the snapshot was taken."""
        return self._opened.snapshot.taken_at

    @property
    def parallel(self) -> int:
        """One: MariaDB lets no other session see the same snapshot."""
        return 1

    def streams(self) -> Sequence[StreamSpec]:
        """See ``Capture``: ``schema``, ``roles``, ``table/NAME``: tables under a lock first, then by name."""
        schema = encode_schema(self._opened.snapshot.schema)
        found = [StreamSpec(name=SCHEMA_STREAM, kind=StreamKind.SCHEMA, estimated_bytes=len(schema))]
        if self._opened.accounts is not None:
            found.append(
                StreamSpec(name=ROLES_STREAM, kind=StreamKind.ROLES, estimated_bytes=len(self._opened.accounts))
            )
        return [
            *found,
            *(
                StreamSpec(
                    name=name,
                    kind=StreamKind.TABLE,
                    estimated_bytes=table.size_bytes,
                    row_format=RowFormat.PREFIXED,
                    attributes=table.attributes(),
                )
                for name, table in self._tables.items()
            ),
        ]

    @contextmanager
    def open(self, stream: StreamSpec) -> Iterator[Iterator[Bytes]]:
        """See ``Capture``."""
        if stream.name == SCHEMA_STREAM:
            yield storable([encode_schema(self._opened.snapshot.schema)])
            return
        if stream.name == ROLES_STREAM and self._opened.accounts is not None:
            yield storable([self._opened.accounts])
            return
        if stream.name not in self._tables:
            raise Bug(f"no stream {stream.name} in this capture")
        pieces = self._pieces(stream.name, self._tables[stream.name])
        try:
            yield pieces
        finally:
            pieces.close()

    def ask(self, sql: str) -> str:
        """See ``Capture``; bytes that are no text come as hexadecimal digits."""
        with mapped("a probe"):
            try:
                rows = self._session.run(sql)
                inside = self._session.value("SELECT @@in_transaction")
            except ServerRefused as error:
                raise CaptureFailed(
                    f"the server refused the probe: {sql[:80]}", found=str(error), hint="a probe is one SELECT"
                ) from error
        if inside != "1":
            raise CaptureFailed(f"the probe ended the snapshot: {sql[:80]}", hint="a probe is one SELECT")
        if len(rows) != 1 or len(rows[0]) != 1:
            raise CaptureFailed(
                f"a probe must yield one value: {sql[:80]}",
                expected="one row of one column",
                found=f"{counted(len(rows), 'row')} of {counted(len(rows[0]) if rows else 0, 'column')}",
            )
        return _shown(rows[0][0])

    def closing_facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        return {"snapshot_held_seconds": int(self._clock.monotonic_seconds() - self._opened.began_seconds)}

    def abort(self) -> None:
        """See ``Capture``."""
        self._is_aborted = True
        self._session.abort()

    def _pieces(self, name: str, table: Table) -> Generator[Bytes, None, None]:
        with mapped(f"reading {table.name}"):
            for piece in self._session.stream(table.select()):
                self._require_young()
                yield piece
        self._unlock_after(name)

    def _unlock_after(self, name: str) -> None:
        """Let writers on as soon as the last table that no snapshot covers has been read."""
        if name in self._locked and self._opened.locks is not None:
            self._locked.remove(name)
            if not self._locked:
                with mapped("releasing the lock"):
                    self._opened.locks.run("UNLOCK TABLES")

    def _require_young(self) -> None:
        if self._is_aborted:
            raise CaptureFailed(f"{self._address}: the capture was stopped")
        if self._clock.monotonic_seconds() - self._opened.began_seconds > self._max_age_seconds:
            raise SourceStalled(
                "the capture is older than it may become",
                expected=f"at most {format_duration(self._max_age_seconds)} (max_snapshot_age)",
                hint="it would keep the server from purging old rows; raise max_snapshot_age or find what slows the run",
            )


def _uncovered_first(tables: Sequence[Table]) -> list[Table]:
    return sorted(tables, key=lambda table: table.is_covered)  # stable: by name within each


def _shown(value: bytes | None) -> str:
    if value is None:
        return ""
    text = as_text(value[:_LONGEST_PROBE_ANSWER])
    return text if text.isprintable() else value[:_LONGEST_PROBE_ANSWER].hex()
