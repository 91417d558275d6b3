"""Progress on a terminal: one line per part with rate and time left; silent everywhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from drorch.cli.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from drorch.sources.interface import Observer

_LABEL_WIDTH = 22


class Silent:
    """The observer when nobody watches."""

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``sources.interface.Observer``."""


class Bars:
    """An observer that draws; a context manager. Bytes of all streams together are one bar, other units one bar per label."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._bars: dict[str, tuple[Progress, TaskID]] = {}
        self._bytes: Progress | None = None
        self._counts: Progress | None = None

    def __enter__(self) -> Self:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True, width=80, highlight=False)
        label = TextColumn("  {task.description}", markup=False, table_column=None)
        self._bytes = Progress(
            label, BarColumn(22), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True)
        )
        self._counts = Progress(label, BarColumn(22), MofNCompleteColumn())
        self._live = Live(Group(self._bytes, self._counts), console=console, refresh_per_second=5)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``sources.interface.Observer``."""
        shown = self._title if unit == "bytes" else label
        with self._lock:
            progress = self._bytes if unit == "bytes" else self._counts
            if progress is None:
                return
            bar = self._bars.get(shown)
            if bar is None:
                bar = self._bars[shown] = (progress, progress.add_task(shown[:_LABEL_WIDTH].ljust(_LABEL_WIDTH)))
            bar[0].update(bar[1], completed=done, total=None if total is None else max(total, done))


def observer(output: Output, title: str) -> Bars | None:
    """Return what draws progress, or ``None`` when nobody watches."""
    return Bars(title) if output.shows_progress else None


def summed(watching: Observer, label: str, *, unit: str, total: int | None = None) -> Callable[[int], None]:
    """Return what is told how much more was done, and shows the sum."""
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        watching.advance(label, done, total, unit)

    return add
