"""Pass every call on: what wraps a store says only what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome


class PassingStore:
    """``store``, call by call."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._store.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        return self._store.put_if_absent(name, content)

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
