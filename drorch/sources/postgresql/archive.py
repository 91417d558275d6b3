"""Reads the table of contents of a pg_dump archive (custom format, versions 1.13 to 1.16), and nothing else.

pg_dump knows how every version of the server defines every object; its archive gives each definition with its kind,
owner, tablespace and dependencies, which the text form does not. The entries are read one by one as they arrive:
50,000 tables need no memory here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drorch.errors import CaptureFailed, SourceUnsupported

Read = Callable[[int], bytes]  # exactly so many bytes, or raises

_MAGIC = b"PGDMP"
_OLDEST, _NEWEST = (1, 13), (1, 16)
_CUSTOM = 1
_LARGEST_TEXT = 256 << 20  # longer than any definition a server can hold; a broken length must not fill memory


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One entry, as pg_dump wrote it; text is in the dump's encoding. ``depends`` are ``identifier`` of others."""

    identifier: int
    tag: bytes
    kind: bytes
    section: int
    definition: bytes
    drop: bytes
    schema: bytes
    tablespace: bytes | None
    access_method: bytes | None
    owner: bytes
    depends: tuple[int, ...]


def read_archive(read: Read) -> Iterator[ArchiveEntry]:
    """Yield the entries in the order in which they are to be restored; raise ``CaptureFailed``."""
    reader = _Reader(read)
    if read(5) != _MAGIC:
        raise CaptureFailed("pg_dump did not write an archive")
    major, minor, _revision, integer_size, offset_size, archive_format = read(6)
    version = (major, minor)
    if not _OLDEST <= version <= _NEWEST or integer_size != 4 or archive_format != _CUSTOM:
        raise SourceUnsupported(
            "pg_dump writes an archive that drorch cannot read",
            expected="archive version 1.13 to 1.16",
            found=f"{major}.{minor}",
            hint="name another PostgreSQL in `tools:`",
        )
    read(1) if version >= (1, 15) else reader.integer()  # compression: none is used
    for _part_of_the_date in range(7):
        reader.integer()
    for _text in ("database", "server version", "pg_dump version"):
        reader.text()
    for _number in range(reader.integer()):
        yield _entry(reader, version, offset_size)


class _Reader:
    def __init__(self, read: Read) -> None:
        self.read = read

    def integer(self) -> int:
        raw = self.read(5)
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value

    def text(self) -> bytes | None:
        size = self.integer()
        if size > _LARGEST_TEXT:
            raise CaptureFailed("pg_dump's archive is broken", found=f"a text of {size} bytes")
        return None if size < 0 else self.read(size) if size else b""


def _entry(reader: _Reader, version: tuple[int, int], offset_size: int) -> ArchiveEntry:
    identifier = reader.integer()
    reader.integer()  # whether data follow
    reader.text(), reader.text()  # catalog and object OIDs: they differ from server to server
    tag, kind, section = reader.text() or b"", reader.text() or b"", reader.integer()
    definition, drop = reader.text() or b"", reader.text() or b""
    reader.text()  # COPY statement
    schema, tablespace = reader.text() or b"", reader.text()
    access_method = reader.text() if version >= (1, 14) else None
    if version >= (1, 16):
        reader.integer()  # relkind
    owner = reader.text() or b""
    reader.text()  # "false": tables with OIDs
    depends = []
    while (dependency := reader.text()) is not None:
        if not dependency.isdigit():
            raise CaptureFailed("pg_dump's archive is broken", found="a dependency that is no number")
        depends.append(int(dependency))
    if not kind.isascii():
        raise CaptureFailed("pg_dump's archive is broken", found="a kind of definition that is no word")
    reader.read(1 + offset_size)  # where the data are
    return ArchiveEntry(
        identifier=identifier,
        tag=tag,
        kind=kind,
        section=section,
        definition=definition,
        drop=drop,
        schema=schema,
        tablespace=tablespace,
        access_method=access_method,
        owner=owner,
        depends=tuple(depends),
    )
