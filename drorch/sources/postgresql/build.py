"""Definitions that come after the rows: indexes, constraints, triggers, rules, policies, publications."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.replay import Replayer, RoleRules
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.workers import Work

_READS_ONLY = {"INDEX"}  # CREATE INDEX takes a SHARE lock: two on one table go together


def build_work(entries: Sequence[Entry], sizes: Mapping[int, int], rules: RoleRules, progress: Progress) -> list[Work]:
    """Return one piece of work a definition; ``sizes`` are the bytes of tables by the numbers of their entries.

    What a definition depends on is what it locks; what is not ready yet is what it waits for.
    """
    ours = {entry.number for entry in entries}
    work = []
    for entry in entries:
        locked = frozenset(number for number in entry.depends if number not in ours)
        is_shared = entry.kind in _READS_ONLY
        work.append(
            Work(
                key=entry.number,
                size=max((sizes.get(number, 0) for number in entry.depends), default=0),
                do=_replaying(entry, rules, progress),
                after=frozenset(entry.depends) & ours,
                shared=locked if is_shared else frozenset(),
                exclusive=frozenset() if is_shared else locked,
            )
        )
    return work


def _replaying(entry: Entry, rules: RoleRules, progress: Progress) -> Callable[[Session], None]:
    def replay(session: Session) -> None:
        Replayer(session, rules).replay(entry)
        progress.add(1, statements=1)

    return replay
