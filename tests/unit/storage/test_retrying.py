"""What is tried again, how long, with which pauses, and what a repeated put means."""

import pytest

from drorch.errors import ObjectMissing, StoreUnavailable, every_error
from drorch.storage.interface import PutOutcome
from drorch.storage.memory import MemoryStore
from drorch.storage.retrying import RetryingStore
from tests.support.faulty_store import FaultyStore
from tests.support.manual_clock import ManualClock

BUSY = StoreUnavailable("busy")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def faulty(clock: ManualClock) -> FaultyStore:
    store = FaultyStore(MemoryStore(clock))
    for number in range(10):
        store.store.put_if_absent(f"a/{number}", b"content")
    return store


def retrying(faulty: FaultyStore, clock: ManualClock, fraction: float = 1.0, **options: float) -> RetryingStore:
    return RetryingStore(faulty, clock=clock, random_fraction=lambda: fraction, **options)


def test_every_call_is_tried_again(faulty: FaultyStore, clock: ManualClock) -> None:
    for verb in ("put", "read", "read_range", "stat", "list", "delete", "server_time"):
        faulty.plan(verb, BUSY, times=3)
    store = retrying(faulty, clock)
    assert store.put_if_absent("b", b"x") is PutOutcome.CREATED
    assert store.read("b", limit_bytes=10) == b"x"
    assert store.read_range("b", 0, 1) == b"x"
    assert store.stat("b").size_bytes == 1
    assert len(list(store.list_objects(""))) == 11
    store.delete(["b"])
    assert store.server_time() == clock.now()
    assert [fault.fired for fault in faulty.faults] == [3] * 7


def test_folders_too(faulty: FaultyStore, clock: ManualClock) -> None:
    fault = faulty.plan("list", BUSY, times=2)
    assert list(retrying(faulty, clock).list_folders("")) == ["a/"]
    assert fault.fired == 2


def test_a_put_whose_answer_was_lost_says_that_the_object_exists(faulty: FaultyStore, clock: ManualClock) -> None:
    lost = faulty.plan("put", BUSY, after=True)
    assert retrying(faulty, clock).put_if_absent("b", b"x") is PutOutcome.EXISTED
    assert lost.fired == 1
    assert faulty.read("b", limit_bytes=10) == b"x"


def test_the_pauses_double_up_to_a_longest_one(faulty: FaultyStore, clock: ManualClock) -> None:
    faulty.plan("read", BUSY, times=7)
    store = retrying(faulty, clock, first_delay_seconds=1, longest_delay_seconds=8)
    store.stat("a/0")
    begun = clock.monotonic_seconds()
    store.read("a/0", limit_bytes=10)
    assert clock.monotonic_seconds() - begun == 1 + 2 + 4 + 8 + 8 + 8 + 8


def test_the_pauses_are_a_random_share_of_that(faulty: FaultyStore, clock: ManualClock) -> None:
    faulty.plan("read", BUSY, times=3)
    shares = iter([0.5, 0.0, 0.25])
    store = RetryingStore(faulty, clock=clock, random_fraction=lambda: next(shares), first_delay_seconds=1)
    begun = clock.monotonic_seconds()
    store.read("a/0", limit_bytes=10)
    assert clock.monotonic_seconds() - begun == 0.5 + 0.0 + 1.0


def test_after_the_deadline_the_last_error_is_raised(faulty: FaultyStore, clock: ManualClock) -> None:
    fault = faulty.plan("read", BUSY, times=10**6)
    store = retrying(faulty, clock, deadline_seconds=60)
    store.stat("a/0")
    begun = clock.monotonic_seconds()
    with pytest.raises(StoreUnavailable) as caught:
        store.read("a/0", limit_bytes=10)
    assert caught.value is BUSY
    assert 40 < clock.monotonic_seconds() - begun <= 60
    assert fault.fired > 5


@pytest.mark.parametrize("verb", ["read", "list"])
def test_a_store_that_never_answered_is_given_up_soon(faulty: FaultyStore, clock: ManualClock, verb: str) -> None:
    faulty.plan(verb, BUSY, times=10**6)
    store = retrying(faulty, clock, deadline_seconds=300, first_answer_seconds=20)
    begun = clock.monotonic_seconds()
    with pytest.raises(StoreUnavailable):
        store.read("a/0", limit_bytes=10) if verb == "read" else list(store.list_objects("a/"))
    assert 5 < clock.monotonic_seconds() - begun <= 20


def test_that_something_is_missing_is_an_answer(faulty: FaultyStore, clock: ManualClock) -> None:
    store = retrying(faulty, clock, deadline_seconds=300, first_answer_seconds=20)
    with pytest.raises(ObjectMissing):
        store.stat("nothing")
    faulty.plan("read", BUSY, times=10**6)
    with pytest.raises(StoreUnavailable):
        store.read("a/0", limit_bytes=10)
    assert clock.slept_seconds > 200


@pytest.mark.parametrize(
    "final", [kind for kind in every_error() if not kind.retryable], ids=lambda kind: kind.__name__
)
def test_what_cannot_get_better_is_raised_at_once(
    faulty: FaultyStore, clock: ManualClock, final: type[Exception]
) -> None:
    fault = faulty.plan("read", final("no"), times=10**6)
    with pytest.raises(final):
        retrying(faulty, clock).read("a/0", limit_bytes=10)
    assert fault.fired == 1
    assert clock.slept_seconds == 0


def test_what_is_missing_is_missing(faulty: FaultyStore, clock: ManualClock) -> None:
    with pytest.raises(ObjectMissing):
        retrying(faulty, clock).read("nothing", limit_bytes=10)


@pytest.mark.parametrize("skip", range(10))
def test_a_listing_that_breaks_goes_on_where_it_was(faulty: FaultyStore, clock: ManualClock, skip: int) -> None:
    faulty.plan("list_item", BUSY, skip=skip)
    faulty.plan("list_item", BUSY, skip=skip)
    names = [found.name for found in retrying(faulty, clock).list_objects("a/")]
    assert names == [f"a/{number}" for number in range(10)]
    faulty.assert_all_fired()


def test_a_listing_whose_last_object_is_gone_is_not_taken_up_again(faulty: FaultyStore, clock: ManualClock) -> None:
    faulty.plan("list_item", BUSY, skip=3)
    listing = retrying(faulty, clock, deadline_seconds=5).list_objects("a/")
    assert [next(listing).name for _ in range(3)] == ["a/0", "a/1", "a/2"]
    faulty.store.delete(["a/2"])
    with pytest.raises(StoreUnavailable, match="taken up again"):
        next(listing)


def test_a_long_listing_may_break_longer_than_one_deadline_in_all(faulty: FaultyStore, clock: ManualClock) -> None:
    for skip in range(10):
        faulty.plan("list_item", BUSY, skip=skip, times=1)
    store = retrying(faulty, clock, deadline_seconds=10, first_delay_seconds=8)
    assert len(list(store.list_objects("a/"))) == 10
    assert clock.slept_seconds > 10


def test_closing_ends_the_waiting(faulty: FaultyStore, clock: ManualClock) -> None:
    faulty.plan("read", BUSY, times=10**6)
    store = retrying(faulty, clock)

    class ClosingClock(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            store.close()

    closing = ClosingClock()
    store._clock = closing
    with pytest.raises(StoreUnavailable):
        store.read("a/0", limit_bytes=10)
    assert closing.naps
    assert max(closing.naps) <= 0.5


def test_the_address_is_that_of_the_store(faulty: FaultyStore, clock: ManualClock) -> None:
    assert retrying(faulty, clock).address == "memory:"
