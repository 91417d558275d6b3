"""Take no more than so many bytes: a spool must not fill the disk of the host that it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

from drorch.errors import StoreFull
from drorch.quantities import format_size
from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome


class BoundedStore:
    """``store`` with no more than ``limit_bytes`` of content; a put beyond that raises ``StoreFull``."""

    def __init__(self, store: ObjectStore, *, limit_bytes: int) -> None:
        self._store = store
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held_bytes: int | None = None

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._store.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        self._book(len(content))
        outcome = PutOutcome.EXISTED
        try:
            outcome = self._store.put_if_absent(name, content)
        finally:
            if outcome is PutOutcome.EXISTED:
                self._book(-len(content))
        return outcome

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        return self._store.read(name, limit_bytes=limit_bytes)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        return self._store.read_range(name, offset, length)

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        return self._store.stat(name)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``."""
        return self._store.list_objects(prefix)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._store.list_folders(prefix)

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``."""
        self._store.delete(names)
        with self._lock:
            self._held_bytes = None  # counted again when it matters

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        return self._store.locked_until(name)

    def extend_lock(self, name: str, until: datetime) -> None:
        """See ``ObjectStore``."""
        self._store.extend_lock(name, until)

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._store.hidden(prefix)

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        return self._store.server_time()

    def close(self) -> None:
        """See ``ObjectStore``."""
        self._store.close()

    def _book(self, size_bytes: int) -> None:
        with self._lock:
            if self._held_bytes is None:
                self._held_bytes = sum(stat.size_bytes for stat in self._store.list_objects(""))
            if size_bytes > 0 and self._held_bytes + size_bytes > self._limit_bytes:
                raise StoreFull(
                    f"{self.address} holds as much as it may",
                    expected=f"at most {format_size(self._limit_bytes)}",
                    found=format_size(self._held_bytes + size_bytes),
                    hint="give `spool:` more room, or bring a store back; what is in it stays",
                )
            self._held_bytes += size_bytes
