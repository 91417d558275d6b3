"""What a scenario is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from drorch.errors import SnapshotUnknown
from drorch.evidence.drill_report import Selection
from drorch.operations.drills.place import DRILL_CHOICES, DrillPlace
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import Repository
from drorch.sources.interface import RestoreChoices, RestoreOutcome

Bring: TypeAlias = Callable[[DrillPlace], RestoreOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A source of which a snapshot is wanted. ``wanted`` is ``latest:SOURCE``, or an id; ``store`` the one to read from, if one was said."""

    repository: Repository
    source: str
    wanted: str
    store: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The one snapshot that is drilled, and the one store that it is read from: ``repository`` has no other.

    ``told`` are sentences for the report. ``bring`` restores where not this process does it; then nothing else may.
    """

    repository: Repository
    snapshot: ListedSnapshot
    store: str
    selection: Selection
    choices: RestoreChoices = DRILL_CHOICES
    told: tuple[str, ...] = ()
    bring: Bring | None = None


def selection_of(wanted: str) -> Selection:
    """Return how a snapshot that is asked for like that was chosen."""
    return Selection.LATEST if wanted.startswith("latest:") else Selection.NAMED


def from_one_store(repository: Repository, snapshot: ListedSnapshot, store: str | None) -> tuple[Repository, str]:
    """Return the repository as one store alone shows it: ``store``, else the first that has the snapshot.

    A drill proves one copy. Raises ``SnapshotUnknown`` when that store has not this very snapshot: no other takes its place.
    """
    chosen = store or snapshot.stores[0]
    replicas = tuple(replica for replica in repository.replicas if replica.name == chosen)
    if not replicas or chosen not in snapshot.stores:
        raise SnapshotUnknown(
            f"{chosen} does not hold snapshot {snapshot.short_id}",
            expected=f"a copy of {snapshot.short_id} in {chosen}",
            found=f"copies in {', '.join(snapshot.stores)}"
            if replicas
            else "no such store, or one that does not answer",
            hint=f"`drorch copy` brings it there; `store: {snapshot.stores[0]}` of the restore test drills the copy that is there",
        )
    return replace(repository, replicas=replicas), chosen
