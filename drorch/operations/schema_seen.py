"""What a database is made of, as far as it must be remembered to say the next time what came, went, or changed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from drorch.sources.interface import Bytes, Defined, StreamKind, StreamSpec, table_of

LARGEST_BYTES = 16 * 2**20  # of definitions that are held while they are stored: some 20,000 tables
_NAMED = 3

Definitions: TypeAlias = Callable[[Iterable[Bytes]], Iterator[Defined]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSchema:
    """The tables, and a digest of all definitions; empty when there were too many to look at."""

    tables: tuple[str, ...]
    digest: str


@dataclass(slots=True)
class SchemaTap:
    """Sees the definitions pass by while they are stored."""

    definitions: Definitions
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, pieces: Iterator[Bytes]) -> Iterator[Bytes]:
        """Yield the pieces of a ``SCHEMA`` stream."""
        for piece in pieces:
            with self._lock:
                self._size += len(piece)
                if self._size <= LARGEST_BYTES:
                    self._pieces.append(bytes(piece))
                else:
                    self._pieces.clear()
            yield piece

    def seen(self, streams: Sequence[StreamSpec]) -> SeenSchema:
        """Return what passed by."""
        named = (table_of(stream) for stream in streams if stream.kind is StreamKind.TABLE)
        tables = sorted({f"{schema}.{name}" if schema else name for schema, name in named})
        is_whole = 0 < self._size <= LARGEST_BYTES
        return SeenSchema(tables=tuple(tables), digest=self._digest() if is_whole else "")

    def _digest(self) -> str:
        """Return a digest of the definitions in any order; where data lie among them, they do not count."""
        told = sorted(
            f"{one.kind}\0{one.name}\0{one.text if one.lasting is None else one.lasting}"
            for one in self.definitions(self._pieces)
            if one.lasting != ""
        )
        return hashlib.sha256("\0\0".join(told).encode(errors="surrogatepass")).hexdigest()


def what_changed(before: SeenSchema, now: SeenSchema) -> str:
    """Say which tables came and went, or that other definitions changed; empty when nothing did."""
    came, went = sorted(set(now.tables) - set(before.tables)), sorted(set(before.tables) - set(now.tables))
    words = [f"{verb} {_some(tables)}" for verb, tables in (("new:", came), ("gone:", went)) if tables]
    if not words and before.digest and now.digest and before.digest != now.digest:
        return "the same tables, but columns, indexes or other definitions changed"
    return "; ".join(words)


def _some(tables: Sequence[str]) -> str:
    more = f" and {len(tables) - _NAMED:,} more" if len(tables) > _NAMED else ""
    return ", ".join(tables[:_NAMED]) + more
