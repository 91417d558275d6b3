"""One capture of file trees: the survey when the streams are asked for, then contents, then the listing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from drorch.clock import Clock
from drorch.errors import Bug, SourceUnsupported
from drorch.sources.files.content_reading import ContentReader
from drorch.sources.files.findings import Findings
from drorch.sources.files.guard import StallGuard
from drorch.sources.files.lines import CONTENT_PREFIX, LISTING, Heading, Kind, Line, encode_heading, encode_line
from drorch.sources.files.memory import Memory
from drorch.sources.files.names import bytes_of, shown, text_of
from drorch.sources.files.patterns import Patterns
from drorch.sources.files.reading import Directories, FileReader
from drorch.sources.files.spool import Spool
from drorch.sources.files.survey import CONTENT_BYTES, DONE, LINK, TO_READ, TO_READ_FIRST, Survey
from drorch.sources.files.walking import Walk
from drorch.sources.interface import Bytes, Json, StreamKind, StreamSpec

LISTING_PIECE_BYTES: Final = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the policy asks for. ``roots`` are relative to ``base``."""

    base: bytes
    roots: tuple[bytes, ...]
    exclude: tuple[str, ...] = ()
    one_file_system: bool = True
    immutable: bool = False
    reread_within: int = 30
    content_bytes: int = CONTENT_BYTES


class FilesCapture:
    """See ``Capture``. The streams are read one after the other: contents in their order, the listing last."""

    def __init__(
        self,
        scope: Scope,
        *,
        memory: Memory,
        held: Callable[[str], bool],
        temporary: Path,
        clock: Clock,
        token: str,
        stall_timeout_seconds: float,
    ) -> None:
        self._scope = scope
        self._memory = memory
        self._guard = StallGuard(stall_timeout_seconds)
        self._findings = Findings()
        self._directories = Directories(scope.base)
        self._spool, self._results = Spool(temporary), Spool(temporary)
        self._survey = Survey(
            walk=Walk(
                base=scope.base,
                roots=scope.roots,
                exclude=Patterns(scope.exclude),
                one_file_system=scope.one_file_system,
                check=self._guard.beat,
            ),
            memory=memory,
            reader=FileReader(self._directories, self._guard.beat),
            spool=self._spool,
            findings=self._findings,
            held=held,
            token=token,
            within=scope.reread_within,
            is_immutable=scope.immutable,
            content_bytes=scope.content_bytes,
        )
        self._contents = ContentReader(survey=self._survey, results=self._results, clock=clock)
        self._streams: list[StreamSpec] | None = None
        self._restore_point = clock.now()

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Capture``; counts are complete when the listing is."""
        scope, counts = self._scope, self._survey.counts
        return {
            "engine": "files",
            "base": shown(scope.base),
            "paths": [shown(root) for root in scope.roots],
            "exclude": list(scope.exclude),
            "one_file_system": scope.one_file_system,
            "immutable": scope.immutable,
            "files": counts.files,
            "directories": counts.directories,
            "symlinks": counts.symlinks,
            "hard_links": counts.hard_links,
            "file_bytes": counts.bytes,
            "unchanged_files": counts.unchanged,
            "with_xattrs": counts.with_xattrs,
            "owners": sorted(f"{uid}:{gid}" for uid, gid in counts.owners)[:100],
        }

    @property
    def restore_point(self) -> datetime:
        """See ``Capture``: when the walk began. Every file is as it was then or later."""
        return self._restore_point

    @property
    def parallel(self) -> int:
        """See ``Capture``."""
        return 1

    def ask(self, sql: str) -> str:
        """See ``Asks``: a tree answers no queries."""
        raise SourceUnsupported(
            "a file tree answers no queries", found=sql[:80], hint="take `probes:` out of the policy"
        )

    def streams(self) -> Sequence[StreamSpec]:
        """See ``Capture``; the walk is made here."""
        if self._streams is None:
            self._guard.call(self._survey.run)
            carried = [_content(name, is_carried=True) for name in self._survey.carried]
            fresh = [_content(one.name, one.estimated_bytes) for one in self._survey.contents]
            listing = StreamSpec(
                name=LISTING,
                kind=StreamKind.SCHEMA,
                estimated_bytes=self._spool.size_bytes,
                comes_last=True,
                changes_here_and_there=True,
            )
            self._streams = [*carried, *fresh, listing]
        return self._streams

    def open(self, stream: StreamSpec) -> AbstractContextManager[Iterator[Bytes]]:
        """See ``Capture``."""
        if stream.name == LISTING:
            return self._guarded(self._listing())
        wanted = stream.name.removeprefix(CONTENT_PREFIX)
        return self._guarded(self._contents.pieces(next(one for one in self._survey.contents if one.name == wanted)))

    def closing_facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        counts = self._survey.counts
        incomplete = self._findings.incomplete()
        return {
            **self._findings.facts(),
            **({"incomplete": incomplete} if incomplete else {}),
            "files": counts.files,
            "read_again": counts.reread,
        }

    def abort(self) -> None:
        """See ``Capture``."""
        self._guard.stop()

    def close(self) -> None:
        """Let go of everything, but of what a call that does not come back still uses."""
        self._guard.close()
        self._spool.close()
        self._results.close()
        if not self._guard.is_left_behind:
            self._directories.close()

    @contextmanager
    def _guarded(self, pieces: Generator[Bytes, None, None]) -> Iterator[Iterator[Bytes]]:
        try:
            yield self._guard.pieces(pieces)
        finally:
            if not self._guard.is_left_behind:
                self._guard.call(pieces.close)

    def _listing(self) -> Generator[Bytes, None, None]:
        """Yield the listing, and keep the memory when it has been taken."""
        missing = [one.name for one in self._survey.contents if one.name not in self._contents.sizes]
        if missing:
            raise Bug(f"the listing was opened before {missing[0]} had ended")
        waiting = bytearray(encode_heading(Heading(base=self._scope.base, paths=self._scope.roots)))
        results = self._results_in_order()
        for raw in self._spool.lines():
            self._guard.beat()
            waiting += self._finished(raw, results)
            if len(waiting) >= LISTING_PIECE_BYTES:
                yield waiting
                waiting = bytearray()
        yield waiting
        if self._scope.immutable:
            for path in self._memory.unseen():
                self._findings.immutable_broken.add(path, "gone")
        self._memory.keep(self._contents.sizes, forget=not self._scope.immutable)

    def _results_in_order(self) -> Iterator[bytes]:
        """Yield what became of each file, in the order of the listing: content streams are read in any order."""
        for content in self._survey.contents:
            yield from itertools.islice(self._results.lines(self._contents.results_at[content.name]), content.files)

    def _finished(self, raw: bytes, results: Iterator[bytes]) -> bytes:
        kind, line = raw[:1], raw[1:]
        if kind == DONE:
            return line
        if kind in (TO_READ, TO_READ_FIRST):
            result = next(results)
            return b"" if result == b"\n" else result
        assert kind == LINK
        return self._link(line) if self._contents.lost_firsts else line

    def _link(self, line: bytes) -> bytes:
        """Return the line of a further hard link; when the first name was lost, this one has no content either."""
        found = json.loads(line)
        if bytes_of(found["same_as"]) not in self._contents.lost_firsts:
            return line
        path = bytes_of(found["path"])
        self._findings.unread.add(path, f"it is the same file as {text_of(bytes_of(found['same_as']))}")
        return encode_line(Line(path=path, kind=Kind.ABSENT, why="unreadable: another name of it was"))


def _content(name: str, estimated_bytes: int = 0, *, is_carried: bool = False) -> StreamSpec:
    return StreamSpec(
        name=CONTENT_PREFIX + name,
        kind=StreamKind.FILE,
        estimated_bytes=estimated_bytes,
        is_lasting=True,
        is_carried=is_carried,
    )
