"""Each way to break a promise is noticed by the check that is named for it: a check that cannot fail proves nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count

import pytest

from drorch.errors import ObjectMissing, StoreDenied, StoreUnavailable
from drorch.storage.interface import Bytes, Finding, ObjectStat, PutOutcome
from drorch.storage.memory import MemoryStore
from drorch.storage.validation import NEEDED_BY_PRUNE, validate
from tests.support.faulty_store import FaultyStore
from tests.support.hooked_store import HookedStore
from tests.support.manual_clock import START, ManualClock


class Broken(HookedStore):
    def __init__(self) -> None:
        super().__init__(MemoryStore(ManualClock()))
        self.count = count()

    @property
    def objects(self) -> dict[str, object]:
        return self.store._objects  # type: ignore[attr-defined,no-any-return]


class Overwrites(Broken):
    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        existed = name in self.objects
        self.store.delete([name])
        self.store.put_if_absent(name, content)
        return PutOutcome.EXISTED if existed else PutOutcome.CREATED


class ClaimsToCreate(Broken):
    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        self.store.put_if_absent(name, content)
        return PutOutcome.CREATED


class CreatesTwiceInARace(Broken):
    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        outcome = self.store.put_if_absent(name, content)
        return PutOutcome.CREATED if "/race/" in name else outcome


class SeesLate(Broken):
    """An object is readable only after three more calls."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.puts: dict[str, int] = {}

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        self.puts.setdefault(name, next(self.count))
        return self.store.put_if_absent(name, content)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        if self.part in name and next(self.count) - self.puts.get(name, 0) < 4:
            raise ObjectMissing("not yet")
        return self.store.read(name, limit_bytes=limit_bytes)


class ListsLate(Broken):
    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        found = list(self.store.list_objects(prefix))
        return iter(found[:-1] if "/list/" in prefix else found)


class ListsOnePage(Broken):
    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        return iter(list(self.store.list_objects(prefix))[:30])


class ListsBackwards(Broken):
    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        return iter(list(self.store.list_objects(prefix))[::-1])


class TakesPrefixForFolder(Broken):
    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        return (found for found in self.store.list_objects(prefix) if prefix.endswith("/"))


class ForgetsFolders(Broken):
    def list_folders(self, prefix: str) -> Iterator[str]:
        return iter(list(self.store.list_folders(prefix))[1:])


class ReadsShort(Broken):
    def read_range(self, name: str, offset: int, length: int) -> bytes:
        return self.store.read(name, limit_bytes=1 << 30)[offset : offset + length]


class FindsNothingEmpty(Broken):
    def read(self, name: str, *, limit_bytes: int) -> bytes:
        return b"" if name not in self.objects else self.store.read(name, limit_bytes=limit_bytes)


class KnowsNoLimit(Broken):
    def read(self, name: str, *, limit_bytes: int) -> bytes:
        return self.store.read(name, limit_bytes=1 << 30)


class CutsBigObjects(Broken):
    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        return self.store.put_if_absent(name, bytes(content)[:65_536])


class TakesShortNamesOnly(Broken):
    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        return self.store.put_if_absent(name[:150], content)


class RunsFast(Broken):
    def server_time(self) -> datetime:
        return START + timedelta(hours=1)


class DatesWrongly(Broken):
    def stat(self, name: str) -> ObjectStat:
        found = self.store.stat(name)
        return ObjectStat(name=name, size_bytes=found.size_bytes, stored_at=found.stored_at - timedelta(days=1))


class KeepsDeleted(Broken):
    def delete(self, names: Sequence[str]) -> None:
        pass


class HidesDeletedFromListings(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.unlisted: set[str] = set()

    def delete(self, names: Sequence[str]) -> None:
        self.unlisted.update(names)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        return (found for found in self.store.list_objects(prefix) if found.name not in self.unlisted)


def examine(store: HookedStore) -> dict[str, Finding]:
    findings = validate(store, now=START, random_bytes=os.urandom, listing_length=60, largest_bytes=70_000)
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (Overwrites, "put-if-absent"),
        (ClaimsToCreate, "put-if-absent"),
        (CreatesTwiceInARace, "concurrent-put"),
        (lambda: SeesLate("/both/"), "write-then-read"),
        (lambda: SeesLate("/read/"), "read-after-write"),
        (ListsLate, "list-after-write"),
        (ListsOnePage, "long-listing"),
        (ListsBackwards, "long-listing"),
        (TakesPrefixForFolder, "listing-by-prefix"),
        (ForgetsFolders, "listing-by-prefix"),
        (ReadsShort, "ranges"),
        (FindsNothingEmpty, "missing"),
        (KnowsNoLimit, "limit"),
        (CutsBigObjects, "sizes"),
        (TakesShortNamesOnly, "names"),
        (RunsFast, "clock"),
        (DatesWrongly, "clock"),
        (KeepsDeleted, "delete"),
        (HidesDeletedFromListings, "delete"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_broken_promise_is_noticed(make: Callable[[], HookedStore], check: str) -> None:
    finding = examine(make())[check]
    assert not finding.passed
    assert finding.found
    assert finding.found != "as expected"


def test_every_check_is_shown_to_fail_for_some_store() -> None:
    marks = test_a_broken_promise_is_noticed.pytestmark  # type: ignore[attr-defined]
    assert {check for _make, check in marks[0].args[1]} == set(examine(Broken()))


def test_a_good_store_passes_and_is_left_as_it_was() -> None:
    store = Broken()
    store.store.put_if_absent("l/a", b"precious")
    findings = examine(store)
    assert [finding for finding in findings.values() if not finding.passed] == []
    assert set(store.objects) == {"l/a"}
    assert set(NEEDED_BY_PRUNE) <= set(findings)


def test_an_error_of_the_store_fails_its_check_and_is_quoted() -> None:
    store = FaultyStore(MemoryStore(ManualClock()))
    fault = store.plan("delete", StoreDenied("refused", found="403 AccessDenied"), times=10**6)
    findings = examine(store)
    assert findings["delete"].found == "refused: 403 AccessDenied"
    assert [name for name, finding in findings.items() if not finding.passed] == ["delete"]
    assert fault.fired == 1


def test_a_conflict_in_a_race_is_asked_again_before_it_is_judged() -> None:
    store = FaultyStore(MemoryStore(ManualClock()))
    fault = store.plan("put", StoreUnavailable("two at once"), name_part="/race/", times=5)
    assert examine(store)["concurrent-put"].passed
    assert fault.fired == 5
