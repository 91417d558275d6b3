"""The ledger under crashes at every store call, two processes at every interleaving, and every byte altered."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.errors import DrorchError
from drorch.evidence.ledger_segment import chain_of
from drorch.format.signing import SigningKey
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.ledgers import (
    DRILL_HOST,
    WRITER,
    append_each,
    documented,
    filled,
    objects,
    over,
    read,
    repository,
    subjects,
    two_stores,
    writer,
)
from tests.support.repositories import ManualClock
from tests.support.turns import Turns, shuffled

NAME = "evidence/2026/x.dsse"


@pytest.mark.parametrize("applies_last", [False, True])
@pytest.mark.parametrize("has_memory", [False, True])
def test_a_process_that_dies_at_any_call_leaves_a_ledger_that_goes_on(
    *, applies_last: bool, has_memory: bool, tmp_path: Path
) -> None:
    for survives in range(100):
        hanoi, dalat = two_stores()
        memory = tmp_path / f"{survives}" if has_memory else None
        append_each(writer(repository(hanoi, dalat), memory=memory), ["a"])
        opened = repository(hanoi, dalat)
        dying = CrashStore(hanoi, survives_calls=survives, applies_last=applies_last)
        try:
            writer(over(opened, dying, dalat), memory=memory).append([documented(NAME, b"told")], {NAME: b"told"})
        except Crashed:
            assert dying.has_crashed
        else:
            assert not dying.has_crashed
            return
        append_each(writer(opened, memory=memory), ["c"])
        ledger = read(hanoi, dalat)
        assert ledger.problems == ()
        assert [one for one in subjects(ledger) if len(one) == 1] == ["a", "c"]
        if "2026-11" in subjects(ledger):
            assert objects(hanoi, "evidence/") == objects(dalat, "evidence/") == {NAME: b"told"}
    pytest.fail("it never ended by itself")


@pytest.mark.parametrize("start", range(12))
def test_two_processes_with_one_key_and_one_of_another_machine_lose_nothing(start: int) -> None:
    store = MemoryStore(ManualClock())
    append_each(writer(repository(store)), ["begun"])
    opened = repository(store)
    turns = Turns(store, shuffled(start))

    def adding(key: SigningKey, *names: str) -> Callable[[ObjectStore], None]:
        return lambda own: append_each(writer(over(opened, own), key), names)

    outcomes = turns.run(
        {"one": adding(WRITER, "a", "b"), "two": adding(WRITER, "c", "d"), "other": adding(DRILL_HOST, "e", "f")}
    )
    assert [one for one in outcomes.values() if isinstance(one, DrorchError)] == []
    ledger = read(store)
    assert ledger.problems == ()
    assert sorted(subjects(ledger)) == ["a", "b", "begun", "c", "d", "e", "f"]


def test_every_byte_that_is_altered_is_noticed_and_the_entries_before_still_count() -> None:
    hanoi = MemoryStore(ManualClock())
    append_each(writer(repository(hanoi)), ["a", "b", "c"])
    contents = objects(hanoi, "")
    dice = random.Random(5)
    for number in (1, 2, 3):
        name = f"ledger/{chain_of(WRITER.key_id)}/{number:012d}"
        whole = contents[name]
        everywhere = {*range(40), *dice.sample(range(len(whole)), 80), len(whole) - 1}
        for place in sorted(one for one in everywhere if one < len(whole)):
            altered = bytearray(whole)
            altered[place] ^= 1 << dice.randrange(8)
            ledger = read(filled({**contents, name: bytes(altered)}))
            assert ledger.alarms, f"byte {place} of segment {number}"
            assert subjects(ledger) in (["a", "b"], ["b", "c"], ["c"])


def test_a_segment_cut_short_is_noticed() -> None:
    hanoi = MemoryStore(ManualClock())
    append_each(writer(repository(hanoi)), ["a", "b"])
    contents = objects(hanoi, "")
    name = f"ledger/{chain_of(WRITER.key_id)}/{1:012d}"
    for length in (0, 12, 100, len(contents[name]) - 1):
        assert read(filled({**contents, name: contents[name][:length]})).alarms
