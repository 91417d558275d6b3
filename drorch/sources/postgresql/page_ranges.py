"""Read one large table by several sessions of one snapshot, a range of pages each in turn, and yield the rows as one session would.

A server formats rows for one session on one core, so that a single large table leaves the other cores waiting (docs/adr/0071).
Rows come in the order of the pages, whoever read them: the stream is the same byte for byte.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from drorch.sources.interface import Bytes
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.snapshot import Readers

AHEAD_BYTES = 2**20  # of one range wait at most until somebody takes them


class _NobodyTakes(Exception):
    """Who took the rows has left."""


@dataclass(slots=True)
class _Range:
    """The rows of one range that have come and were not taken; ``error`` is what came instead of its end."""

    pieces: deque[Bytes] = field(default_factory=deque)
    waiting_bytes: int = 0
    is_whole: bool = False
    error: BaseException | None = None


class RangedRows:
    """The rows of ``table``, given as SQL, for one taker. ``statements`` are the ``COPY`` of each range, in the order of their pages.

    One session reads; one more begins whenever the taker waits and ``may_have_more`` says that one would be missed by nobody.
    """

    def __init__(
        self, readers: Readers, table: str, statements: Sequence[str], may_have_more: Callable[[], bool]
    ) -> None:
        self._readers = readers
        self._table = table
        self._statements = statements
        self._may_have_more = may_have_more
        self._changed = threading.Condition()  # guards all that follows
        self._due = 0  # the range that is taken now
        self._unread = deque(range(len(statements)))
        self._ranges: dict[int, _Range] = {}
        self._sessions: list[Session] = []
        self._threads: list[threading.Thread] = []
        self._at_work = 0
        self._takes_more = True  # sessions
        self._failure: BaseException | None = None
        self._is_over = False

    def pieces(self) -> Iterator[Bytes]:
        """Yield all rows in pieces; raise what a session raised, when its range is due.

        Raises ``StatementRefused`` before the first piece if the table is locked.
        """
        try:
            with self._changed:
                self._begin(is_extra=False)
            for number in range(len(self._statements)):
                while (piece := self._next(number)) is not None:
                    yield piece
        finally:
            self._end()

    # -- the taker

    def _next(self, number: int) -> Bytes | None:
        """Return the next piece of a range, ``None`` at its end."""
        with self._changed:
            while (here := self._ranges.get(number)) is None or not here.pieces:
                error = self._failure if here is None else here.error
                if error is not None:
                    raise error
                if here is not None and here.is_whole:
                    del self._ranges[number]
                    self._due = number + 1
                    self._changed.notify_all()
                    return None
                if self._may_take_more():  # the source is what is waited for
                    self._begin(is_extra=True)
                self._changed.wait()
            piece = here.pieces.popleft()
            here.waiting_bytes -= len(piece)
            self._changed.notify_all()
            return piece

    def _may_take_more(self) -> bool:
        """Only when the first has begun: where the server takes few sessions it must be that one which gets in."""
        is_wanted = bool(self._unread) and self._takes_more and bool(self._sessions)
        return is_wanted and self._at_work < self._readers.most and self._may_have_more()

    def _begin(self, *, is_extra: bool) -> None:
        self._at_work += 1
        thread = threading.Thread(target=self._read, kwargs={"is_extra": is_extra}, name="range", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _end(self) -> None:
        """Return when nobody reads any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            for session in self._sessions:  # still at work: the rows were not taken to their end
                session.cut()
        for thread in self._threads:
            thread.join()

    # -- a session

    def _read(self, *, is_extra: bool) -> None:
        """Read range after range. A session that is extra may fail to begin."""
        try:
            with self._readers.lend() as session:
                self._read_by(session)
        except BaseException as error:  # noqa: BLE001 - raised where the rows are taken
            with self._changed:
                self._takes_more = False
                if not is_extra:
                    self._failure = error
        with self._changed:
            self._at_work -= 1
            self._changed.notify_all()

    def _read_by(self, session: Session) -> None:
        session.run(f"lock table only {self._table} in access share mode")  # now, and not when a range was taken
        session.run("set enable_seqscan = off")  # or the planner might read the whole table for each range
        with self._changed:
            self._sessions.append(session)
        try:
            while (number := self._taken()) is not None:
                self._read_range(session, number)
        finally:
            with self._changed:
                self._sessions.remove(session)
        session.run("reset enable_seqscan")

    def _taken(self) -> int | None:
        """Return the range to read next, when it is near enough to the one that is due; ``None`` if there is none to read."""
        with self._changed:
            while self._unread:
                if self._is_over:
                    raise _NobodyTakes
                if self._unread[0] < self._due + self._readers.most:
                    self._ranges[self._unread[0]] = _Range()
                    return self._unread.popleft()
                self._changed.wait()
            return None

    def _read_range(self, session: Session, number: int) -> None:
        here = self._ranges[number]
        try:
            for piece in session.copy_out(self._statements[number]):
                self._put(here, piece)
        except BaseException as error:
            with self._changed:
                here.error = error
                self._changed.notify_all()
            raise
        with self._changed:
            here.is_whole = True
            self._changed.notify_all()

    def _put(self, here: _Range, piece: Bytes) -> None:
        with self._changed:
            while here.waiting_bytes and here.waiting_bytes + len(piece) > AHEAD_BYTES and not self._is_over:
                self._changed.wait()
            if self._is_over:
                raise _NobodyTakes
            here.pieces.append(piece)
            here.waiting_bytes += len(piece)
            self._changed.notify_all()
