"""The controls of a drill: each is seen to bite, and seen not to bite where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from drorch.errors import StoreDenied
from drorch.evidence.drill_checks import CheckResult, Compared, Outcome
from drorch.format.keys import RecipientKey
from drorch.operations.drills import controls
from drorch.operations.drills.controls import DELETION, FLIPPED, WRONG_KEY, Tried, controls_bite
from drorch.repository.opening import Replica
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, snapshots

NOISE = counting_random("noise")(300_000)
HELP = "help/0.1.0/readme.txt"


class LockingStore:
    """A store in which help texts are locked; ``bites`` says whether that is more than words."""

    def __init__(
        self, store: MemoryStore, *, bites: bool = True, until: datetime | None = EPOCH + timedelta(days=1)
    ) -> None:
        self._store = store
        self._bites = bites
        self._until = until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def locked_until(self, name: str) -> datetime | None:
        return self._until

    def delete(self, names: Sequence[str]) -> None:
        if self._bites:
            raise StoreDenied("the object is locked")
        self._store.delete(names)


def tried(streams: dict[str, bytes] | None = None, *, store: Any = None) -> Tried:
    held = MemoryStore(ManualClock())
    repository = Household().create(held)
    held.put_if_absent(HELP, b"help")
    back_up(repository, {"table/parcel": NOISE} if streams is None else streams)
    link = snapshots(repository)[0].link
    if store is not None:
        repository = replace(repository, replicas=(Replica(name="store0", store=store(held)),))
    return Tried(repository=repository, link=link, recipient=Household().custodian, store="store0")


def try_controls(subject: Tried) -> CheckResult:
    return controls_bite(subject, random_bytes=counting_random("controls"), clock=ManualClock())


def one(result: CheckResult, name: str) -> Compared:
    return next(compared for compared in result.compared if compared.name == name)


@pytest.mark.parametrize(
    "streams", [{"table/parcel": NOISE}, {"schema": b"create table parcel ();"}], ids=["a tree", "small"]
)
def test_a_flipped_byte_and_a_wrong_key_are_refused_and_the_place_is_named(streams: dict[str, bytes]) -> None:
    result = try_controls(tried(streams))
    assert result.outcome is Outcome.OK
    flipped = one(result, FLIPPED)
    assert flipped.found.startswith("refused: byte ")
    assert "/p/" in flipped.found or "pack" in flipped.found
    assert "in store0" in flipped.found
    assert one(result, WRONG_KEY).found.startswith("refused")
    assert one(result, DELETION).found.startswith("not asked: store0")
    assert "deletion not asked" in result.note


def test_the_flip_is_not_made_in_the_store() -> None:
    subject = tried()
    store = subject.repository.replicas[0].store
    before = {stat.name: store.read(stat.name, limit_bytes=2**26) for stat in store.list_objects("")}
    try_controls(subject)
    assert {stat.name: store.read(stat.name, limit_bytes=2**26) for stat in store.list_objects("")} == before


def test_a_reader_that_takes_the_flipped_byte_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls.AlteredOnTheWay, "_altered", lambda self, name, offset, content: content)
    result = try_controls(tried())
    assert result.outcome is Outcome.FAIL
    assert "flipped byte was not refused" in result.found
    assert "as if it were good" in result.differences[0].found


def test_a_key_that_should_be_wrong_and_opens_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    custodian = Household().custodian
    monkeypatch.setattr(RecipientKey, "from_seed", classmethod(lambda cls, seed, label="": custodian))
    assert one(try_controls(tried()), WRONG_KEY).outcome is Outcome.FAIL


def test_the_deletion_of_a_locked_object_is_tried_and_refused() -> None:
    result = try_controls(tried(store=LockingStore))
    found = one(result, DELETION)
    assert found.outcome is Outcome.OK
    assert found.found.startswith(f"refused: {HELP} in store0, locked until 2026-11-23T01:30:00Z")


def test_a_lock_that_is_only_words_fails_the_check_and_the_object_comes_back() -> None:
    subject = tried(store=lambda held: LockingStore(held, bites=False))
    result = try_controls(subject)
    assert one(result, DELETION).outcome is Outcome.FAIL
    assert result.outcome is Outcome.FAIL
    assert subject.repository.replicas[0].store.read(HELP, limit_bytes=100) == b"help"


@pytest.mark.parametrize("until", [None, EPOCH - timedelta(days=1)], ids=["none", "over"])
def test_where_nothing_is_locked_nothing_is_deleted(until: datetime | None) -> None:
    subject = tried(store=lambda held: LockingStore(held, bites=False, until=until))
    assert one(try_controls(subject), DELETION).found == "not asked: store0 locks no object that could be tried"
    assert subject.repository.replicas[0].store.stat(HELP).size_bytes == 4
