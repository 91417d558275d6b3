"""An ObjectStore that lets a test stand between the caller and a real store: one method sees every call."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome

Result = TypeVar("Result")


class HookedStore:
    """``store``; ``around`` is given the verb, the name (or prefix, or first name) and the call itself."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        return call()

    @property
    def address(self) -> str:
        return self.store.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        return self.around("put", name, lambda: self.store.put_if_absent(name, content))

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        return self.around("read", name, lambda: self.store.read(name, limit_bytes=limit_bytes))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self.around("read_range", name, lambda: self.store.read_range(name, offset, length))

    def stat(self, name: str) -> ObjectStat:
        return self.around("stat", name, lambda: self.store.stat(name))

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        return self.around("list", prefix, lambda: self.store.list_objects(prefix))

    def list_folders(self, prefix: str) -> Iterator[str]:
        return self.around("list", prefix, lambda: self.store.list_folders(prefix))

    def delete(self, names: Sequence[str]) -> None:
        return self.around("delete", names[0] if names else "", lambda: self.store.delete(names))

    def locked_until(self, name: str) -> datetime | None:
        return self.around("locked_until", name, lambda: self.store.locked_until(name))

    def extend_lock(self, name: str, until: datetime) -> None:
        return self.around("extend_lock", name, lambda: self.store.extend_lock(name, until))

    def hidden(self, prefix: str) -> Iterator[str]:
        return self.around("list", prefix, lambda: self.store.hidden(prefix))

    def server_time(self) -> datetime:
        return self.around("server_time", "", self.store.server_time)

    def close(self) -> None:
        self.store.close()
