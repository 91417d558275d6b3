"""A host's key is revoked: up to where its snapshots count, who vouches for that, and what it can do no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drorch.errors import KeyWrong, SnapshotUnknown, StoreUnavailable, UsageInvalid
from drorch.evidence.ledger_entry import EntryKind
from drorch.format.keyfile import KeyKind
from drorch.format.keys import HostKey
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.format.signing import SigningKey
from drorch.ids import Digest, LaneId
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.reading import read_ledger, read_segments
from drorch.operations.rotate_keys.last_good import LaneEnd, Vouching, lane_ends, ledger_end
from drorch.operations.rotate_keys.listed import find_key, revoked_keys
from drorch.repository.checker import CheckRequest, check
from drorch.repository.copier import catch_up
from drorch.repository.findings import Kind, Level
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import read_trust
from drorch.repository.retirement import put_list, read_retirement
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.key_changes import HOUSEHOLD, LATER_PUBLIC, Office, key_of
from tests.support.ledgers import month_entry
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, seed, snapshots
from tools import verify_evidence

DAY = 86_400


class Replaced(Household):
    """The same people, and a new host."""

    @property
    def host(self) -> HostKey:
        return HostKey(seed("new host"), seed("new lane master"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def one_store(clock: ManualClock) -> Office:
    return Office(founded=HOUSEHOLD.create(MemoryStore(clock)))


@pytest.fixture
def two_stores(clock: ManualClock) -> Office:
    return Office(founded=HOUSEHOLD.create(MemoryStore(clock), FaultyStore(MemoryStore(clock))))


def nights(office: Office, clock: ManualClock, count: int, source: str = "land") -> list[ListedSnapshot]:
    """Back up every night; return all snapshots of the source, oldest first."""
    for _ in range(count):
        label = f"{source} {clock.seconds}"
        streams = {"table/a": label.encode()}
        back_up(office.opened(), streams, source=source, random_bytes=counting_random(label), clock=clock)
        clock.sleep(DAY)
    return [one for one in snapshots(office.opened()) if one.link.manifest.source == source]


def ends(office: Office, **vouching: object) -> tuple[LaneEnd, ...]:
    repository = office.opened()
    return lane_ends(repository, find_key(repository.trust, "host"), Vouching(**vouching))  # type: ignore[arg-type]


def test_a_snapshot_that_is_named_ends_its_source_and_the_others_end_by_themselves(
    two_stores: Office, clock: ManualClock
) -> None:
    land, civil = nights(two_stores, clock, 3), nights(two_stores, clock, 2, "civil")
    found = {end.source: end for end in ends(two_stores, named=(str(land[1].link.manifest.run)[:10],))}
    assert found["land"].last is not None
    assert (found["land"].last.digest, found["land"].later) == (land[1].link.digest, 1)
    assert found["civil"].last is not None
    assert (found["civil"].last.digest, found["civil"].later) == (civil[1].link.digest, 0)
    assert found["civil"].voucher == "it is in store0 and store1"
    with pytest.raises(SnapshotUnknown):
        ends(two_stores, named=("00000000",))


def test_before_a_time_counts_by_the_stores_dates_whatever_the_writer_says(
    one_store: Office, clock: ManualClock
) -> None:
    first, *_ = nights(one_store, clock, 1)
    stolen = clock.now()
    clock.sleep(DAY)
    nights(one_store, clock, 2)  # every manifest of these tests says that it was made at the same time
    (end,) = ends(one_store, before=stolen)
    assert end.last is not None
    assert (end.last.digest, end.later) == (first.link.digest, 2)
    (end,) = ends(one_store, before=EPOCH.replace(year=2000))
    assert (end.last, end.later) == (None, 3)


def test_what_only_one_store_has_needs_somebodys_word_or_the_catalog(one_store: Office, clock: ManualClock) -> None:
    land = nights(one_store, clock, 3)
    with pytest.raises(UsageInvalid, match="nobody but one store"):
        ends(one_store)
    lane, digest = land[1].link.lane, land[1].link.digest
    (end,) = ends(one_store, seen={lane: {digest, Digest(bytes(32))}})
    assert end.last is not None
    assert (end.last.digest, end.later, end.voucher) == (digest, 1, "the catalog saw it")


def test_a_store_that_does_not_answer_stops_the_revocation(two_stores: Office, clock: ManualClock) -> None:
    nights(two_stores, clock, 1)
    silent = two_stores.founded.replicas[1].store
    assert isinstance(silent, FaultyStore)
    silent.plan("read", StoreUnavailable("away"), name_part="/m/", times=99)
    with pytest.raises(StoreUnavailable):
        ends(two_stores)


def test_a_revoked_host_writes_no_more_and_what_counted_is_read_pruned_and_verified(
    two_stores: Office, clock: ManualClock
) -> None:
    land = nights(two_stores, clock, 3)
    ledger = LedgerWriter(repository=two_stores.opened(), key=HOUSEHOLD.host.signing_key(), clock=clock, memory=None)
    ledger.append([month_entry()])
    new_host = key_of(KeyKind.WRITER, "new host")
    two_stores.add(new_host)
    two_stores.revoke("host", Vouching(named=(str(land[1].link.manifest.run),)))
    listed = [one.link.digest for one in snapshots(two_stores.opened())]
    assert listed == [one.link.digest for one in land[:2]]
    with pytest.raises(KeyWrong, match="was revoked") as refused:
        nights(two_stores, clock, 1)
    assert "keys generate" in refused.value.hint
    assert [entry.entry.kind for entry in read_ledger(two_stores.opened()).entries()] == [EntryKind.REPORT_MONTH]
    assert read_ledger(two_stores.opened()).alarms == ()
    back_up(two_stores.opened(), {"table/a": b"new"}, household=Replaced(), clock=clock)
    assert len(snapshots(two_stores.opened())) == 3
    errors = [one for one in check(two_stores.opened(), CheckRequest()).findings if one.level is Level.ERROR]
    assert errors == []
    (revoked,) = revoked_keys(two_stores.opened().trust)
    assert (revoked.label, revoked.chains) == ("host", 2)  # its lane, and its chain of the ledger


def test_of_the_ledger_counts_what_the_stores_had_and_what_another_machine_saw(
    two_stores: Office, clock: ManualClock
) -> None:
    two_stores.add(key_of(KeyKind.DRILL_HOST, "drill"))

    def enter(month: str, key: SigningKey) -> None:
        LedgerWriter(repository=two_stores.opened(), key=key, clock=clock, memory=None).append([month_entry(month)])
        clock.sleep(DAY)

    own, drill = HOUSEHOLD.host.signing_key(), SigningKey.from_seed(seed("drill"))
    host = find_key(two_stores.opened().trust, "host")
    enter("2026-08", own)
    stolen = clock.now()
    enter("2026-09", own)
    enter("2026-10", own)
    heads = [ledger_end(two_stores.opened(), host, before) for before in (None, stolen, EPOCH.replace(year=2000))]
    assert [None if head is None else head.sequence for head in heads] == [3, 1, None]
    enter("2026-09", drill)
    enter("2026-11", own)
    two_stores.revoke("host", Vouching(before=stolen))
    ledger = read_ledger(two_stores.opened())
    assert sorted(len(chain.segments) for chain in ledger.chains.values()) == [1, 3]
    assert ledger.alarms == ()
    (first, _) = two_stores.opened().replicas
    records = verify_evidence.trust_chain(list(read_trust(first.store)))
    stored = {chain.raw: list(raws.values()) for chain, raws in read_segments(first).items()}
    lines = {chain: verify_evidence.read_chain(chain, raws, records)[0] for chain, raws in stored.items()}
    assert sorted(len(line) for line in lines.values()) == [1, 3]  # the reader that shares no code says the same


def test_a_ledger_of_which_nothing_counts_breaks_no_other(two_stores: Office, clock: ManualClock) -> None:
    own = HOUSEHOLD.host.signing_key()
    LedgerWriter(repository=two_stores.opened(), key=own, clock=clock, memory=None).append([month_entry()])
    two_stores.revoke("host", Vouching(before=EPOCH.replace(year=2000)))
    ledger = read_ledger(two_stores.opened())
    assert (dict(ledger.chains), ledger.alarms) == ({}, ())
    records = verify_evidence.trust_chain(list(read_trust(two_stores.opened().replicas[0].store)))
    assert verify_evidence.is_given_up(own.key_id.raw[:16], records[-1])


def test_lists_of_a_revoked_maintainer_count_on_and_its_bundles_do_not(two_stores: Office, clock: ManualClock) -> None:
    (land,) = nights(two_stores, clock, 1)
    lane, run = land.link.lane, land.link.manifest.run
    hold = HoldWord(run=run, kind=HoldKind.HOLD, stands=True, reason="case 12")
    for replica in two_stores.founded.replicas:
        put_list(replica, two_stores.opened().trust, lane, key=HOUSEHOLD.maintainer, clock=clock, holds=(hold,))
    two_stores.add(LATER_PUBLIC, key_of(KeyKind.MAINTAINER, "second"))
    two_stores.reseal()
    two_stores.revoke("maintainer")
    repository = two_stores.opened()
    for replica in repository.replicas:
        assert read_retirement(replica.store, repository.trust, lane).is_held(run, clock.now())
    (note, _) = [one for one in check(repository, CheckRequest()).findings if one.name == "keys/0"]
    assert (note.level, note.kind) == (Level.NOTE, Kind.SIGNATURE)
    assert two_stores.reseal(key=SigningKey.from_seed(seed("second"))).keys == 1


def test_a_store_that_was_behind_the_last_good_head_is_filled_afterwards(
    two_stores: Office, clock: ManualClock
) -> None:
    nights(two_stores, clock, 1)
    behind = two_stores.founded.replicas[1].store
    assert isinstance(behind, FaultyStore)
    away = behind.plan("put", StoreUnavailable("away"), name_part="l/", times=99)
    nights(two_stores, clock, 1)
    assert away.fired > 0
    behind.faults.clear()
    two_stores.revoke("host")
    whole = two_stores.opened()
    source, target = whole.replicas
    assert catch_up([source], target, whole.trust).problems == ()
    assert len(snapshots(replace(whole, replicas=(target,)))) == 2


def test_a_lane_of_a_stranger_is_none_of_the_hosts(two_stores: Office, clock: ManualClock) -> None:
    nights(two_stores, clock, 1)
    two_stores.add(key_of(KeyKind.WRITER, "new host"))
    back_up(
        two_stores.opened(), {"table/a": b"x"}, household=Replaced(), clock=clock, random_bytes=counting_random("x")
    )
    assert {end.lane for end in ends(two_stores)} == {
        one.link.lane for one in snapshots(two_stores.opened()) if one.link.lane.raw[:6] == host_prefix()
    }
    assert len(ends(two_stores)) == 1


def host_prefix() -> bytes:
    return LaneId(HOUSEHOLD.host.signing_key().key_id.raw[:16]).raw[:6]
