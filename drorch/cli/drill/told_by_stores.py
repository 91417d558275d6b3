"""Drills that the stores tell of, into the catalog of this machine."""

from __future__ import annotations

from drorch.cli.evidence.trust import known_people
from drorch.errors import StoreDenied, StoreError
from drorch.operations.drills.recalled import recall
from drorch.repository.opening import Repository
from drorch.wiring import Wiring

DENIED = "what was drilled is not for this credential to read"


def recalled(wiring: Wiring, repository: Repository) -> tuple[int | None, tuple[str, ...]]:
    """Return how many drills the ledger tells and which it does not tell any more; ``None``: a credential that only adds may not read it."""
    people, unread = known_people(wiring.settings)
    try:
        found = recall(repository, wiring.catalog(), people)
    except StoreDenied:
        return None, ()
    except StoreError as error:
        return 0, (error.message,)
    return found.drills, (*unread, *found.problems)
