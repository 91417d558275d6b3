"""Where a file is written before it gets its name: ``.incoming`` in the store's directory.

A writer holds a lock on its temporary file. One that nobody holds was left by a process that died, and is
removed by the next writer, whatever its age: no clock is asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from drorch.storage.interface import Bytes
from drorch.storage.system_calls import SystemCalls, try_lock

DIRECTORY = ".incoming"
_numbers = count()


class Incoming:
    """Temporary files of one store. Safe to use from several threads and processes."""

    def __init__(self, root: Path, calls: SystemCalls) -> None:
        self._directory = root / DIRECTORY
        self._calls = calls
        self._lock = threading.Lock()
        self._is_ready = False

    @contextmanager
    def holding(self, content: Bytes) -> Iterator[str]:
        """Yield the path of a durable file of ``content``; its temporary name is gone afterwards."""
        with self._temporary() as (path, descriptor):
            left = memoryview(content).cast("B") if len(content) else memoryview(b"")
            while left:
                left = left[self._calls.write(descriptor, left) :]
            self._calls.sync(descriptor)
            yield path

    def touch(self) -> float:
        """Return the file system's own clock, in seconds since 1970, as a new file shows it."""
        with self._temporary() as (_path, descriptor):
            return os.fstat(descriptor).st_mtime

    @contextmanager
    def _temporary(self) -> Iterator[tuple[str, int]]:
        self._prepare()
        path, descriptor = self._create()
        try:
            yield path, descriptor
        finally:
            try:
                with suppress(FileNotFoundError):
                    self._calls.unlink(path)
            finally:
                os.close(descriptor)

    def _prepare(self) -> None:
        with self._lock:
            if not self._is_ready:
                with suppress(FileExistsError):
                    self._calls.make_directory(str(self._directory))
                self._remove_stale()
                self._is_ready = True

    def _create(self) -> tuple[str, int]:
        """Create and lock a file that no other process takes for stale."""
        while True:
            path = str(self._directory / f"{os.getpid()}-{next(_numbers)}")
            try:
                descriptor = self._calls.create(path)
            except FileExistsError:
                continue  # another host on the same share, or a dead process of the same number
            if try_lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
                return path, descriptor
            os.close(descriptor)  # a sweeper was between our two calls; it removes this file

    def _remove_stale(self) -> None:
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    if try_lock(descriptor):
                        self._calls.unlink(str(path))
                finally:
                    os.close(descriptor)
