"""The ledger in the stores: adding, reading, stores that were away, machines side by side, and everything that is cut or altered."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from drorch.errors import LedgerBroken, ObjectConflict, StoreUnavailable
from drorch.evidence.ledger import LedgerProblem, ProblemKind
from drorch.evidence.ledger_segment import chain_of, sign_segment
from drorch.operations.proof.reading import Ledger
from drorch.quantities import counted
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.ledgers import (
    AT,
    DRILL_HOST,
    REPOSITORY_ID,
    STRANGER,
    WRITER,
    append_each,
    documented,
    filled,
    month_entry,
    objects,
    read,
    repository,
    subjects,
    two_stores,
    without,
    writer,
)
from tests.support.repositories import ManualClock


def kinds(ledger: Ledger) -> set[ProblemKind]:
    return {problem.kind for problem in ledger.problems}


def test_entries_come_back_from_every_store_numbered_and_whole() -> None:
    hanoi, dalat = two_stores()
    first = writer(repository(hanoi, dalat)).append([month_entry("a"), month_entry("b")])
    second = writer(repository(hanoi, dalat)).append([month_entry("c")])
    assert (first.numbers, second.numbers, second.stores) == ((1, 2), (3,), ("hanoi", "dalat"))
    for stores in ([hanoi], [dalat], [hanoi, dalat]):
        ledger = read(*stores)
        assert subjects(ledger) == ["a", "b", "c"]
        assert ledger.problems == ()
        assert [one.number for one in ledger.entries()] == [1, 2, 3]
    assert read(hanoi, dalat).heads["dalat"] == {chain_of(WRITER.key_id): second.head}


def test_two_machines_add_to_chains_of_their_own_and_see_each_other() -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    seen = writer(opened).append([month_entry("backup1")]).head
    writer(opened, DRILL_HOST).append([month_entry("drill1")])
    ledger = read(hanoi, dalat)
    assert sorted(subjects(ledger)) == ["backup1", "drill1"]
    (segment,) = ledger.chains[chain_of(DRILL_HOST.key_id)].segments
    assert segment.seen == ((chain_of(WRITER.key_id), seen),)


@pytest.mark.parametrize("has_memory", [True, False])
def test_a_store_that_was_away_catches_up_with_entries_and_documents(*, has_memory: bool, tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened, memory = repository(hanoi, dalat), tmp_path if has_memory else None
    append_each(writer(opened, memory=memory), ["a"])
    name = "evidence/2026/x.dsse"
    writer(without(opened, "dalat"), memory=memory).append([documented(name, b"told")], {name: b"told"})
    assert kinds(read(hanoi, dalat)) == {ProblemKind.BEHIND}
    assert read(hanoi, dalat).alarms == ()
    append_each(writer(opened, memory=memory), ["c"])
    assert read(hanoi, dalat).problems == ()
    assert objects(dalat, "evidence/") == {name: b"told"}


def test_a_store_gets_from_memory_what_no_other_store_has_at_the_moment(tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    append_each(writer(opened, memory=tmp_path), ["a"])
    name = "evidence/2026/x.dsse"
    writer(without(opened, "dalat"), memory=tmp_path).append([documented(name, b"told")], {name: b"told"})
    append_each(writer(without(opened, "hanoi"), memory=tmp_path), ["c"])
    assert read(dalat).problems == ()
    assert subjects(read(dalat)) == ["a", "2026-11", "c"]
    assert objects(dalat, "evidence/") == {name: b"told"}


def test_memory_is_dropped_when_every_store_has_everything(tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    name = "evidence/2026/x.dsse"
    for content in (b"1", b"1", b"1"):
        writer(opened, memory=tmp_path).append([documented(name, content)], {name: content})
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(kept) == ["3.segment", "lock"]


def test_branches_that_grew_apart_are_told_and_joined_by_the_next_entry() -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    append_each(writer(opened), ["a"])
    append_each(writer(without(opened, "dalat")), ["b"])
    append_each(writer(without(opened, "hanoi")), ["B"])
    assert ProblemKind.FORKED in kinds(read(hanoi, dalat))
    append_each(writer(opened), ["c"])
    ledger = read(hanoi, dalat)
    assert ledger.problems == ()
    assert [one for one in subjects(ledger) if one in "abc"] == ["a", "b", "c"]
    append_each(writer(opened), ["d"])
    assert read(dalat).problems == ()
    assert len(ledger.chains[chain_of(WRITER.key_id)].segments[-1].seen) == 1


def test_when_no_store_takes_it_the_error_is_the_stores(tmp_path: Path) -> None:
    hanoi = FaultyStore(MemoryStore(ManualClock()))
    opened = repository(hanoi)
    hanoi.plan("put", StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        append_each(writer(opened, memory=tmp_path), ["a"])
    hanoi.assert_all_fired()
    append_each(writer(opened, memory=tmp_path), ["a"])
    assert subjects(read(hanoi)) == ["a"]


def test_one_store_that_fails_is_named_and_the_others_take_the_entry() -> None:
    hanoi, dalat = two_stores()
    faulty = FaultyStore(hanoi)
    opened = repository(faulty, dalat)
    faulty.plan("put", StoreUnavailable("away"))
    appended = writer(opened).append([month_entry()])
    assert (appended.stores, list(appended.failures)) == (("dalat",), ["hanoi"])


def test_a_document_never_changes() -> None:
    hanoi, _ = two_stores()
    opened = repository(hanoi)
    name = "evidence/2026/x.dsse"
    writer(opened).append([documented(name, b"1")], {name: b"1"})
    with pytest.raises(ObjectConflict):
        writer(opened).append([documented(name, b"2")], {name: b"2"})
    assert len(subjects(read(hanoi))) == 1


def test_threads_of_one_machine_take_turns(tmp_path: Path) -> None:
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    names = [f"{number}" for number in range(12)]
    threads = [
        threading.Thread(target=append_each, args=(writer(opened, memory=tmp_path), names[start::4]))
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(subjects(read(hanoi, dalat))) == sorted(names)
    assert read(hanoi, dalat).problems == ()


def _three(count: int = 3) -> MemoryStore:
    hanoi = MemoryStore(ManualClock())
    append_each(writer(repository(hanoi)), [f"{number}" for number in range(count)])
    return hanoi


def _without_the_last(store: MemoryStore, count: int = 1) -> dict[str, bytes]:
    contents = objects(store, "")
    for number in range(3, 3 - count, -1):
        del contents[f"ledger/{chain_of(WRITER.key_id)}/{number:012d}"]
    return contents


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_entries_cut_in_one_store_are_told_by_the_other(count: int) -> None:
    hanoi = _three()
    dalat = filled(_without_the_last(hanoi, count))
    words = f"lacks {counted(count, 'segment')} of backup1, from {4 - count} on"
    assert read(hanoi, dalat).problems == (LedgerProblem(ProblemKind.BEHIND, "dalat", words),)


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_entries_cut_everywhere_are_told_by_who_knows_a_head(count: int) -> None:
    hanoi = _three()
    head = str(read(hanoi).chains[chain_of(WRITER.key_id)].head.digest)
    assert read(hanoi).find_head(head[:16]) is not None
    cut = filled(_without_the_last(hanoi, count))
    assert read(cut).problems == ()
    assert read(cut).find_head(head[:16]) is None


def test_the_last_entries_cut_everywhere_are_told_by_another_machine_that_saw_them() -> None:
    hanoi = _three()
    append_each(writer(repository(hanoi), DRILL_HOST), ["drill"])
    assert kinds(read(filled(_without_the_last(hanoi)))) == {ProblemKind.CUT}


def test_an_entry_taken_out_of_the_middle_is_a_gap() -> None:
    contents = objects(_three(), "")
    del contents[f"ledger/{chain_of(WRITER.key_id)}/000000000002"]
    assert ProblemKind.GAP in kinds(read(filled(contents)))


def test_entries_of_strangers_count_for_nothing_and_are_told() -> None:
    hanoi = _three()
    forged = sign_segment(
        [month_entry("forged")], after=None, seen={}, repository=REPOSITORY_ID, made_at=AT, key=STRANGER
    )
    hanoi.put_if_absent(f"ledger/{chain_of(STRANGER.key_id)}/000000000001", forged)
    ledger = read(hanoi)
    assert subjects(ledger) == ["0", "1", "2"]
    assert kinds(ledger) == {ProblemKind.UNSIGNED}


def test_a_key_that_the_repository_does_not_know_adds_nothing() -> None:
    hanoi = _three()
    with pytest.raises(LedgerBroken, match="may not"):
        append_each(writer(repository(hanoi), STRANGER), ["forged"])
    assert read(hanoi).problems == ()


def test_what_strangers_leave_under_the_next_name_stops_nobody() -> None:
    hanoi = _three()
    hanoi.put_if_absent(f"ledger/{chain_of(WRITER.key_id)}/000000000004", b"rubbish")
    append_each(writer(repository(hanoi)), ["3", "4"])
    ledger = read(hanoi)
    assert subjects(ledger) == ["0", "1", "2", "3", "4"]
    assert kinds(ledger) == {ProblemKind.DAMAGED}
