"""Anchors: which chunk a new one is made against, when its place is taken, and what is forgotten."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.ids import ChunkId
from drorch.repository.anchors import (
    CANDIDATES,
    POSTINGS_KEPT,
    SHARE_RANGE,
    UNUSED_RUNS,
    Anchor,
    Anchors,
    is_within,
)

SKETCH = tuple(range(8))
ROOM = 10**9


def identity(label: str, first: int | None = None) -> ChunkId:
    raw = hashlib.sha256(label.encode()).digest()
    return ChunkId(raw if first is None else bytes([first]) + raw[1:])


def anchor(label: str, base: str | None = None, stored: int = 1_000, first: int | None = None) -> Anchor:
    below = None if base is None else identity(base)
    return Anchor(identity(label, first), below, 0 if base is None else 1, 4_000, stored, True, 0)


@pytest.fixture
def anchors(tmp_path: Path) -> Iterator[Anchors]:
    made = Anchors(tmp_path / "lane.anchors")
    yield made
    made.close()


def names(found: tuple[Anchor, ...]) -> list[ChunkId]:
    return [one.identity for one in found]


def test_the_most_alike_comes_first_and_the_newest_of_equals(anchors: Anchors) -> None:
    anchors.add(anchor("four"), (0, 1, 2, 3, 100, 101, 102, 103), 500)
    anchors.add(anchor("older six"), (0, 1, 2, 3, 4, 5, 200, 201), 500)
    anchors.add(anchor("newer six"), (0, 1, 2, 3, 4, 5, 300, 301), 500)
    anchors.add(anchor("one"), (0, 400, 401, 402, 403, 404, 405, 406), 500)
    assert names(anchors.similar(SKETCH)) == [identity("newer six"), identity("older six"), identity("four")]
    assert anchors.similar(tuple(range(500, 508))) == () == anchors.similar(SKETCH[:1])
    assert anchors.similar(()) == ()


def test_chunks_that_are_all_alike_do_not_make_it_slower(anchors: Anchors, tmp_path: Path) -> None:
    for number in range(500):
        anchors.add(anchor(f"chunk {number}"), SKETCH, 1)
    found = anchors.similar(SKETCH)
    assert len(found) <= CANDIDATES
    assert found[0].identity == identity("chunk 499")
    anchors.close()
    with sqlite3.connect(tmp_path / "lane.anchors") as connection:
        (postings,) = connection.execute("select count(*) from feature").fetchone()
    connection.close()
    assert postings <= len(SKETCH) * (POSTINGS_KEPT + 1)


def test_an_anchor_is_exhausted_when_its_deltas_cost_what_it_did(anchors: Anchors) -> None:
    one = anchor("one", stored=1_000)
    limit = 1_000 * (128 + one.identity.raw[1]) // 256
    anchors.add(one, SKETCH, 500)
    anchors.spend(one.identity, limit - 1)
    assert [found.is_exhausted for found in anchors.similar(SKETCH)] == [False]
    anchors.spend(one.identity, 1)
    assert [found.is_exhausted for found in anchors.similar(SKETCH)] == [True]


def test_limits_are_spread_from_half_to_one_and_a_half() -> None:
    def limit(second: int) -> int:
        raw = bytes([0, second]) + bytes(30)
        exhausted = [
            spent for spent in range(2_000) if Anchor(ChunkId(raw), None, 0, 1, 1_000, True, spent).is_exhausted
        ]
        return exhausted[0]

    assert (limit(0), limit(128), limit(255)) == (500, 1_000, 1_496)


def test_a_retired_anchor_is_offered_no_more_and_stays_while_another_rests_on_it(anchors: Anchors) -> None:
    anchors.add(anchor("full"), SKETCH, 500)
    anchors.add(anchor("middle", base="full"), tuple(range(10, 18)), 50)
    anchors.retire([identity("full")])
    assert anchors.similar(SKETCH) == ()
    assert anchors.end_run() == ()
    assert anchors.get(identity("full")) is not None
    anchors.retire([identity("middle")])
    assert set(anchors.end_run()) == {identity("full"), identity("middle")}
    assert anchors.get(identity("full")) is None


def test_what_three_runs_had_no_use_for_is_forgotten(anchors: Anchors) -> None:
    anchors.add(anchor("used"), SKETCH, 500)
    anchors.add(anchor("unused"), tuple(range(10, 18)), 500)
    forgotten = []
    anchors.end_run()
    for _ in range(UNUSED_RUNS):
        anchors.touch(identity("used"))
        forgotten.append(anchors.end_run())
    assert forgotten == [()] * (UNUSED_RUNS - 1) + [(identity("unused"),)]
    assert names(anchors.similar(SKETCH)) == [identity("used")]


def test_a_cache_that_is_too_large_keeps_a_share_by_id(anchors: Anchors) -> None:
    for number in range(256):
        anchors.add(anchor(f"chunk {number}", first=number), (number * 8, number * 8 + 1), 1_000)
    assert anchors.cached_bytes == 256_000
    gone = anchors.fit(64 * 1_000)
    assert abs(anchors.share / SHARE_RANGE - 0.25) < 0.01
    assert {one.raw[0] for one in gone} == set(range(64, 256))
    assert anchors.cached_bytes == 64_000
    assert [is_within(ChunkId(bytes([first]) + bytes(31)), anchors.share) for first in (0, 63, 65, 255)] == [
        True,
        True,
        False,
        False,
    ]
    kept = anchors.get(identity("chunk 200", first=200))
    assert kept is not None, "it still says what a larger cache would save"
    assert not kept.is_cached


def test_a_middle_is_kept_where_its_root_is(anchors: Anchors) -> None:
    root = anchor("root", first=0)
    anchors.add(root, SKETCH, 1_000)
    anchors.add(Anchor(identity("middle", first=255), root.identity, 1, 4_000, 10, True, 0), (), 10)
    anchors.add(anchor("other", first=200), (), 3_000)
    assert anchors.fit(1_500) == (identity("other", first=200),)
    assert anchors.fit(ROOM) == ()
    assert is_within(root.identity, anchors.share)


def test_what_is_not_in_the_cache_takes_no_room_of_what_is(anchors: Anchors) -> None:
    for number in range(128):
        anchors.add(anchor(f"kept {number}", first=2 * number), (), 1_000)
        anchors.add(anchor(f"left out {number}", first=2 * number + 1), (), 0)
    assert anchors.fit(128 * 1_000) == ()
    assert anchors.share == SHARE_RANGE
    assert len(anchors.fit(64 * 1_000)) == 64
    assert anchors.cached_bytes == 64_000


def test_the_share_never_grows_during_a_run(anchors: Anchors, tmp_path: Path) -> None:
    for number in range(8):
        anchors.add(anchor(f"chunk {number}", first=32 * number), (), 1_000)
    anchors.fit(4_000)
    lowered = anchors.share
    assert lowered < SHARE_RANGE
    anchors.fit(ROOM)
    assert anchors.share == lowered
    anchors.close()
    again = Anchors(tmp_path / "lane.anchors")
    assert again.share == SHARE_RANGE, "the next run begins with all"
    again.close()


def test_what_was_known_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "lane.anchors"
    first = Anchors(path)
    first.add(anchor("one"), SKETCH, 500)
    first.close()
    second = Anchors(path)
    second.add(anchor("two"), SKETCH, 500)
    assert names(second.similar(SKETCH)) == [identity("two"), identity("one")], "newer ones are known as newer"
    second.close()


def test_a_file_that_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "lane.anchors"
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    made = Anchors(path)
    assert made.similar(SKETCH) == ()
    made.add(anchor("one"), SKETCH, 500)
    assert names(made.similar(SKETCH)) == [identity("one")]
    made.close()


def test_a_file_that_fails_while_it_is_used_knows_nothing_and_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "lane.anchors"
    made = Anchors(path)
    made.add(anchor("one"), SKETCH, 500)
    made._connection.execute("drop table feature")
    assert made.similar(SKETCH) == ()
    made.add(anchor("two"), SKETCH, 500)
    assert made.cached_bytes == 0
    made.close()
    assert not path.exists()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    made = Anchors(tmp_path / "lane.anchors")
    made.add(anchor("one"), SKETCH, 500)
    with pytest.raises(sqlite3.OperationalError):
        Anchors(tmp_path / "lane.anchors")
    made.close()
