"""Packs of which little is used are left to die: the chunks that keep them alive are stored afresh."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from drorch.repository import packing
from drorch.repository.opening import Repository
from drorch.repository.run_parts import CommittedSnapshot
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots

TABLES = {f"table/{number:02}": random.Random(number).randbytes(100_000) for number in range(20)}


@pytest.fixture
def repository() -> Repository:
    return Household().create(MemoryStore(ManualClock()))


def run(repository: Repository, cache: Path | None, label: str, *, keep: int = 20) -> CommittedSnapshot:
    streams = dict(list(TABLES.items())[:keep])
    made = back_up(repository, streams, cache=cache, random_bytes=counting_random(label))
    assert read_back(repository, snapshots(repository)[-1]) == streams
    return made


def runs_needed(repository: Repository) -> int:
    return len(snapshots(repository)[-1].link.manifest.needs)


def test_a_pack_that_serves_under_a_quarter_is_left(repository: Repository, tmp_path: Path) -> None:
    run(repository, tmp_path, "1")
    assert (
        run(repository, tmp_path, "2", keep=4).totals.new_bytes < 10_000
    )  # all of it is known: the entries alone are new
    assert runs_needed(repository) == 2
    again = run(repository, tmp_path, "3", keep=4)
    assert again.totals.new_bytes >= 400_000  # a fifth of the pack had been used: it is stored afresh
    assert runs_needed(repository) <= 2
    assert run(repository, tmp_path, "4", keep=4).totals.new_bytes == 0


def test_a_pack_that_serves_more_is_used_on(repository: Repository, tmp_path: Path) -> None:
    run(repository, tmp_path, "1")
    run(repository, tmp_path, "2", keep=7)
    assert run(repository, tmp_path, "3", keep=7).totals.new_bytes == 0


def test_what_nobody_noted_says_nothing(repository: Repository, tmp_path: Path) -> None:
    """A cache that was lost, and packs that the last snapshot did not use at all."""
    run(repository, tmp_path / "a", "1")
    run(repository, tmp_path / "a", "2", keep=4)
    assert run(repository, tmp_path / "b", "3", keep=4).totals.new_bytes == 0
    assert run(repository, None, "4").totals.new_bytes < 10_000


def test_a_chunk_that_is_used_many_times_does_not_overflow(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 2**21)
    zeros = {"table/zeros": bytes(50_000_000)}
    for label in ("1", "2", "3"):
        made = back_up(repository, zeros, cache=tmp_path, random_bytes=counting_random(label))
    assert made.totals.new_bytes == 0


def test_small_packs_are_kept_however_little_they_serve(repository: Repository, tmp_path: Path) -> None:
    """A run that changes nothing stores nothing, whatever the runs before it left behind of nodes and entries."""
    for keep in (20, 7, 6):
        run(repository, tmp_path, f"{keep}", keep=keep)
        unchanged = run(repository, tmp_path, f"{keep} again", keep=keep)
        assert (unchanged.totals.new_chunks, unchanged.objects_stored) == (0, 3)
