"""Is this store fit for a repository? Each promise of ``interface.py``, tried on the real thing.

``drorch store validate NAME`` shows the findings; the contract test asserts that all pass. Everything is written
under ``validate/<random>/`` and deleted at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from drorch.errors import DrorchError, ObjectCorrupt, ObjectMissing
from drorch.quantities import counted
from drorch.storage.interface import Finding, ObjectStore, PutOutcome
from drorch.storage.names import LARGEST_OBJECT_BYTES, LONGEST_NAME_BYTES

# Servers refuse requests that are signed a quarter of an hour off; by then backups fail.
_CLOCK_TOLERANCE = timedelta(minutes=5)
_THREADS = 8
_ROUNDS = 8
_RACES = 4  # servers that hold a lock while they look are slow at it


@dataclass(frozen=True, slots=True)
class _Probe:
    """The store under test and what the checks share."""

    store: ObjectStore
    prefix: str
    random_bytes: Callable[[int], bytes]
    now: datetime
    listing_length: int
    largest_bytes: int

    def put(self, name: str, content: bytes = b"content") -> PutOutcome:
        return self.store.put_if_absent(self.prefix + name, content)

    def read(self, name: str) -> bytes:
        return self.store.read(self.prefix + name, limit_bytes=LARGEST_OBJECT_BYTES)

    def listed(self, prefix: str) -> list[str]:
        return [stat.name.removeprefix(self.prefix) for stat in self.store.list_objects(self.prefix + prefix)]


_Check = Callable[[_Probe], str]  # what was found; empty when it is as expected
_CHECKS: dict[str, tuple[str, _Check]] = {}

# What prune relies on besides (repository.md, "Chain and commit"): without these it refuses the store.
NEEDED_BY_PRUNE = (
    "put-if-absent",
    "concurrent-put",
    "write-then-read",
    "read-after-write",
    "list-after-write",
    "delete",
)


def validate(
    store: ObjectStore,
    *,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    listing_length: int = 1_050,
    largest_bytes: int = LARGEST_OBJECT_BYTES,
    only: Collection[str] | None = None,
) -> tuple[Finding, ...]:
    """Try every promise, and return a finding for each in a fixed order.

    Takes a credential that may put, get, list and delete under ``validate/``. ``listing_length`` objects (more
    than a server gives at once) and one of ``largest_bytes`` are put. ``only`` names the promises to try, with ``delete`` among them. A store error fails its check, never the call.
    """
    prefix = f"validate/{random_bytes(8).hex()}/"
    probe = _Probe(store, prefix, random_bytes, now, listing_length, largest_bytes)
    return tuple(
        _tried(name, expected, check, probe)
        for name, (expected, check) in _CHECKS.items()
        if only is None or name in only
    )


def _tried(name: str, expected: str, check: _Check, probe: _Probe) -> Finding:
    try:
        found = check(probe)
    except DrorchError as error:
        found = f"{error.message}: {error.found}" if error.found else error.message
    return Finding(name=name, passed=not found, expected=expected, found=found or "as expected")


def _check(name: str, expected: str) -> Callable[[_Check], _Check]:
    def register(check: _Check) -> _Check:
        _CHECKS[name] = (expected, check)
        return check

    return register


@_check("clock", "the store's clock is within 5 minutes of ours, and dates its objects")
def _clock(probe: _Probe) -> str:
    """Asked first: the others take their time, and ``now`` grows old."""
    offset = probe.store.server_time() - probe.now
    if abs(offset) > _CLOCK_TOLERANCE:
        return f"{offset.total_seconds():+.0f} s"
    probe.put("dated")
    age = probe.store.server_time() - probe.store.stat(f"{probe.prefix}dated").stored_at
    return "" if abs(age) < _CLOCK_TOLERANCE else f"a new object is {age.total_seconds():.0f} s old"


@_check("put-if-absent", "a second put under a name changes nothing and says so")
def _put_if_absent(probe: _Probe) -> str:
    first, second = probe.put("once", b"first"), probe.put("once", b"second")
    if (first, second) != (PutOutcome.CREATED, PutOutcome.EXISTED):
        return f"the first put {first.value}, the second {second.value}"
    return "" if probe.read("once") == b"first" else "the second put overwrote the first"


@_check("concurrent-put", "of several puts at once under one name exactly one creates the object")
def _concurrent_put(probe: _Probe) -> str:
    with ThreadPoolExecutor(_THREADS) as threads:
        for number in range(_RACES):
            name = f"race/{number}"
            contents = [f"writer {writer}".encode() for writer in range(_THREADS)]
            outcomes = list(threads.map(_put_to_the_end(probe, name), contents))
            winners = [content for content, outcome in zip(contents, outcomes, strict=True) if outcome]
            if len(winners) != 1:
                return f"{len(winners)} of {_THREADS} puts created the object"
            if probe.read(name) != winners[0]:
                return "the object is not that of the put that created it"
    return ""


def _put_to_the_end(probe: _Probe, name: str) -> Callable[[bytes], bool]:
    """Return a put that asks again while the store says "two at once, come again"; true when it created."""

    def put(content: bytes) -> bool:
        for _ in range(_THREADS):
            try:
                return probe.put(name, content) is PutOutcome.CREATED
            except DrorchError as error:
                if not error.retryable:
                    raise
        return probe.put(name, content) is PutOutcome.CREATED

    return put


@_check("write-then-read", "of two that each write and then read, at least one sees the other")
def _write_then_read(probe: _Probe) -> str:
    def write_then_read(own: str, other: str) -> bool:
        probe.put(own)
        try:
            probe.read(other)
        except ObjectMissing:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        for number in range(_ROUNDS):
            left, right = f"both/{number}-left", f"both/{number}-right"
            seen = threads.submit(write_then_read, left, right), threads.submit(write_then_read, right, left)
            if not seen[0].result() and not seen[1].result():
                return "neither saw the other"
    return ""


@_check("read-after-write", "an object is read and measured as soon as its put has returned")
def _read_after_write(probe: _Probe) -> str:
    for number in range(_ROUNDS):
        content = probe.random_bytes(100 + number)
        probe.put(f"read/{number}", content)
        if probe.read(f"read/{number}") != content:
            return "other bytes"
        size = probe.store.stat(f"{probe.prefix}read/{number}").size_bytes
        if size != len(content):
            return f"{size} bytes instead of {len(content)}"
    return ""


@_check("list-after-write", "a listing shows every object whose put has returned")
def _list_after_write(probe: _Probe) -> str:
    for number in range(_ROUNDS):
        probe.put(f"list/{number}")
        if len(probe.listed("list/")) != number + 1:
            return f"{counted(len(probe.listed('list/')), 'object')} instead of {number + 1}"
    return ""


@_check("long-listing", "a listing of more than one page is whole and sorted")
def _long_listing(probe: _Probe) -> str:
    names = [f"long/{number:06d}" for number in range(probe.listing_length)]
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda name: probe.put(name, b""), names))
    listed = probe.listed("long/")
    if len(listed) != len(names):
        return f"{len(listed)} of {len(names)} objects"
    return "" if listed == names else "another order, or other names"


@_check("listing-by-prefix", "a listing shows what begins with the prefix, and folders one level below it")
def _listing_by_prefix(probe: _Probe) -> str:
    names = ["tree/a/1", "tree/a/1.c", "tree/a/1~1", "tree/ab/2", "tree/b/c/3", "tree/d"]
    for name in names:
        probe.put(name)
    for prefix in ("tree/", "tree/a", "tree/a/", "tree/a/1", "tree/a/1.", "tree/b/c/3", "tree/e"):
        expected = [name for name in names if name.startswith(prefix)]
        if sorted(probe.listed(prefix)) != expected:
            return f"{probe.listed(prefix)} for {prefix}"
    folders = [name.removeprefix(probe.prefix) for name in probe.store.list_folders(f"{probe.prefix}tree/")]
    if folders != ["tree/a/", "tree/ab/", "tree/b/"]:
        return f"folders {folders}"
    in_one = [name for name in probe.listed("tree/a/") if name.count("/") == 2]
    return "" if all(one < next_one for one, next_one in pairwise(in_one)) else f"the order {in_one}"


@_check("ranges", "a range is read exactly, or refused when the object is too short")
def _ranges(probe: _Probe) -> str:
    content = probe.random_bytes(1_000)
    probe.put("range", content)
    name = f"{probe.prefix}range"
    for offset, length in ((0, 1), (0, 1_000), (1, 998), (999, 1), (500, 500)):
        if probe.store.read_range(name, offset, length) != content[offset : offset + length]:
            return f"other bytes for {length} from {offset}"
    for offset, length in ((0, 1_001), (999, 2), (1_000, 1), (5_000, 10)):
        try:
            found = len(probe.store.read_range(name, offset, length))
        except ObjectCorrupt:
            continue
        return f"{found} bytes for {length} from {offset} of 1000"
    return ""


@_check("missing", "what is not there is said to be missing, by every call")
def _missing(probe: _Probe) -> str:
    name = f"{probe.prefix}nothing"
    calls: tuple[Callable[[], object], ...] = (
        lambda: probe.read("nothing"),
        lambda: probe.store.read_range(name, 0, 1),
        lambda: probe.store.stat(name),
    )
    for call in calls:
        try:
            call()
        except ObjectMissing:
            continue
        return "an answer"
    return f"{probe.listed('nothing')}" if probe.listed("nothing") else ""


@_check("limit", "an object longer than the reader's limit is refused")
def _limit(probe: _Probe) -> str:
    probe.put("limit", bytes(101))
    try:
        probe.store.read(f"{probe.prefix}limit", limit_bytes=100)
    except ObjectCorrupt:
        exact = probe.store.read(f"{probe.prefix}limit", limit_bytes=101)
        return "" if len(exact) == 101 else f"{len(exact)} bytes"
    return "101 bytes for a limit of 100"


@_check("sizes", "objects from nothing to 64 MiB are stored in one request and come back equal")
def _sizes(probe: _Probe) -> str:
    block = probe.random_bytes(1 << 16)
    for size in (0, 1, 65_537, probe.largest_bytes):
        content = (block * (size // len(block) + 1))[:size]
        probe.put(f"size/{size}", content)
        if probe.read(f"size/{size}") != content:
            return f"other bytes at {size} bytes"
    return ""


@_check("names", "names of 200 bytes with every character that names have")
def _names(probe: _Probe) -> str:
    for tail in ("a.b", "a~1", "a-b", "a+b", "a_b", "0" * (LONGEST_NAME_BYTES - len(probe.prefix) - len("name/"))):
        probe.put(f"name/{tail}", tail.encode())
        if probe.read(f"name/{tail}") != tail.encode():
            return f"other bytes under {tail}"
    return "" if len(probe.listed("name/")) == 6 else f"{probe.listed('name/')}"


@_check("delete", "deleted objects are gone from reads and listings; deleting nothing is no error")
def _delete(probe: _Probe) -> str:
    for batch in _batches(probe.listed("")):
        probe.store.delete([probe.prefix + name for name in batch])
    probe.store.delete([f"{probe.prefix}nothing"])
    left = probe.listed("")
    if left:
        return f"still listed: {counted(len(left), 'object')}"
    try:
        probe.read("once")
    except ObjectMissing:
        return ""
    return "a deleted object is still read"


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), 1_000):
        yield names[start : start + 1_000]
