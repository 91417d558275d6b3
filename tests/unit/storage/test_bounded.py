"""A store that takes only so much."""

import threading

import pytest

from drorch.errors import StoreFull
from drorch.storage.bounded import BoundedStore
from drorch.storage.interface import PutOutcome
from drorch.storage.memory import MemoryStore
from tests.support.manual_clock import ManualClock


def test_it_takes_what_fits_and_what_was_there_counts() -> None:
    memory = MemoryStore(ManualClock())
    memory.put_if_absent("a", bytes(60))
    store = BoundedStore(memory, limit_bytes=100)
    assert store.put_if_absent("b", bytes(40)) is PutOutcome.CREATED
    with pytest.raises(StoreFull):
        store.put_if_absent("c", b"1")
    assert store.put_if_absent("d", b"") is PutOutcome.CREATED
    store.delete(["a"])
    assert store.put_if_absent("c", bytes(60)) is PutOutcome.CREATED


def test_what_was_there_already_is_counted_once() -> None:
    store = BoundedStore(MemoryStore(ManualClock()), limit_bytes=100)
    assert [store.put_if_absent("a", bytes(50)) for _ in range(2)] == [PutOutcome.CREATED, PutOutcome.EXISTED]
    assert store.put_if_absent("b", bytes(50)) is PutOutcome.CREATED


def test_threads_together_never_go_beyond_it() -> None:
    memory = MemoryStore(ManualClock())
    store = BoundedStore(memory, limit_bytes=1_000)
    refused = []

    def put(number: int) -> None:
        try:
            store.put_if_absent(f"n/{number}", bytes(100))
        except StoreFull:
            refused.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 10
    assert sum(stat.size_bytes for stat in memory.list_objects("")) == 1_000
