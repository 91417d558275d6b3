"""Recording counts, throttling waits; all else passes through unchanged."""

import threading

import pytest

from drorch.errors import ObjectMissing
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from drorch.storage.throttled import ThrottledStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.manual_clock import ManualClock
from tests.support.recording_store import RecordingStore


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore(ManualClock())
    for number in range(3):
        store.put_if_absent(f"a/{number}", bytes(100))
    return store


def test_recording_counts_requests_and_bytes_each_way(memory: MemoryStore) -> None:
    store = RecordingStore(memory)
    store.put_if_absent("b", bytes(1_000))
    before = store.traffic
    store.put_if_absent("b", bytes(1_000))  # sent, though it existed
    store.read("b", limit_bytes=1_000)
    store.read_range("b", 10, 20)
    store.stat("b")
    store.server_time()
    with pytest.raises(ObjectMissing):
        store.read("nothing", limit_bytes=10)
    traffic = store.traffic.since(before)
    assert traffic.requests == {"put": 1, "read": 2, "read_range": 1, "stat": 1, "server_time": 1}
    assert (traffic.sent_bytes, traffic.received_bytes, traffic.request_count) == (1_000, 1_020, 6)
    assert before.requests == {"put": 1}
    assert store.address == memory.address
    store.close()


@pytest.mark.parametrize(("objects", "requests"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_001, 3)])
def test_recording_counts_a_listing_by_its_pages(objects: int, requests: int) -> None:
    memory = MemoryStore(ManualClock())
    for number in range(objects):
        memory.put_if_absent(f"a/{number}/x", b"")
    store = RecordingStore(memory)
    assert len(list(store.list_objects("a/"))) == objects
    assert store.traffic.requests == {"list": requests}
    assert len(list(store.list_folders("a/"))) == objects
    assert store.traffic.requests == {"list": 2 * requests}


@pytest.mark.parametrize(("names", "requests"), [(0, 0), (1, 1), (1_000, 1), (1_001, 2)])
def test_recording_counts_deletes_by_their_batches(memory: MemoryStore, names: int, requests: int) -> None:
    store = RecordingStore(memory)
    store.delete([f"x/{number}" for number in range(names)])
    assert store.traffic.request_count == requests


def test_throttling_keeps_the_average_both_ways(memory: MemoryStore) -> None:
    clock = ManualClock()
    store = ThrottledStore(memory, bytes_per_second=lambda: 100, clock=clock)
    for number in range(5):
        store.put_if_absent(f"b/{number}", bytes(200))
    assert clock.slept_seconds == 8  # the first goes at once, the fifth when four have had their time
    store.read_range("b/0", 0, 100)
    store.read("b/0", limit_bytes=200)
    store.read("b/0", limit_bytes=200)
    assert clock.slept_seconds == 13
    store.stat("b/0")
    assert list(store.list_folders("")) == ["a/", "b/"]
    store.delete(["b/0"])
    assert store.server_time() == memory.server_time()
    assert clock.slept_seconds == 13
    store.close()


def test_throttling_saves_nothing_up_while_idle(memory: MemoryStore) -> None:
    clock = ManualClock()
    store = ThrottledStore(memory, bytes_per_second=lambda: 100, clock=clock)
    clock.sleep(1_000)
    store.put_if_absent("b/0", bytes(100))
    store.put_if_absent("b/1", bytes(100))
    assert clock.slept_seconds == 1_001


def test_threads_share_one_bandwidth(memory: MemoryStore) -> None:
    clock = ManualClock()
    store = ThrottledStore(memory, bytes_per_second=lambda: 100, clock=clock)
    threads = [threading.Thread(target=store.put_if_absent, args=(f"b/{number}", bytes(100))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store._free_at >= 8


def test_who_waits_goes_on_when_the_window_of_the_cap_ends(memory: MemoryStore) -> None:
    clock = ManualClock()
    store = ThrottledStore(memory, bytes_per_second=lambda: 100 if clock.slept_seconds < 45 else None, clock=clock)
    store.put_if_absent("b/0", bytes(100_000))
    store.put_if_absent("b/1", bytes(100_000))  # by the average it would wait for 1,000 s
    assert clock.slept_seconds == 60
    store.put_if_absent("b/2", bytes(100_000))
    assert clock.slept_seconds == 60


@pytest.mark.parametrize("applies_last", [True, False])
def test_a_process_that_dies_makes_no_further_call(memory: MemoryStore, *, applies_last: bool) -> None:
    store: ObjectStore = CrashStore(memory, survives_calls=1, applies_last=applies_last)
    store.put_if_absent("b/1", b"")
    for name in ("b/2", "b/3"):
        with pytest.raises(Crashed):
            store.put_if_absent(name, b"")
    assert [found.name for found in memory.list_objects("b/")] == (["b/1", "b/2"] if applies_last else ["b/1"])
