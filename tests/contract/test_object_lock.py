"""One suite for every store that locks: what drorch/storage/interface.py promises of locks and versions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import moto
import pytest

from drorch.clock import Clock, SystemClock
from drorch.errors import ObjectMissing, StoreDenied, StoreUnfit
from drorch.policy.locks import LockMode, LockRule
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from drorch.storage.retrying import RetryingStore
from drorch.storage.s3 import S3Store
from tests.contract.test_object_store import as_moto_takes_it, dated
from tests.support.manual_clock import ManualClock
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

CLOCK = SystemClock()
RULE = LockRule(seconds=35 * 86_400)
NAME = "l/0a/p/00/pack"
MINUTE = timedelta(minutes=10)  # how far the clocks of two processes on a busy machine may be apart


@dataclass(frozen=True)
class Place:
    """A store that locks, the same place without locks, and what hides an object as an intruder would."""

    locking: ObjectStore
    plain: ObjectStore
    hide: Callable[[str], None] | None
    clock: Clock = CLOCK


def memory(_request: pytest.FixtureRequest) -> Iterator[Place]:
    clock = ManualClock()
    yield Place(MemoryStore(clock, lock=RULE), MemoryStore(clock), None, clock)


def s3_places(server: SeaweedFS | None) -> Place:
    bucket = "locked" if server is None else f"locked-{CLOCK.monotonic_seconds():.6f}".replace(".", "-")
    opened = partial(
        S3Store,
        bucket=bucket,
        prefix="main",
        region="us-east-1",
        endpoint=None if server is None else server.endpoint,
        access_key=ADMIN.access_key,
        secret_key=ADMIN.secret_key,
    )
    locking, plain = opened(lock=RULE, clock=CLOCK), opened()
    plain._client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    if server is None:
        for store in (locking, plain):
            store._client.meta.events.register("before-parameter-build.s3.PutObject", as_moto_takes_it)
            store._client.meta.events.register("after-call.s3.HeadObject", dated)
    return Place(locking, plain, lambda name: plain._client.delete_object(Bucket=bucket, Key=f"main/{name}"))


def seaweedfs(request: pytest.FixtureRequest) -> Iterator[Place]:
    place = s3_places(request.getfixturevalue("seaweedfs"))
    yield place
    place.locking.close()
    place.plain.close()


def aws(_request: pytest.FixtureRequest) -> Iterator[Place]:
    with moto.mock_aws():
        yield s3_places(None)


def retried(_request: pytest.FixtureRequest) -> Iterator[Place]:
    clock = ManualClock()
    yield Place(
        RetryingStore(MemoryStore(clock, lock=RULE), clock=clock, random_fraction=lambda: 0.0),
        MemoryStore(clock),
        None,
        clock,
    )


@pytest.fixture(params=[memory, seaweedfs, aws, retried], ids=lambda param: param.__name__)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from request.param(request)


def test_a_put_is_locked_for_what_the_rule_says(place: Place) -> None:
    place.locking.put_if_absent(NAME, b"content")
    until = place.locking.locked_until(NAME)
    assert until is not None
    assert abs(until - RULE.at_put(place.clock.now())) < MINUTE


def test_what_is_locked_cannot_be_deleted_and_is_read_as_before(place: Place) -> None:
    place.locking.put_if_absent(NAME, b"content")
    with pytest.raises(StoreDenied):
        place.locking.delete([NAME])
    assert place.locking.read(NAME, limit_bytes=100) == b"content"
    assert [stat.name for stat in place.locking.list_objects("l/")] == [NAME]
    assert list(place.locking.hidden("")) == []


def test_a_lock_is_made_longer_and_never_shorter(place: Place) -> None:
    place.locking.put_if_absent(NAME, b"content")
    first = place.locking.locked_until(NAME)
    assert first is not None
    place.locking.extend_lock(NAME, first + timedelta(days=60))
    assert place.locking.locked_until(NAME) == first + timedelta(days=60)
    place.locking.extend_lock(NAME, first)
    assert place.locking.locked_until(NAME) == first + timedelta(days=60)


def test_what_is_not_there_has_no_lock(place: Place) -> None:
    with pytest.raises(ObjectMissing):
        place.locking.locked_until(NAME)
    with pytest.raises(ObjectMissing):
        place.locking.extend_lock(NAME, place.clock.now() + timedelta(days=1))


def test_an_object_without_a_lock_has_none_and_is_deleted_with_all_its_versions(place: Place) -> None:
    place.plain.put_if_absent(NAME, b"content")
    assert place.plain.locked_until(NAME) is None
    place.plain.delete([NAME])
    with pytest.raises(ObjectMissing):
        place.plain.read(NAME, limit_bytes=100)
    if isinstance(place.plain, S3Store):
        assert place.plain._versions.of(f"main/{NAME}") == []


def test_what_somebody_hid_is_read_nevertheless_and_told(place: Place) -> None:
    if place.hide is None:
        assert list(place.locking.hidden("")) == []
        return
    place.locking.put_if_absent(NAME, b"content")
    place.hide(NAME)
    assert place.locking.read(NAME, limit_bytes=100) == b"content"
    assert place.locking.read_range(NAME, 1, 3) == b"ont"
    assert place.locking.stat(NAME).size_bytes == 7
    assert list(place.locking.hidden("l/")) == [NAME]
    assert list(place.locking.hidden("trust/")) == []
    with pytest.raises(StoreDenied):
        place.locking.delete([NAME])
    assert place.locking.read(NAME, limit_bytes=100) == b"content"


def test_a_bucket_without_locks_is_refused_at_the_first_put(seaweedfs: SeaweedFS) -> None:
    store = S3Store(
        bucket=seaweedfs.make_bucket(),
        endpoint=seaweedfs.endpoint,
        access_key=ADMIN.access_key,
        secret_key=ADMIN.secret_key,
        lock=LockRule(seconds=86_400, mode=LockMode.GOVERNANCE),
        clock=CLOCK,
    )
    with pytest.raises(StoreUnfit) as refused:
        store.put_if_absent(NAME, b"content")
    assert "object_lock" in refused.value.hint
    store.close()


def test_a_directory_cannot_be_locked(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent(NAME, b"content")
    assert store.locked_until(NAME) is None
    with pytest.raises(StoreUnfit):
        store.extend_lock(NAME, CLOCK.now())
