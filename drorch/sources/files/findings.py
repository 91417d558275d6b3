"""What a capture has to say about names: which could not be read, which changed, which no snapshot keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drorch.sources.files.names import shown
from drorch.sources.interface import Json

NAMED: Final = 1_000  # of a million unreadable files nobody reads the list, and a manifest has 8 MiB


@dataclass(slots=True)
class Names:
    """A list that keeps the first thousand and counts the rest."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, path: bytes, why: str = "") -> None:
        """Note one name."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append((shown(path) or ".") + (f" ({why})" if why else ""))

    def told(self) -> list[Json]:
        """Return the list; its last line says how many are not named."""
        more = self.count - len(self.first)
        return [*self.first, *([f"and {more:,} more"] if more else [])]


@dataclass(slots=True, kw_only=True)
class Findings:
    """Everything that is told at the end of a capture; the names of the fields are those of the closing facts."""

    unread: Names = field(default_factory=Names)
    immutable_broken: Names = field(default_factory=Names)
    changed_unnoticed: Names = field(default_factory=Names)
    changed_while_read: Names = field(default_factory=Names)
    gone_while_read: Names = field(default_factory=Names)
    not_kept: Names = field(default_factory=Names)
    other_file_systems: Names = field(default_factory=Names)

    def facts(self) -> dict[str, Json]:
        """Return what is worth a line, by kind."""
        kinds = {name: getattr(self, name) for name in self.__slots__}
        return {name: names.told() for name, names in kinds.items() if names.count}

    def incomplete(self) -> list[str]:
        """Return why the snapshot does not hold all that was asked for; empty when it does."""
        reasons = []
        if self.unread.count:
            reasons.append(f"{_counted(self.unread.count)} could not be read")
        if self.immutable_broken.count:
            reasons.append(f"{_counted(self.immutable_broken.count)} of a tree that must not change did")
        return reasons


def _counted(count: int) -> str:
    return "1 name" if count == 1 else f"{count:,} names"
