"""Who may read and write is changed: recipients come and go, stores are away, holders come at once, commands are killed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drorch.errors import KeyMissing, KeyWrong, ObjectConflict, StoreUnavailable, UsageInvalid
from drorch.format import names
from drorch.format.keyfile import KeyKind
from drorch.format.signing import SigningKey
from drorch.ids import grouped
from drorch.operations.rotate_keys import resealing
from drorch.operations.rotate_keys.changes import Change, next_record
from drorch.operations.rotate_keys.listed import find_key, listed_keys
from drorch.operations.rotate_keys.open_to import open_to
from drorch.operations.rotate_keys.publishing import bring_up
from drorch.repository.carrier import Carrier
from drorch.repository.opening import read_trust
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.key_changes import HOUSEHOLD, LATER, LATER_PUBLIC, Office, key_of, read_with
from tests.support.repositories import ManualClock, back_up, counting_random, seed, snapshots

STREAMS = {"schema": b"create table a ()", "table/a": b"row " * 500}


@pytest.fixture
def stores() -> tuple[FaultyStore, FaultyStore]:
    return FaultyStore(MemoryStore(ManualClock())), FaultyStore(MemoryStore(ManualClock()))


@pytest.fixture
def office(stores: tuple[FaultyStore, FaultyStore]) -> Office:
    return Office(founded=HOUSEHOLD.create(*stores))


def backed_up(office: Office, label: str) -> None:
    back_up(office.opened(), {**STREAMS, "table/b": label.encode() * 50}, random_bytes=counting_random(label))


def test_an_added_recipient_reads_what_comes_and_after_sealing_again_what_was_there(office: Office) -> None:
    backed_up(office, "old")
    assert office.add(LATER_PUBLIC).stores == ("store0", "store1")
    backed_up(office, "new")
    old, new = snapshots(office.opened())
    assert read_with(office.opened(), new, [HOUSEHOLD.custodian])["table/b"] == b"new" * 50
    with pytest.raises(KeyMissing):
        read_with(office.opened(), old, [LATER])
    report = office.reseal()
    assert (report.keys, report.bundles, report.closed) == (1, 1, ())  # the new run names both
    for snapshot, label in ((old, b"old"), (new, b"new")):
        assert read_with(office.opened(), snapshot, [LATER])["table/b"] == label * 50
    assert (office.reseal().keys, office.reseal().bundles) == (0, 0)


def test_what_a_key_does_not_open_stays_closed_and_is_told(office: Office) -> None:
    backed_up(office, "old")
    office.add(LATER_PUBLIC, key_of(KeyKind.RECIPIENT, "third"))
    report = office.reseal(opens=LATER)
    assert (report.keys, [str(run) for run in report.closed]) == (
        0,
        [str(snapshots(office.opened())[0].link.manifest.run)],
    )


def test_a_removed_recipient_opens_nothing_that_comes_and_who_removes_it_is_told_what_stays_open(
    office: Office,
) -> None:
    office.add(LATER_PUBLIC)
    backed_up(office, "old")
    gone = find_key(office.opened().trust, "later")
    (stays,) = open_to(office.opened(), gone.key_id)
    assert (stays.source, stays.snapshots) == ("land", 1)
    office.change(Change(removed=(gone,)))
    backed_up(office, "new")
    old, new = snapshots(office.opened())
    assert read_with(office.opened(), old, [LATER])["table/b"] == b"old" * 50
    with pytest.raises(KeyMissing):
        read_with(office.opened(), new, [LATER])
    assert [one.snapshots for one in open_to(office.opened(), gone.key_id)] == [1]


def test_sealing_again_that_is_killed_goes_on_where_it_was(
    office: Office, stores: tuple[FaultyStore, FaultyStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BUNDLE_KEYS", 2)
    for number in range(5):
        backed_up(office, f"night {number}")
    office.add(LATER_PUBLIC)
    killed = stores[0].plan("put", KeyboardInterrupt(), name_part="keys/1", after=True)
    with pytest.raises(KeyboardInterrupt):
        office.reseal()
    assert killed.fired == 1
    assert names.bundle(1) not in [stat.name for stat in stores[1].list_objects("keys/")]
    report = office.reseal()
    assert (report.keys, report.bundles) == (1, 1)
    for store in stores:
        assert [stat.name for stat in store.list_objects("keys/")] == ["keys/0", "keys/1", "keys/2"]
    for snapshot in snapshots(office.opened()):
        assert read_with(office.opened(), snapshot, [LATER])["schema"] == STREAMS["schema"]


def test_of_two_holders_at_once_one_is_told_and_changes_nothing(
    office: Office, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    seen = office.opened()
    office.add(LATER_PUBLIC)
    with pytest.raises(ObjectConflict) as refused:
        office.change(Change(added=(key_of(KeyKind.RECIPIENT, "other"),)), seen=seen)
    assert "quicker" in refused.value.message
    assert read_trust(stores[0]) == read_trust(stores[1])
    assert [key.label for key in listed_keys(office.opened().trust)][1:] == ["", "later", "host", "maintainer"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
def test_killed_between_two_stores_the_next_call_brings_the_other_up(
    office: Office, stores: tuple[FaultyStore, FaultyStore], after: object
) -> None:
    killed = stores[1].plan("put", KeyboardInterrupt(), name_part="trust/1", after=bool(after))
    with pytest.raises(KeyboardInterrupt):
        office.add(LATER_PUBLIC)
    assert killed.fired == 1
    office.add(key_of(KeyKind.RECIPIENT, "third"))
    assert read_trust(stores[0]) == read_trust(stores[1])
    assert len(read_trust(stores[1])) == 3


def test_a_store_that_is_away_is_told_and_brought_up(office: Office, stores: tuple[FaultyStore, FaultyStore]) -> None:
    away = stores[1].plan("put", StoreUnavailable("away"), name_part="trust/1")
    published = office.add(LATER_PUBLIC)
    assert (published.stores, list(published.missing), away.fired) == (("store0",), ["store1"], 1)
    assert office.opened().short_of_trust == {"store1"}
    assert bring_up(office.opened()) == {}
    assert office.opened().short_of_trust == frozenset()


def test_a_store_that_stops_answering_keeps_no_other_from_its_record(
    office: Office, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    seen = office.opened()
    silent = stores[0].plan("read", StoreUnavailable("silent"), times=99)
    published = office.change(Change(added=(LATER_PUBLIC,)), seen=seen)
    assert (published.stores, list(published.missing)) == (("store1",), ["store0"])
    assert silent.fired > 0
    stores[0].faults.clear()
    assert bring_up(office.opened()) == {}
    assert read_trust(stores[0]) == read_trust(stores[1])


def test_only_root_keys_sign_and_as_many_as_must(office: Office) -> None:
    second = key_of(KeyKind.ROOT, "second root")
    with pytest.raises(KeyWrong, match="no root key"):
        office.change(Change(added=(LATER_PUBLIC,)), HOUSEHOLD.maintainer)
    office.change(Change(added=(second,), threshold=2))
    for keys in ((HOUSEHOLD.root,), (HOUSEHOLD.root, HOUSEHOLD.root)):
        with pytest.raises(KeyMissing, match="too few"):
            office.change(Change(added=(LATER_PUBLIC,)), *keys)
    assert office.opened().trust.number == 1
    office.change(Change(added=(LATER_PUBLIC,)), HOUSEHOLD.root, SigningKey.from_seed(seed("second root")))
    first = find_key(office.opened().trust, "root")
    with pytest.raises(UsageInvalid, match="nobody could change"):
        next_record(office.opened().trust, Change(removed=(first,)))


def test_what_would_close_the_repository_is_refused(office: Office) -> None:
    trust = office.opened().trust
    only = next(key for key in listed_keys(trust) if key.kind is KeyKind.RECIPIENT)
    host = find_key(trust, "host")
    many = tuple(
        replace(LATER_PUBLIC, public=replace(LATER.public(), p384=bytes(95) + number.to_bytes(2)))
        for number in range(32)
    )
    for change, words in (
        (Change(removed=(only,)), "nobody could read"),
        (Change(removed=(host,)), "count on"),
        (Change(added=many), "too many recipients"),
        (Change(added=(LATER_PUBLIC, LATER_PUBLIC)), "listed already"),
        (Change(added=(key_of(KeyKind.OPERATOR, "operator1"),)), "a person"),
        (Change(added=(replace(key_of(KeyKind.WRITER, "x"), public=HOUSEHOLD.maintainer.public),)), "listed already"),
    ):
        with pytest.raises(UsageInvalid, match=words):
            next_record(trust, change)
    next_record(trust, Change(added=many[:31]))


def test_keys_are_found_by_label_or_digits(office: Office) -> None:
    trust = office.opened().trust
    host = find_key(trust, "host")
    assert find_key(trust, grouped(host.key_id.raw[:4])) == host
    for which in ("nobody", str(host.key_id)[:6]):
        with pytest.raises(UsageInvalid):
            find_key(trust, which)


def test_bundles_of_a_revoked_maintainer_count_no_more_and_are_sealed_again(office: Office) -> None:
    backed_up(office, "old")
    office.add(LATER_PUBLIC, key_of(KeyKind.MAINTAINER, "second"))
    office.reseal()
    office.revoke("maintainer")
    (old,) = snapshots(office.opened())
    with pytest.raises(KeyMissing):
        read_with(office.opened(), old, [LATER])
    with pytest.raises(KeyWrong):
        office.reseal()
    assert office.reseal(key=SigningKey.from_seed(seed("second"))).keys == 1
    assert read_with(office.opened(), old, [LATER])["table/b"] == b"old" * 50
    third = replace(office.founded.replicas[0], name="third", store=MemoryStore(ManualClock()))
    whole = office.opened()
    Carrier(whole.replicas, third, whole.trust, lambda _count: None).trust_records()
    assert [stat.name for stat in third.store.list_objects("keys/")] == ["keys/0", "keys/1"]
