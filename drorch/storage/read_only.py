"""Refuse to change anything: for restores, drills and audits, whatever the credential could do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NoReturn

from drorch.errors import StoreDenied
from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome


class ReadOnlyStore:
    """``store`` without its calls that change it: they raise ``StoreDenied``.

    Every call is spelled out, none is passed on by default: one that joins ``ObjectStore`` is decided here, too.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._store.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:  # noqa: ARG002 - refused before it matters
        """Raise ``StoreDenied``."""
        self._refuse(f"put {name}")

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
        """Raise ``StoreDenied``."""
        self._refuse(f"delete {len(names)} objects")

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        return self._store.locked_until(name)

    def extend_lock(self, name: str, until: datetime) -> None:
        """Raise ``StoreDenied``."""
        self._refuse(f"extend the lock of {name} until {until:%Y-%m-%d}")

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._store.hidden(prefix)

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        return self._store.server_time()

    def close(self) -> None:
        """See ``ObjectStore``."""
        self._store.close()

    def _refuse(self, call: str) -> NoReturn:
        raise StoreDenied(f"{self.address} is open for reading only", expected="calls that read", found=call)
