"""Reads what other machines backed up, on a machine that makes no backups: so that it knows what it drills, prunes and shows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog
from drorch.clock import Clock
from drorch.daemon.observing import Observer
from drorch.operations.learning import learn
from drorch.repository.opening import Repository

EVERY = timedelta(minutes=15)  # two requests for each lane in which nothing is new


class StoreReader(Observer):
    """See ``Observer``. ``opened`` opens the stores anew each time; ``None``: there is nobody else to learn from."""

    def __init__(
        self, catalog: Catalog, clock: Clock, opened: Callable[[], AbstractContextManager[Repository | None]]
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._opened = opened
        self._read_at: datetime | None = None

    def beat(self, now: datetime) -> None:
        """See ``Observer``: read the stores now and then; raises what is wrong with the first lane that cannot be read."""
        if self._read_at is not None and timedelta(0) <= now - self._read_at < EVERY:
            return
        self._read_at = now
        with self._opened() as repository:
            if repository is None:
                return
            learned = learn(repository, self._catalog, self._clock)
        if learned.problems:
            raise learned.problems[0].error
