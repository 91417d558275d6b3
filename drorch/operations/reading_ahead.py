"""Read a stream in a thread of its own, a little ahead of who takes it: the source works while its last bytes are digested and cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from drorch.sources.interface import Bytes

UNIT_BYTES = 64 * 1024
UNITS = 16  # so much is ahead at most; a piece that is larger is ahead alone
ALONE_BYTES = 1024 * 1024  # of a stream are read without a thread: most streams are over by then


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@contextmanager
def read_ahead(pieces: Iterator[Bytes], cut: Callable[[], None]) -> Iterator[Iterator[Bytes]]:
    """Yield the same pieces, in order; what ``pieces`` raises is raised after them. Pieces must stay as they are once handed out.

    Left by an exception it calls ``cut``, which must make ``pieces`` raise soon. In any case nobody reads from ``pieces`` afterwards.
    """
    ahead = _Ahead(pieces)
    try:
        yield ahead.taken()
    except BaseException:
        ahead.leave()
        cut()  # it may be waiting for the source
        ahead.wait()
        raise
    ahead.leave()
    ahead.wait()


class _Ahead:
    def __init__(self, pieces: Iterator[Bytes]) -> None:
        self._pieces = pieces
        self._arrived: SimpleQueue[Bytes | _End] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        self._is_left = False
        self._thread: threading.Thread | None = None

    def taken(self) -> Iterator[Bytes]:
        alone_bytes = 0
        while alone_bytes < ALONE_BYTES:
            piece = next(self._pieces, None)
            if piece is None:
                return
            alone_bytes += len(piece)
            yield piece
        self._thread = threading.Thread(target=self._read, name="read", daemon=True)
        self._give_room(UNITS)
        self._thread.start()
        while not isinstance(arrived := self._arrived.get(), _End):
            units = _units(arrived)
            yield arrived
            self._give_room(units)
        if arrived.error is not None:
            raise arrived.error

    def leave(self) -> None:
        """Have nothing more read; what is being read comes to its end first."""
        self._is_left = True
        self._give_room(UNITS)

    def wait(self) -> None:
        """Return when nobody reads any more."""
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            self._room.get()  # before the piece is read: while a large one is held there is not another
            while not self._is_left and (piece := next(self._pieces, None)) is not None:
                for _ in range(_units(piece) - 1):
                    self._room.get()
                self._arrived.put(piece)
                self._room.get()
        except BaseException as raised:  # noqa: BLE001  # raised again where the pieces are taken
            error = raised
        self._arrived.put(_End(error))

    def _give_room(self, units: int) -> None:
        for _ in range(units):
            self._room.put(None)


def _units(piece: Bytes) -> int:
    return min(UNITS, max(1, -(-len(piece) // UNIT_BYTES)))
