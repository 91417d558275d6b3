"""Take no more than so many bytes: a spool must not fill the disk of the host that it serves."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from drorch.errors import StoreFull
from drorch.quantities import format_size
from drorch.storage.interface import Bytes, ObjectStore, PutOutcome
from drorch.storage.passing import PassingStore


class BoundedStore(PassingStore):
    """``store`` with no more than ``limit_bytes`` of content; a put beyond that raises ``StoreFull``."""

    def __init__(self, store: ObjectStore, *, limit_bytes: int) -> None:
        super().__init__(store)
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held_bytes: int | None = None

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

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``."""
        self._store.delete(names)
        with self._lock:
            self._held_bytes = None  # counted again when it matters

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
