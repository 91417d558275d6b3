"""Two views of stores, so that the copier that fills a store over the line fills one over a medium, too.

*Export* copies from the near store into ``Layered``: what the other side has is taken for there (its bytes are those of the near store, under the
same name), everything else lands on the medium. *Ingest* copies from ``Layered``: what is sealed on the medium, and below it what the far store has already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from drorch.errors import Bug, ObjectCorrupt, ObjectMissing
from drorch.format.courier import Carried
from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome


class SealedMedium:
    """The objects of a medium that its list names, each compared with the list whenever it is read."""

    def __init__(self, store: ObjectStore, objects: Mapping[str, Carried]) -> None:
        self._store = store
        self._objects = objects

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        carried = self._objects.get(name)
        if carried is None:
            raise ObjectMissing(f"{name} is not on {self._store.address}")
        content = self._store.read(name, limit_bytes=min(limit_bytes, max(1, carried.size_bytes)))
        if len(content) != carried.size_bytes or hashlib.sha256(content).digest() != carried.digest.raw:
            raise ObjectCorrupt(f"{name} on {self._store.address} is not what was sealed")
        return content

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``."""
        return (stat for stat in self._store.list_objects(prefix) if stat.name in self._objects)


class Layered:
    """An ``ObjectStore`` of two: ``upper``, and below it the names of ``lower`` that it ``sees``. Puts go to ``upper_puts``."""

    def __init__(
        self,
        upper: SealedMedium | ObjectStore,
        lower: ObjectStore,
        *,
        sees: Callable[[str], bool] = lambda _name: True,
        puts: ObjectStore | None = None,
    ) -> None:
        self._upper = upper
        self._lower = lower
        self._sees = sees
        self._puts = puts

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._lower.address if self._puts is None else self._puts.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``; what is seen below is there already."""
        if self._puts is None:
            raise Bug(f"a put of {name} into a source")
        return PutOutcome.EXISTED if self._is_below(name) else self._puts.put_if_absent(name, content)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        try:
            return self._upper.read(name, limit_bytes=limit_bytes)
        except ObjectMissing:
            if not self._sees(name):
                raise
            return self._lower.read(name, limit_bytes=limit_bytes)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Raise ``Bug``: a copier reads whole objects."""
        raise Bug(f"a range of {name} at {offset}, {length} bytes")

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        found = next((stat for stat in self.list_objects(name) if stat.name == name), None)
        if found is None:
            raise ObjectMissing(f"{name} is not in {self.address}")
        return found

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``; the names of the upper store first."""
        seen: set[str] = set()
        for stat in self._upper.list_objects(prefix):
            seen.add(stat.name)
            yield stat
        yield from (
            stat for stat in self._lower.list_objects(prefix) if self._sees(stat.name) and stat.name not in seen
        )

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        rests = (stat.name[len(prefix) :].partition("/") for stat in self.list_objects(prefix))
        yield from sorted({f"{prefix}{head}/" for head, slash, _ in rests if slash})

    def delete(self, names: Sequence[str]) -> None:
        """Raise ``Bug``: a copier deletes nothing."""
        raise Bug(f"a deletion of {len(names)} objects")

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        return self._lower.locked_until(name)

    def extend_lock(self, name: str, until: datetime) -> None:
        """Raise ``Bug``: a copier extends no lock."""
        raise Bug(f"a lock of {name} until {until}")

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._lower.hidden(prefix)

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        return self._lower.server_time()

    def close(self) -> None:
        """Do nothing: both stores are others' to close."""

    def _is_below(self, name: str) -> bool:
        if not self._sees(name):
            return False
        try:
            self._lower.stat(name)
        except ObjectMissing:
            return False
        return True
