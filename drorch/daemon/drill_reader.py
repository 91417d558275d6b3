"""Reads in the stores what other machines drilled: a machine that backs up knows from nowhere else that its backups were proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog
from drorch.daemon.observing import Observer
from drorch.errors import EvidenceBroken, StoreDenied
from drorch.evidence.sign_off import TrustedPerson
from drorch.operations.drills.recalled import recall_from
from drorch.operations.proof.ledger_news import LedgerNews
from drorch.repository.opening import Repository

EVERY = timedelta(minutes=15)
_MOST_NAMED = 5


class DrillReader(Observer):
    """See ``Observer``. ``opened`` opens the stores anew each time (``None``: there are none); ``people`` are those whose words count."""

    def __init__(
        self,
        catalog: Catalog,
        opened: Callable[[], AbstractContextManager[Repository | None]],
        people: Callable[[], Sequence[TrustedPerson]],
    ) -> None:
        self._catalog = catalog
        self._opened = opened
        self._people = people
        self._news = LedgerNews()
        self._read_at: datetime | None = None

    def beat(self, now: datetime) -> None:
        """See ``Observer``: read the ledger now and then; raises ``EvidenceBroken`` with the drills that cannot be believed."""
        if self._read_at is not None and timedelta(0) <= now - self._read_at < EVERY:
            return
        self._read_at = now
        with self._opened() as repository:
            if repository is None:
                return
            try:
                opened = self._news.read(repository, now)
            except StoreDenied:  # a credential that may only add: `drill coverage --read-stores` says so
                return
            recalled = recall_from(opened, self._catalog, self._people())
        self._news.note(opened, now)
        if recalled.problems:
            raise EvidenceBroken(
                "not every drill in the ledger can be believed: " + "; ".join(recalled.problems[:_MOST_NAMED]),
                expected="statements that their machine signed",
                found=str(len(recalled.problems)),
                hint="`drorch evidence verify` tells all of it",
            )
