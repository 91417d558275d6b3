"""A store in this process's memory: the reference for what a store does, and the quickest one for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import ObjectCorrupt, ObjectMissing, StoreDenied, StoreUnfit
from drorch.policy.locks import LockRule
from drorch.storage.interface import Bytes, ObjectStat, PutOutcome
from drorch.storage.names import check_content, check_name, check_prefix, check_range, folder_below


@dataclass(frozen=True, slots=True)
class _Stored:
    content: bytes
    stored_at: datetime
    locked_until: datetime | None


class MemoryStore:
    """Objects in a dictionary; gone with the process. With ``lock`` each is locked when it is put."""

    def __init__(self, clock: Clock, address: str = "memory:", lock: LockRule | None = None) -> None:
        self._address = address
        self._rule = lock
        self._clock = clock
        self._lock = threading.Lock()
        self._objects: dict[str, _Stored] = {}

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        check_content(name, len(content))
        now = self._clock.now()
        stored = _Stored(bytes(content), now, None if self._rule is None else self._rule.at_put(now))
        with self._lock:
            return PutOutcome.CREATED if self._objects.setdefault(name, stored) is stored else PutOutcome.EXISTED

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        content = self._find(name).content
        if len(content) > limit_bytes:
            raise ObjectCorrupt(
                f"{name} is too long", expected=f"<= {limit_bytes} bytes", found=f"{len(content)} bytes"
            )
        return content

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        check_range(name, offset, length)
        content = self._find(name).content
        if offset + length > len(content):
            raise ObjectCorrupt(
                f"{name} is too short", expected=f">= {offset + length} bytes", found=f"{len(content)} bytes"
            )
        return content[offset : offset + length]

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        stored = self._find(name)
        return ObjectStat(name=name, size_bytes=len(stored.content), stored_at=stored.stored_at)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        with self._lock:
            found = [(name, self._objects[name]) for name in sorted(self._objects) if name.startswith(prefix)]
        for name, stored in found:
            yield ObjectStat(name=name, size_bytes=len(stored.content), stored_at=stored.stored_at)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        folders = {folder_below(prefix, stat.name) for stat in self.list_objects(prefix)}
        yield from sorted(folder for folder in folders if folder is not None)

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``."""
        for name in names:
            check_name(name)
        locked = [name for name in names if self._is_locked(name)]
        with self._lock:
            for name in set(names).difference(locked):
                self._objects.pop(name, None)
        if locked:
            raise StoreDenied(f"{self._address} keeps {locked[0]}", expected="no lock", found="one that has not ended")

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        return self._find(name).locked_until

    def extend_lock(self, name: str, until: datetime) -> None:
        """See ``ObjectStore``."""
        if self._rule is None:
            raise StoreUnfit(f"{self._address} locks nothing", expected="a lock rule", found="none")
        found = self._find(name)
        if found.locked_until is None or found.locked_until < until:
            with self._lock:
                self._objects[name] = replace(found, locked_until=until)

    def hidden(self, prefix: str) -> Iterator[str]:
        """Yield nothing: what is deleted is gone."""
        check_prefix(prefix)
        yield from ()

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        return self._clock.now()

    def close(self) -> None:
        """Do nothing: what was put stays, so that a test can open the store again."""

    def _is_locked(self, name: str) -> bool:
        with self._lock:
            found = self._objects.get(name)
        return found is not None and found.locked_until is not None and found.locked_until > self._clock.now()

    def _find(self, name: str) -> _Stored:
        check_name(name)
        with self._lock:
            stored = self._objects.get(name)
        if stored is None:
            raise ObjectMissing(f"{name} is not in {self._address}")
        return stored
