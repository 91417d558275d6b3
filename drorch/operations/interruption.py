"""Ends what runs in other threads when a person or the system wants a command to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from drorch.errors import DrorchError, Interrupted, Terminated
from drorch.operations.held_signals import run_while_signals_are_held


class Interruption:
    """One for a command; whoever does something long says how it is cut short."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._may_end = threading.Condition(self._lock)
        self._delays: dict[object, float] = {}
        self._cutters: dict[object, Callable[[], None]] = {}
        self._kind: type[Interrupted | Terminated] | None = None

    @property
    def reason(self) -> DrorchError | None:
        """What a run that was cut short ends with; a new error each time, ``None`` while nobody wants an end."""
        kind = self._kind
        return None if kind is None else kind("interrupted" if kind is Interrupted else "terminated")

    def require_none(self) -> None:
        """Raise the reason, if there is one."""
        reason = self.reason
        if reason is not None:
            raise reason

    @contextmanager
    def cuts(self, cut: Callable[[], None]) -> Iterator[None]:
        """Have ``cut`` called, from another thread and perhaps at once, when the end is wanted before the block ends."""
        key = object()
        with self._lock:
            self._cutters[key] = cut
            wanted = self._kind is not None
        if wanted:
            cut()
        try:
            yield
        finally:
            with self._lock:
                self._cutters.pop(key, None)

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """Have ``wait`` wait for the block: it must not be left half done. ``seconds`` are how long it takes at most when it is cut."""
        key = object()
        with self._lock:
            self._delays[key] = seconds
        try:
            yield
        finally:
            with self._may_end:
                self._delays.pop(key, None)
                self._may_end.notify_all()

    def to_its_end(self, section: Callable[[], None], *, patience_seconds: float) -> None:
        """Run ``section`` to its end whatever signal comes, and let the signal act then; in any thread.

        ``section`` may ask ``require_none`` until it does what cannot be taken back. When a store does not answer, whoever wants the
        end waits ``patience_seconds`` for it and no longer: the section goes on in a thread that ends with the program.
        """
        if threading.current_thread() is threading.main_thread():
            run_while_signals_are_held(section, self.end, patience_seconds=patience_seconds)
            return
        with self.delayed(patience_seconds / 2):  # ``wait`` gives twice what is asked for
            section()

    def wait(self) -> None:
        """Return when nothing is delayed any more, or when it had its time twice over; further signals change nothing."""
        with self._lock:
            longest = 2 * max(self._delays.values(), default=0.0)
        thread = threading.Thread(target=self._wait, args=(longest,), name="delayed end", daemon=True)
        thread.start()
        while thread.is_alive():
            with suppress(KeyboardInterrupt, SystemExit):
                thread.join()

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """When a person ends the block, ``wait`` for what must not be left half done: a hook that thaws an application.

        Everything is cut short first, if nobody has done that yet.
        """
        try:
            yield
        except BaseException as error:
            if self._kind is None:
                self.end(terminated=isinstance(error, SystemExit))
            self.wait()
            raise

    def _wait(self, seconds: float) -> None:
        with self._may_end:
            self._may_end.wait_for(lambda: not self._delays, seconds)

    def end(self, *, terminated: bool = False) -> None:
        """Cut everything short; whatever begins later is cut at its beginning."""
        with self._lock:
            self._kind = Terminated if terminated else Interrupted
            cutters = list(self._cutters.values())
        with ExitStack() as stack:  # one that fails does not spare the others
            for cut in cutters:
                stack.callback(cut)
