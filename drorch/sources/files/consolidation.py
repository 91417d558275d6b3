"""Which content streams are given up, so that neither dead bytes nor the number of runs that a snapshot needs grow without end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from drorch.sources.files.memory import ContentUse

LEAST_USED: Final = 0.5
MOST_RUNS: Final = 200  # a snapshot may need 1,024 runs, the listing's chunks among them
RUNS_LEFT: Final = 100


def given_up(contents: Sequence[ContentUse]) -> frozenset[str]:
    """Return the names of the content streams whose files are to be read again and stored anew.

    Those of which less than half is in use; and when the rest come from too many runs, those of the runs that hold least.
    """
    hollow = {one.name for one in contents if one.used_bytes < LEAST_USED * one.size_bytes}
    by_run: Counter[str] = Counter()
    for one in contents:
        if one.name not in hollow:
            by_run[run_of(one.name)] += one.used_bytes
    if len(by_run) <= MOST_RUNS:
        return frozenset(hollow)
    smallest = {
        run for run, _ in sorted(by_run.items(), key=lambda item: (item[1], item[0]))[: len(by_run) - RUNS_LEFT]
    }
    return frozenset(hollow | {one.name for one in contents if run_of(one.name) in smallest})


def run_of(name: str) -> str:
    """Return what the content streams of one run have in common in their names."""
    return name.partition("-")[0]
