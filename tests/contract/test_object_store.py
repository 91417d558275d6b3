"""One suite for every store: the promises of drorch/storage/interface.py, which are also `drorch store validate`."""

import os
import threading
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import moto
import pytest

from drorch.clock import SystemClock
from drorch.errors import Bug, DrorchError, ObjectMissing, StoreError, StoreMissing, StoreUnavailable
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import Finding, ObjectStore, PutOutcome
from drorch.storage.memory import MemoryStore
from drorch.storage.retrying import RetryingStore
from drorch.storage.s3 import S3Store
from drorch.storage.throttled import ThrottledStore
from drorch.storage.validation import validate
from tests.support.hooked_store import HookedStore, Result
from tests.support.quirky_s3 import QuirkyS3
from tests.support.recording_store import RecordingStore
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

CLOCK = SystemClock()
MIB = 1 << 20


def memory(_request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    yield MemoryStore(CLOCK)


def filesystem(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    yield FilesystemStore(request.getfixturevalue("tmp_path"))


def seaweedfs(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    yield S3Store(
        bucket=server.make_bucket(),
        prefix="some/where",
        endpoint=server.endpoint,
        access_key=ADMIN.access_key,
        secret_key=ADMIN.secret_key,
    )


def aws_virtual_style(_request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """The way to AWS itself: its own host names, TLS, unsigned payload; moto answers inside this process."""
    with moto.mock_aws():
        store = S3Store(bucket="drorch-test", prefix="main/", region="us-east-1", access_key="a", secret_key="b")
        store._client.create_bucket(Bucket="drorch-test")
        store._client.meta.events.register("before-parameter-build.s3.PutObject", as_moto_takes_it)
        store._client.meta.events.register("after-call.s3.HeadObject", dated)
        yield store


def as_moto_takes_it(params: dict[str, Any], **_: object) -> None:
    params["Body"] = bytes(params["Body"])


def dated(parsed: dict[str, Any], **_: object) -> None:
    """Every real server dates its answers, moto does not."""
    parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(CLOCK.now())


def tiny_server(_request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    with QuirkyS3() as server:
        yield S3Store(bucket="bucket", endpoint=server.endpoint, access_key="a", secret_key="b")


class FirstTryFails(HookedStore):
    """Each call fails once, then works."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.failed: set[tuple[str, str]] = set()

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        if (verb, name) in self.failed:
            return call()
        self.failed.add((verb, name))
        raise StoreUnavailable("busy")


def wrapped(_request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """Every wrapper at once, over a store where nothing works at first."""
    retrying = RetryingStore(FirstTryFails(MemoryStore(CLOCK)), clock=CLOCK, random_fraction=lambda: 0.0)
    yield RecordingStore(ThrottledStore(retrying, bytes_per_second=lambda: 10**12, clock=CLOCK))


STORES = (memory, filesystem, seaweedfs, aws_virtual_style, tiny_server, wrapped)


@pytest.fixture(params=STORES, ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    for made in request.param(request):
        yield made
        made.close()


def failed(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if not finding.passed]


def test_every_promise_is_kept(store: ObjectStore) -> None:
    findings = validate(store, now=CLOCK.now(), random_bytes=os.urandom)
    assert failed(findings) == []
    assert len({finding.name for finding in findings}) == len(findings) >= 14
    assert list(store.list_objects("")) == []


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_is_stored(store: ObjectStore, kind: Callable[[bytes], bytes]) -> None:
    content = os.urandom(1_000)
    assert store.put_if_absent("l/x", kind(content)) is PutOutcome.CREATED
    assert store.read("l/x", limit_bytes=MIB) == content


def test_many_threads_read_and_write_at_once(store: ObjectStore) -> None:
    contents = {f"p/{number:02d}": os.urandom(50_000) for number in range(24)}
    failures: list[Exception] = []

    def work(names: list[str]) -> None:
        try:
            for name in names:
                assert store.put_if_absent(name, contents[name]) is PutOutcome.CREATED
                assert store.read_range(name, 100, 1_000) == contents[name][100:1_100]
                assert store.stat(name).size_bytes == 50_000
        except (AssertionError, DrorchError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(sorted(contents)[start::6],)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {stat.name for stat in store.list_objects("p/")} == set(contents)


def test_dates_are_aware_and_recent(store: ObjectStore) -> None:
    store.put_if_absent("dated", b"")
    assert store.stat("dated").stored_at.utcoffset() is not None
    assert next(store.list_objects("")).stored_at.utcoffset() is not None
    assert abs((store.stat("dated").stored_at - CLOCK.now()).total_seconds()) < 10
    assert abs((store.server_time() - CLOCK.now()).total_seconds()) < 10


def test_deleting_in_bulk_takes_more_names_than_one_request(store: ObjectStore) -> None:
    store.put_if_absent("b/1", b"")
    store.put_if_absent("b/2", b"")
    store.delete([f"b/{number}" for number in range(1_003)])
    store.delete([])
    assert list(store.list_objects("")) == []


NO_NAMES = ("", "/a", "a/", "../a", "a/../b", ".hidden", "A", "a b", "a//b", "đ", "a" * 201, "a\n")


def test_a_name_that_no_object_has_is_refused_before_it_becomes_a_path(store: ObjectStore) -> None:
    for name in NO_NAMES:
        calls: list[Callable[[], object]] = [
            partial(store.put_if_absent, name, b""),
            partial(store.read, name, limit_bytes=1),
            partial(store.read_range, name, 0, 1),
            partial(store.stat, name),
            partial(store.delete, [name]),
        ]
        for call in calls:
            with pytest.raises(Bug, match="not an object's name"):
                call()
    for prefix in ("/", "../", "a//", "a/../b", "A"):
        with pytest.raises(Bug, match="not the beginning"):
            list(store.list_objects(prefix))


def test_what_cannot_be_asked_is_refused(store: ObjectStore) -> None:
    for offset, length in ((-1, 1), (0, 0), (0, -1)):
        with pytest.raises(Bug):
            store.read_range("a", offset, length)
    with pytest.raises(Bug):
        store.put_if_absent("a", bytes(64 * MIB + 1))


def missing_directory(request: pytest.FixtureRequest) -> ObjectStore:
    return FilesystemStore(request.getfixturevalue("tmp_path") / "not-mounted")


def missing_bucket(request: pytest.FixtureRequest) -> ObjectStore:
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return S3Store(
        bucket="nobody-made-this",
        endpoint=server.endpoint,
        access_key=ADMIN.access_key,
        secret_key=ADMIN.secret_key,
    )


@pytest.mark.parametrize("make", [missing_directory, missing_bucket], ids=lambda make: make.__name__)
def test_a_store_that_is_not_there_is_not_an_empty_one(
    make: Callable[[pytest.FixtureRequest], ObjectStore], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = make(request)
    calls: list[Callable[[], object]] = [
        lambda: store.put_if_absent("a", b""),
        lambda: store.read("a", limit_bytes=1),
        lambda: store.read_range("a", 0, 1),
        lambda: list(store.list_objects("")),
        lambda: list(store.list_folders("l/")),
        lambda: store.delete(["a"]),
    ]
    for call in calls:
        with pytest.raises(StoreMissing):
            call()
    assert list(tmp_path.iterdir()) == []  # nothing was made where a disk should be mounted


def test_every_error_that_a_store_raises_says_where(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing) as caught:
        store.read("l/nothing", limit_bytes=1)
    assert "l/nothing" in caught.value.message
    assert store.address in caught.value.message
    assert isinstance(caught.value, StoreError)
