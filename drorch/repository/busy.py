"""How long each stage of a run was at work: whether the source, the processor or the network is the limit, and what to change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum


class Part(Enum):
    """What a stage keeps busy."""

    SOURCE = "source"
    PROCESSOR = "processor"
    NETWORK = "network"
    WAITING = "waiting"  # for another stage: nothing is busy


class Stage(Enum):
    """A stage of a run: its name, and what it keeps busy."""

    READ = "read", Part.SOURCE
    DIGEST = "digest", Part.PROCESSOR
    CUT = "cut and identify", Part.PROCESSOR
    LIKENESS = "find bases", Part.PROCESSOR
    COMPRESS = "compress, decode, compare", Part.PROCESSOR
    SEAL = "seal", Part.PROCESSOR
    KEEP = "keep bases", Part.PROCESSOR
    PLACE = "place", Part.PROCESSOR
    AWAIT_CHUNK = "wait for compression", Part.WAITING
    AWAIT_ROOM = "wait for uploads", Part.WAITING
    UPLOAD = "upload", Part.NETWORK

    def __init__(self, label: str, part: Part) -> None:
        self.label = label
        self.part = part


IN_POOL = frozenset((Stage.LIKENESS, Stage.COMPRESS, Stage.SEAL, Stage.KEEP))


@dataclass(frozen=True, slots=True)
class StageTime:
    """The seconds that all threads of a stage spent in it, and how many they are at most."""

    stage: Stage
    seconds: float
    threads: int

    def share(self, duration_seconds: float) -> float:
        """Return which part of the time a thread of it was there, on average; at most 1."""
        return min(1.0, self.seconds / self.threads / max(duration_seconds, 1e-9))


class BusyTimes:
    """Adds up. For several threads."""

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._lock = threading.Lock()
        self._seconds = {
            stage.label: 0.0 for stage in Stage
        }  # a member of an enumeration is hashed by Python, a word by C

    def at(self, stage: Stage) -> AbstractContextManager[None]:
        """Count the time of the block."""
        return _Span(self, stage, self._monotonic_seconds)

    def add(self, stage: Stage, seconds: float) -> None:
        """Count that time."""
        with self._lock:
            self._seconds[stage.label] += seconds

    def seconds(self, stage: Stage) -> float:
        """Return the time so far."""
        with self._lock:
            return self._seconds[stage.label]


class _Span:
    """Counts one block. Each 64 kB pass through several of them; written with a generator they took twice as long."""

    __slots__ = ("_begun", "_busy", "_monotonic_seconds", "_stage")

    def __init__(self, busy: BusyTimes, stage: Stage, monotonic_seconds: Callable[[], float]) -> None:
        self._busy = busy
        self._stage = stage
        self._monotonic_seconds = monotonic_seconds

    def __enter__(self) -> None:
        self._begun = self._monotonic_seconds()

    def __exit__(self, *error: object) -> None:
        self._busy.add(self._stage, self._monotonic_seconds() - self._begun)


def busiest(times: tuple[StageTime, ...], duration_seconds: float) -> dict[Part, float]:
    """Return how busy source, processor and network were, the busiest first, each between 0 and 1.

    Stages of the same threads add up; of threads of two kinds the busier count.
    """
    in_pool = sum(one.share(duration_seconds) for one in times if one.stage in IN_POOL)
    shares = {Part.SOURCE: 0.0, Part.PROCESSOR: 0.0, Part.NETWORK: 0.0}
    for one in times:
        if one.stage.part in shares and one.stage not in IN_POOL:
            shares[one.stage.part] += one.share(duration_seconds)
    shares[Part.PROCESSOR] = max(shares[Part.PROCESSOR], in_pool)
    return dict(sorted(((part, min(1.0, share)) for part, share in shares.items()), key=lambda pair: -pair[1]))
