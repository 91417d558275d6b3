"""The snapshot's definitions as the sandbox's server prints them: made anew, without a row, in a database beside what was restored.

Two versions of a server print one view differently. What both texts become in the hands of one server can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drorch.operations.drills.place import DRILL_CHOICES, DrillPlace
from drorch.sources.interface import Bytes, Capture, Content, Json, StoredStream, StreamKind

_ROWS = (StreamKind.TABLE, StreamKind.LARGE_OBJECTS)


@dataclass(frozen=True, slots=True)
class DefinitionsOnly:
    """A snapshot without its rows; see ``Content``."""

    content: Content

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Content``."""
        return self.content.facts

    @property
    def short_id(self) -> str:
        """See ``Content``."""
        return self.content.short_id

    def streams(self) -> Sequence[StoredStream]:
        """See ``Content``."""
        return [stream for stream in self.content.streams() if stream.spec.kind not in _ROWS]

    def open(self, stream: StoredStream) -> Iterator[Bytes]:
        """See ``Content``."""
        return self.content.open(stream)

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        """See ``Content``."""
        return self.content.open_range(stream, offset, length)


class _Unheard:
    """An observer that nobody listens to."""

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``Observer``."""


@contextmanager
def reference(content: Content, place: DrillPlace) -> Iterator[Capture | None]:
    """Yield a capture of the definitions made anew; ``None`` where the place has no room for them. Raises what restoring raises."""
    if place.reference is None:
        yield None
        return
    target, read_back = place.reference
    target.restore(DefinitionsOnly(content), DRILL_CHOICES, _Unheard())
    with read_back.capture() as capture:
        yield capture
