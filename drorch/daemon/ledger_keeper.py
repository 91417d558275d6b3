"""Enters what became of occurrences into the ledger of every store; what a store did not take waits in the catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog, OccurrenceRecord
from drorch.daemon.observing import Observer
from drorch.daemon.results import Answer
from drorch.operations.proof import accounting
from drorch.operations.proof.appending import LedgerWriter

_AGAIN_AFTER = timedelta(minutes=5)  # a store that is away is not asked every half minute


class LedgerKeeper(Observer):
    """See ``Observer``. ``opened`` opens the ledger anew each time, since stores come and go; ``None``: this machine writes none."""

    def __init__(
        self, catalog: Catalog, host: str, opened: Callable[[], AbstractContextManager[LedgerWriter | None]]
    ) -> None:
        self._catalog = catalog
        self._host = host
        self._opened = opened
        self._failed_at: datetime | None = None

    def beat(self, now: datetime) -> None:
        """See ``Observer``: enter exceptions at once, and of the rest the hours that are over.

        An occurrence is marked in the catalog once it is entered; whoever dies in between enters it again, and the ledger knows it.
        """
        if self._failed_at is not None and timedelta(0) <= now - self._failed_at < _AGAIN_AFTER:
            return
        self._failed_at = now
        ripe = accounting.ripe(self._catalog.occurrences_not_entered(self._host), now)
        if ripe:
            self._enter(ripe)
        self._failed_at = None

    def _enter(self, ripe: Sequence[OccurrenceRecord]) -> None:
        with self._opened() as writer:
            if writer is not None:
                accounting.run(writer, ripe)
                self._catalog.mark_entered(ripe)

    def ended(self, occurrences: tuple[OccurrenceRecord, ...], answer: Answer | None) -> None:
        """See ``Observer``: the next beat enters them."""

    def stopping(self) -> None:
        """See ``Observer``: what is left waits for the next daemon."""
