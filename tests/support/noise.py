"""A source of noise: tables of any size that do not compress, read by several threads, and a failure on request."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from drorch.errors import CaptureFailed, Interrupted
from drorch.sources.interface import Bytes, Capture, Finding, Json, StreamKind, StreamSpec
from tests.support.repositories import EPOCH

MEGABYTE = 10**6


class NoiseCapture:
    """Streams of noise; ``fail_at`` breaks the last of them."""

    facts: Mapping[str, Json] = {"engine": "noise"}
    restore_point = EPOCH

    def __init__(self, sizes: Sequence[int], *, parallel: int = 3, fails: bool = False) -> None:
        self.parallel = parallel
        self._sizes = sizes
        self._fails = fails
        self._aborted = threading.Event()

    def streams(self) -> Sequence[StreamSpec]:
        return [
            StreamSpec(name=f"table/{number}", kind=StreamKind.TABLE, estimated_bytes=size)
            for number, size in enumerate(self._sizes)
        ]

    @contextmanager
    def open(self, stream: StreamSpec) -> Iterator[Iterator[Bytes]]:
        yield self._pieces(stream)

    def _pieces(self, stream: StreamSpec) -> Iterator[bytes]:
        noise = random.Random(stream.name)
        for _ in range(stream.estimated_bytes // MEGABYTE):
            if self._aborted.is_set():
                raise Interrupted("aborted")
            yield noise.randbytes(MEGABYTE)
        if self._fails:
            raise CaptureFailed("the dumper died")

    def ask(self, sql: str) -> str:
        return sql

    def closing_facts(self) -> Mapping[str, Json]:
        return {}

    def abort(self) -> None:
        self._aborted.set()


class NoiseSource:
    address = "noise:"

    def __init__(self, capture: NoiseCapture) -> None:
        self._capture = capture

    @contextmanager
    def capture(self) -> Iterator[Capture]:
        yield self._capture

    def examine(self) -> Sequence[Finding]:
        return ()


class Nobody:
    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """Hear nothing."""
