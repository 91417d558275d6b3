"""The reader of pg_dump's table of contents: every version it claims, and nothing but our errors on anything else."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import CaptureFailed, SourceError, SourceUnsupported
from drorch.sources.postgresql.archive import Read, read_archive


def integer(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def text(value: bytes | None) -> bytes:
    return integer(-1) if value is None else integer(len(value)) + value


def archive(minor: int, *, magic: bytes = b"PGDMP", entries: int = 2) -> bytes:
    head = magic + bytes([1, minor, 0, 4, 8, 1])
    head += b"\0" if minor >= 15 else integer(0)
    head += b"".join(integer(part) for part in (1, 2, 3, 4, 5, 126, 0))
    head += text(b"land") + text(b"15.18") + text(b"15.18") + integer(entries)
    return head + b"".join(entry(minor, number) for number in range(entries))


def entry(minor: int, number: int) -> bytes:
    raw = (
        integer(number + 1)
        + integer(0)
        + text(b"1259")
        + text(b"16385")
        + text(b"parcel")
        + text(b"TABLE")
        + integer(2)
    )
    raw += (
        text(b"CREATE TABLE public.parcel ();\n")
        + text(b"DROP TABLE public.parcel;\n")
        + text(b"")
        + text(b"public")
        + text(b"")
    )
    raw += text(b"heap") if minor >= 14 else b""
    raw += integer(114) if minor >= 16 else b""
    raw += text(b"owner") + text(b"false") + text(b"7") + text(b"9") + text(None)
    return raw + b"\3" + bytes(8)


def reader(raw: bytes) -> Read:
    stream = io.BytesIO(raw)

    def read(size: int) -> bytes:
        found = stream.read(size)
        if len(found) < size:
            raise CaptureFailed("too short")
        return found

    return read


@pytest.mark.parametrize("minor", [13, 14, 15, 16])
def test_every_version_gives_the_same_entries(minor: int) -> None:
    first, second = read_archive(reader(archive(minor)))
    assert (first.identifier, second.identifier) == (1, 2)
    assert (first.kind, first.tag, first.schema, first.owner) == (b"TABLE", b"parcel", b"public", b"owner")
    assert first.access_method == (b"heap" if minor >= 14 else None)
    assert first.depends == (7, 9)
    assert first.definition.startswith(b"CREATE TABLE")


@pytest.mark.parametrize("minor", [12, 17])
def test_another_version_is_refused(minor: int) -> None:
    with pytest.raises(SourceUnsupported):
        list(read_archive(reader(archive(minor))))


def test_something_else_is_refused() -> None:
    with pytest.raises(CaptureFailed):
        list(read_archive(reader(archive(14, magic=b"-- Po"))))


def test_an_archive_cut_anywhere_is_refused() -> None:
    raw = archive(16)
    for size in range(len(raw)):
        with pytest.raises(CaptureFailed):
            list(read_archive(reader(raw[:size])))


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_changed_bytes_give_entries_or_our_error(place: int, change: bytes) -> None:
    raw = bytearray(archive(16))
    place %= len(raw)
    raw[place : place + len(change)] = change
    with contextlib.suppress(SourceError):
        list(read_archive(reader(bytes(raw))))
