"""Holds Ctrl-C and SIGTERM back for a short section of the main thread's work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)
_LOOK_SECONDS = 0.05


def run_while_signals_are_held(
    section: Callable[[], None], told: Callable[..., None], *, patience_seconds: float
) -> None:
    """Run ``section`` in another thread; a signal that comes acts when it has ended, or when it was waited for long enough.

    ``told`` hears at once that an end is wanted, with ``terminated``. Raises what the signal's own handler raises, else what ``section`` raises.
    Only for the main thread: no other hears signals.
    """
    with _held() as came:
        work = _Work(section)
        work.start()
        while work.is_alive() and not came:
            work.join(_LOOK_SECONDS)
        if came:
            told(terminated=came[0] == signal.SIGTERM)
            work.join(patience_seconds)
    work.raise_its_error()


class _Work(threading.Thread):
    """A thread whose error is raised where it was waited for; it holds up no program that ends."""

    def __init__(self, section: Callable[[], None]) -> None:
        super().__init__(name="to its end", daemon=True)
        self._section = section
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._section()
        except BaseException as error:  # noqa: BLE001 - it is raised by ``raise_its_error``
            self._error = error

    def raise_its_error(self) -> None:
        if self._error is not None:
            raise self._error


@contextmanager
def _held() -> Iterator[list[int]]:
    """Yield the list of the signals that came; afterwards what answered them before answers the first of them.

    Signals that the program ignores, or that something outside Python answers, stay as they are.
    """
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: answer for number in _ENDING if callable(answer := signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, note)
        yield came
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)
        if came:
            before[signal.Signals(came[0])](came[0], None)
