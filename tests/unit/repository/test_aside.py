"""What a run keeps until its end weighs little, however many tables it has."""

from __future__ import annotations

import random
import resource
import tracemalloc
from contextlib import closing

import pytest

from drorch.errors import SettingsInvalid
from drorch.repository.aside import MOST_IN_MEMORY_BYTES, Aside


def test_what_is_put_aside_comes_back_and_does_not_stay_in_memory() -> None:
    noise = random.Random(1)
    pieces = [noise.randbytes(1_000) for _ in range(100)]
    tracemalloc.start()
    try:
        with closing(Aside()) as aside:
            slips = [aside.put(pieces[number % 100]) for number in range(40_000)]
            held, _ = tracemalloc.get_traced_memory()
            assert all(aside.get(slips[number]) == pieces[number % 100] for number in range(0, 40_000, 997))
            slips.append(aside.put(b"behind the rest"))
            assert aside.get(slips[-1]) == b"behind the rest"
    finally:
        tracemalloc.stop()
    assert held < MOST_IN_MEMORY_BYTES


def test_a_disk_that_is_full_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with closing(Aside()) as aside, pytest.raises(SettingsInvalid, match="no place"):
            aside.put(bytes(MOST_IN_MEMORY_BYTES + 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
