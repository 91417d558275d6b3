"""Definitions that come after the rows: indexes, constraints, triggers, rules, policies, publications."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from drorch.sources.postgresql.entries import Entry, decode_entries
from drorch.sources.postgresql.progress import Progress
from drorch.sources.postgresql.replay import Replayer, ReplayRules
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.workers import Work

_NONE: frozenset[int] = frozenset()
_READS_ONLY = {"INDEX"}  # CREATE INDEX takes a SHARE lock: two on one table go together


def build_work(lines: Sequence[bytes], sizes: Mapping[int, int], rules: ReplayRules, progress: Progress) -> list[Work]:
    """Return one piece of work a definition; ``sizes`` are the bytes of tables by the numbers of their entries.

    What a definition depends on is what it locks; what is not ready yet is what it waits for. ``lines`` are encoded:
    50,000 tables have 200,000 definitions.
    """
    ours = {entry.number for entry in decode_entries(lines)}
    return [
        _work(entry, line, ours, sizes, rules, progress)
        for entry, line in zip(decode_entries(lines), lines, strict=True)
    ]


def _work(
    entry: Entry, line: bytes, ours: set[int], sizes: Mapping[int, int], rules: ReplayRules, progress: Progress
) -> Work:
    locked = frozenset(number for number in entry.depends if number not in ours)
    is_shared = entry.kind in _READS_ONLY
    return Work(
        key=entry.number,
        size=max((sizes.get(number, 0) for number in entry.depends), default=0),
        do=_replaying(line, rules, progress),
        after=frozenset(entry.depends) & ours or _NONE,
        shared=locked if is_shared else _NONE,
        exclusive=_NONE if is_shared else locked,
    )


def _replaying(line: bytes, rules: ReplayRules, progress: Progress) -> Callable[[Session], None]:
    def replay(session: Session) -> None:
        replayer = Replayer(session, rules)
        for entry in decode_entries([line]):
            replayer.replay(entry)
        progress.add(1, statements=1)

    return replay
