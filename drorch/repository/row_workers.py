"""Row digests of large streams in processes of their own.

Hashing row by row holds the interpreter lock, a third of a backup's processor time (docs/BENCHMARKS.md): beside it the threads
that read, cut, compress and upload would wait. A stream that is expected to be large is therefore sent to a worker as it passes;
small ones are digested where they are read, which costs less than a process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import drorch
from drorch.errors import CaptureFailed
from drorch.format.digests import RowDigester
from drorch.format.fields import Bytes
from drorch.repository.row_worker import COMPLAINT, END, HEAD_BYTES, PIECE, frame, start_message

LARGE_STREAM_BYTES = 16 * 2**20
_PIPE_BYTES = 2**20
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from drorch.repository.row_worker import main; main()"
_ENDING_SECONDS = 5.0


class RowWorkers:
    """The workers of one run: started when they are needed, used again, ended by ``close``. For several threads."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._all: list[_Worker] = []
        self._is_closed = False

    def begin(
        self, row_format: int, canonical_columns: Mapping[int, str], rows_key: bytes, estimated_bytes: int
    ) -> RowDigester | None:
        """Return a digester in another process; ``None`` when the stream is not worth it."""
        if estimated_bytes < LARGE_STREAM_BYTES:
            return None
        return _RowsAway(self, self._take(), start_message(row_format, canonical_columns, rows_key))

    def give_back(self, worker: _Worker) -> None:
        """Take back a worker that has answered."""
        self._idle.put(worker)

    def close(self) -> None:
        """End all workers; whoever is sending to one gets ``CaptureFailed``. From any thread, more than once."""
        with self._lock:
            self._is_closed = True
            ending, self._all = self._all, []
        for worker in ending:
            worker.end()

    def _take(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        with self._lock:
            if self._is_closed:
                raise _gone("the run is being stopped")
            worker = _Worker()
            self._all.append(worker)
        return worker


class _Worker:
    """One process and its two pipes."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, str(Path(drorch.__file__).resolve().parent.parent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise _gone(error.strerror or "it could not be started") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._in_use = threading.Lock()
        with contextlib.suppress(OSError):  # a limit of the system for unprivileged users: slower, not wrong
            fcntl.fcntl(self._to.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, *parts: Bytes) -> None:
        """Write all parts; waits while the worker is behind."""
        rest = [memoryview(part) for part in parts]
        with self._in_use, self._alive():
            while rest:
                written = os.writev(self._to.fileno(), rest)
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][written:]

    def receive(self) -> tuple[bytes, bytes]:
        """Return kind and content of the worker's answer."""
        with self._in_use, self._alive():
            head = self._read(HEAD_BYTES)
            return head[:1], self._read(int.from_bytes(head[1:], "big"))

    def end(self) -> None:
        """Kill the process, which holds nothing that must be kept; who waits for it gets ``CaptureFailed``."""
        self._process.kill()
        self._process.wait(_ENDING_SECONDS)
        with self._in_use:  # whoever was sending or receiving has learned that it is dead
            self._to.close()
            self._from.close()

    def _read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            part = self._from.read(missing)
            if not part:
                raise EOFError
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, EOFError) as error:  # a closed pipe is a ValueError
            code = self._process.poll()
            raise _gone("it stopped listening" if code is None else f"exit code {code}") from error


class _RowsAway:
    """A ``RowDigester`` whose rows are digested by a worker."""

    def __init__(self, workers: RowWorkers, worker: _Worker, start: bytes) -> None:
        self._workers = workers
        self._worker = worker
        worker.send(start)

    def feed(self, piece: Bytes) -> None:
        """See ``RowDigester``."""
        self._worker.send(PIECE + len(piece).to_bytes(4, "big"), piece)

    def finish(self) -> tuple[int, bytes]:
        """See ``RowDigester``."""
        self._worker.send(frame(END))
        kind, content = self._worker.receive()
        if kind == COMPLAINT:
            message, expected, found = json.loads(content)
            raise CaptureFailed(message, expected=expected, found=found)
        self._workers.give_back(self._worker)
        return int.from_bytes(content[:8], "big"), content[8:]


def _gone(found: str) -> CaptureFailed:
    return CaptureFailed(
        "the process that digests rows is gone",
        expected="its answer",
        found=found,
        hint="look in the kernel's log whether it ended for lack of memory; nothing was committed",
    )
