"""Count what a store is asked: for the budgets of requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome

Item = TypeVar("Item")

# What one request of S3 lists or deletes at most; a directory needs none, and is counted alike.
PER_REQUEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What went to and came from a store: requests by verb (``put``, ``read``, ...) and bytes of content."""

    requests: Mapping[str, int] = field(default_factory=dict)
    sent_bytes: int = 0
    received_bytes: int = 0

    @property
    def request_count(self) -> int:
        """All requests."""
        return sum(self.requests.values())

    def since(self, earlier: Traffic) -> Traffic:
        """Return what was added after ``earlier``."""
        requests = {verb: count - earlier.requests.get(verb, 0) for verb, count in self.requests.items()}
        return Traffic(
            requests={verb: count for verb, count in requests.items() if count},
            sent_bytes=self.sent_bytes - earlier.sent_bytes,
            received_bytes=self.received_bytes - earlier.received_bytes,
        )


class RecordingStore:
    """``store``, counted. Around a ``RetryingStore`` it counts what was wanted, inside one what it took."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._requests: dict[str, int] = {}
        self._sent_bytes = 0
        self._received_bytes = 0

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._store.address

    @property
    def traffic(self) -> Traffic:
        """What has gone through so far, failed requests included."""
        with self._lock:
            return Traffic(
                requests=MappingProxyType(dict(sorted(self._requests.items()))),
                sent_bytes=self._sent_bytes,
                received_bytes=self._received_bytes,
            )

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        self._count("put", sent_bytes=len(content))
        return self._store.put_if_absent(name, content)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        self._count("read")
        content = self._store.read(name, limit_bytes=limit_bytes)
        self._count("read", requests=0, received_bytes=len(content))
        return content

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        self._count("read_range")
        content = self._store.read_range(name, offset, length)
        self._count("read_range", requests=0, received_bytes=len(content))
        return content

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        self._count("stat")
        return self._store.stat(name)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``; a request for each thousand objects."""
        yield from self._counted(self._store.list_objects(prefix))

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``; a request for each thousand folders."""
        yield from self._counted(self._store.list_folders(prefix))

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``; a request for each thousand names."""
        self._count("delete", requests=-(-len(names) // PER_REQUEST))
        self._store.delete(names)

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        self._count("locked_until")
        return self._store.locked_until(name)

    def extend_lock(self, name: str, until: datetime) -> None:
        """See ``ObjectStore``."""
        self._count("extend_lock")
        self._store.extend_lock(name, until)

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        yield from self._counted(self._store.hidden(prefix))

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        self._count("server_time")
        return self._store.server_time()

    def close(self) -> None:
        """See ``ObjectStore``."""
        self._store.close()

    def _counted(self, listing: Iterator[Item]) -> Iterator[Item]:
        self._count("list")  # an empty listing is asked for too
        for number, item in enumerate(listing, start=1):
            if number > 1 and number % PER_REQUEST == 1:
                self._count("list")
            yield item

    def _count(self, verb: str, *, requests: int = 1, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        with self._lock:
            if requests:
                self._requests[verb] = self._requests.get(verb, 0) + requests
            self._sent_bytes += sent_bytes
            self._received_bytes += received_bytes
