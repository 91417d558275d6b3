"""The reference store keeps what it was given, and forgets nothing when it is closed."""

from datetime import timedelta

import pytest

from drorch.errors import ObjectMissing
from drorch.storage.memory import MemoryStore
from tests.support.manual_clock import START, ManualClock


def test_a_buffer_that_is_used_again_does_not_change_what_was_stored() -> None:
    store = MemoryStore(ManualClock())
    buffer = bytearray(b"first")
    store.put_if_absent("a", buffer)
    buffer[:] = b"other"
    assert store.read("a", limit_bytes=10) == b"first"


def test_objects_are_dated_by_the_clock_and_stay_after_close() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, address="memory:hanoi")
    clock.sleep(60)
    store.put_if_absent("a", b"")
    store.close()
    assert store.stat("a").stored_at == store.server_time() == START + timedelta(seconds=60)
    with pytest.raises(ObjectMissing, match="memory:hanoi"):
        store.stat("b")
