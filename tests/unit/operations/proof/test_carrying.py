"""A copy brings the ledger of every machine to a store that was away, and what its entries name; without any key."""

from __future__ import annotations

from drorch.evidence.ledger_segment import chain_of
from drorch.format import names
from drorch.operations.proof.carrying import CarriedLedger, carry_ledger
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.ledgers import (
    DRILL_HOST,
    WRITER,
    append_each,
    documented,
    objects,
    read,
    repository,
    subjects,
    two_stores,
    without,
    writer,
)

NAME = "evidence/2026/x.dsse"


def behind() -> tuple[MemoryStore, MemoryStore]:
    """Two machines, four segments; the second store saw the first of them."""
    hanoi, dalat = two_stores()
    opened = repository(hanoi, dalat)
    append_each(writer(opened), ["a"])
    alone = without(opened, "dalat")
    writer(alone).append([documented(NAME, b"told")], {NAME: b"told"})
    append_each(writer(alone), ["c"])
    append_each(writer(alone, DRILL_HOST), ["drill"])
    return hanoi, dalat


def carry(hanoi: MemoryStore, dalat: object) -> CarriedLedger:
    opened = repository(hanoi, dalat)  # type: ignore[arg-type]
    return carry_ledger(opened.replicas[:1], opened.replicas[1], opened.trust)


def test_every_chain_comes_with_its_documents_and_once() -> None:
    hanoi, dalat = behind()
    assert carry(hanoi, dalat) == CarriedLedger(segments=3, problems=())
    assert read(hanoi, dalat).problems == ()
    assert sorted(subjects(read(dalat))) == sorted(subjects(read(hanoi)))
    assert objects(dalat, "evidence/") == {NAME: b"told"}
    before = objects(dalat, "")
    assert carry(hanoi, dalat) == carry(dalat, hanoi) == CarriedLedger(segments=0, problems=())
    assert objects(dalat, "") == before


def test_what_cannot_come_is_named_and_the_other_chains_come() -> None:
    hanoi, dalat = behind()
    hanoi.delete([names.ledger_segment(chain_of(WRITER.key_id), 2)])
    carried = carry(hanoi, dalat)
    assert carried.segments == 1
    assert [one.lane for one in carried.problems] == [chain_of(WRITER.key_id)]
    assert "segment 2" in carried.problems[0].error.message


def test_a_strangers_folder_is_passed_by() -> None:
    hanoi, dalat = behind()
    hanoi.put_if_absent(f"ledger/{'0f' * 16}/{1:012d}", b"no segment")
    assert carry(hanoi, dalat).problems == ()


def test_it_may_be_killed_at_any_call() -> None:
    survives = 0
    while True:
        hanoi, dalat = behind()
        dying = CrashStore(dalat, survives_calls=survives, applies_last=survives % 2 == 0)
        try:
            carry(hanoi, dying)
        except Crashed:
            survives += 1
            assert carry(hanoi, dalat).problems == ()
            assert read(hanoi, dalat).problems == ()
            continue
        assert survives > 10
        break
