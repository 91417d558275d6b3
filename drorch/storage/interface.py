"""The contract between drorch and any store of objects.

Promises that every implementation keeps and ``tests/contract/test_object_store.py`` (which is also
``drorch store validate``) checks:

* *Durable when it returns.* ``put_if_absent`` returns only when the object would survive a crash of this
  process and of the store.
* *Put-if-absent.* Of any number of concurrent puts under one name exactly one is ``CREATED``; objects never
  change afterwards. A put whose answer was lost and that is repeated reports ``EXISTED``: the caller, who
  knows what the name must hold, compares.
* *Read after write.* Once a put has returned, every read, stat and list sees the object.
* *All or nothing.* ``read_range`` returns exactly the bytes asked for, or raises: never fewer.
* *Locks.* In a store that locks objects none is deleted before its lock ends (``StoreDenied``), and no lock is ever made shorter.
* *Versions.* Where a deletion only hides (a bucket with versions), ``delete`` deletes what is hidden too, and an object that somebody
  hid is read nevertheless, as far as the credential may.
* *Only our errors* leave: ``ObjectMissing``, ``StoreUnavailable`` (retryable), ``StoreDenied``, ``StoreMissing``,
  ``StoreFull``, ``StoreUnfit``, ``ObjectCorrupt`` (shorter or longer than asked for), plain ``StoreError`` for what is
  none of these; errors raised while iterating a listing included.
* *Threads.* All calls may be made from several threads at once.

Names are relative to the repository's prefix, lower-case ASCII, at most 200 bytes, built by ``format.names``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol, TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview


class PutOutcome(Enum):
    """What a put found."""

    CREATED = "created"
    EXISTED = "existed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """One object of a listing: its name, its size in bytes, the store's date of it (aware, UTC)."""

    name: str
    size_bytes: int
    stored_at: datetime


class ObjectStore(Protocol):
    """A flat space of named, immutable objects. See the module's promises."""

    @property
    def address(self) -> str:
        """What a person would type to mean this store: ``s3://bucket/prefix``, ``/srv/drorch``."""
        ...

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """Store ``content`` under ``name`` unless something is there; at most 64 MiB, in one request."""
        ...

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """Return the whole object; raise ``ObjectMissing``, or ``ObjectCorrupt`` when it is longer than the limit."""
        ...

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes (at least 1) from ``offset``.

        Raises ``ObjectMissing``, or ``ObjectCorrupt`` when the object is too short.
        """
        ...

    def stat(self, name: str) -> ObjectStat:
        """Return size and date; raise ``ObjectMissing``."""
        ...

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """Yield every object whose name starts with ``prefix`` once; within one folder by name ascending.

        Whether ``a.b/c`` comes before or after ``a/c`` differs between servers, and is the same each time.
        """
        ...

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Yield, ascending, each distinct ``prefix`` + next path segment + ``/`` below which objects lie.

        ``list_folders("l/")`` yields ``l/<lane>/`` once per lane, without listing what is inside.
        """
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete the objects; names that are not there are no error."""
        ...

    def locked_until(self, name: str) -> datetime | None:
        """Return when the lock of the object ends (it may be over), ``None`` when it has none; raise ``ObjectMissing``."""
        ...

    def extend_lock(self, name: str, until: datetime) -> None:
        """Lock the object until then, if it is not locked longer; raise ``ObjectMissing``, ``StoreUnfit`` where nothing can be locked."""
        ...

    def hidden(self, prefix: str) -> Iterator[str]:
        """Yield the names under which a deletion hides an object that is still there; none in a store without versions."""
        ...

    def server_time(self) -> datetime:
        """Return the store's clock (aware, UTC); ``StoreUnavailable`` when it cannot be asked."""
        ...

    def close(self) -> None:
        """Release connections; the store is not used afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One promise, and what the store made of it. ``name`` is stable."""

    name: str
    passed: bool
    expected: str
    found: str
