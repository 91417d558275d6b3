"""Name the files of a tree that damage in one store touches: a check knows only the streams in which their bytes lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from drorch.errors import DrorchError, IntegrityError, StoreError
from drorch.format.entries import Entry
from drorch.format.keys import RecipientKey
from drorch.operations.choose import choose
from drorch.operations.content import SnapshotContent
from drorch.repository.findings import CheckReport, Finding, Level
from drorch.repository.opening import Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.walking import leaf_entries
from drorch.sources.interface import Content, StreamKind

MOST_FILES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where the bytes of a file lie: in which stream, from which byte."""

    path: str
    stream: str
    offset: int
    size_bytes: int


Places = Callable[[Content], Iterable[FilePlace]]


def run(repository: Repository, report: CheckReport, recipients: Sequence[RecipientKey], places: Places) -> CheckReport:
    """Return ``report`` with the files that each error touches, as they are called in the newest snapshot that it names.

    The streams in question are read from the damaged store alone; names may come from any. Where no names can be had, none are added.
    """
    if not recipients or not any(_has_streams(finding) for finding in report.findings):
        return report
    return replace(
        report,
        findings=tuple(
            replace(finding, files=_files(repository, finding, recipients, places))
            if _has_streams(finding)
            else finding
            for finding in report.findings
        ),
    )


def _has_streams(finding: Finding) -> bool:
    return finding.level is Level.ERROR and bool(finding.streams) and bool(finding.snapshots)


def _files(
    repository: Repository, finding: Finding, recipients: Sequence[RecipientKey], places: Places
) -> tuple[str, ...]:
    try:
        link = choose(repository, finding.snapshots[-1]).link
        with closing(SnapshotReader(repository, link, recipients)) as reader:
            content = SnapshotContent(reader)
            entries = {
                entry.name: entry
                for entry in reader.entries()
                if entry.name in finding.streams and entry.kind == StreamKind.FILE.value
            }
            if not entries:
                return ()
            damaged = replace(
                repository, replicas=tuple(one for one in repository.replicas if one.name == finding.store)
            )
            with closing(SnapshotReader(damaged, link, recipients)) as alone:
                bad = {name: tuple(_bad_ranges(alone, entry)) for name, entry in entries.items()}
            found = (place.path for place in places(content) if _touches(place, bad.get(place.stream, ())))
            return tuple(path for path, _ in zip(found, range(MOST_FILES), strict=False))
    except DrorchError:  # the finding stands without them
        return ()


def _bad_ranges(reader: SnapshotReader, entry: Entry) -> Iterator[tuple[int, int]]:
    """Yield from where to where a stream cannot be read."""
    if entry.tree is None:
        return
    at = 0
    try:
        for leaf in leaf_entries(reader.fetcher, entry.tree):
            try:
                reader.fetcher.chunk(leaf)
            except (StoreError, IntegrityError):
                yield at, at + leaf.plain_length
            at += leaf.plain_length
    except (StoreError, IntegrityError):  # the tree itself: nobody knows what lies behind
        yield at, entry.size_bytes


def _touches(place: FilePlace, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(place.offset < end and start < place.offset + place.size_bytes for start, end in ranges)
