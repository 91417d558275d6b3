"""What a snapshot does not hold, in the words of reports: read from the facts that its capture gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drorch.sources.interface import Json

_LABELS = {
    "excluded_data": "rows left out",
    "unlogged_without_data": "unlogged tables",
    "left_out": "not readable",
    "blanked_secrets": "secrets blanked",
    "exclude_data_unused": "fits no table",
    "unread": "NOT READ",
    "immutable_broken": "NOT AS BEFORE",
    "changed_unnoticed": "silently other",
    "changed_while_read": "changed in use",
    "gone_while_read": "gone meanwhile",
    "not_kept": "not kept",
    "other_file_systems": "other mounts",
}
_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Things of one kind that are not in the snapshot. ``kind`` is the name of the fact.

    ``exclude_data_unused`` is the opposite: patterns that were to leave rows out and did not, because they fit no table.
    """

    kind: str
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """Up to 15 characters that say what happened to them."""
        return _LABELS[self.kind]

    @property
    def text(self) -> str:
        """The first few names, and how many more."""
        more = len(self.names) - _SHOWN
        return ", ".join(self.names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def left_out(facts: Mapping[str, Json], closing_facts: Mapping[str, Json]) -> tuple[LeftOut, ...]:
    """Return what is missing from a snapshot, by kind; empty when it is whole."""
    known = {**facts, **closing_facts}
    found = ((kind, known.get(kind)) for kind in _LABELS)
    return tuple(
        LeftOut(kind=kind, names=tuple(map(str, listed)))
        for kind, listed in found
        if isinstance(listed, list | tuple) and listed
    )
