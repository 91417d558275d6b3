"""A stream of definitions is read into memory: nobody makes it longer than any that drorch stores."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from drorch.errors import CaptureFailed, ObjectCorrupt
from drorch.sources.contract import definitions
from drorch.sources.contract.definitions import storable, stored_lines
from drorch.sources.mariadb.accounts import decode_accounts
from drorch.sources.mariadb.definitions import decode_schema as decode_mariadb
from drorch.sources.mariadb.proof import MariadbProof
from drorch.sources.postgresql.entries import decode_entries
from drorch.sources.postgresql.restore_roles import decode_roles
from drorch.sources.sqlite.definitions import decode_schema as decode_sqlite

PIECE = 2**14
DECODERS: list[Callable[[Iterable[bytes]], Any]] = [
    lambda pieces: list(decode_entries(pieces)),
    lambda pieces: list(decode_roles(pieces)),
    decode_mariadb,
    decode_accounts,
    decode_sqlite,
    lambda pieces: list(MariadbProof().definitions(pieces)),
]


def test_lines_come_back_whatever_the_pieces() -> None:
    raw = b"one\n\ntwo\n" + b"x" * 500 + b"\n"
    for size in (1, 3, 7, 1_000):
        pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
        assert list(stored_lines(pieces)) == raw.splitlines()
    assert list(stored_lines([])) == []
    with pytest.raises(ObjectCorrupt, match="ends inside a line"):
        list(stored_lines([b"one\ntw", b"o"]))


@pytest.mark.parametrize("piece", [b" " * PIECE, b"{}\n" * (PIECE // 3)], ids=["one line", "many lines"])
@pytest.mark.parametrize("decode", DECODERS)
def test_a_stream_without_end_is_left_off(
    decode: Callable[[Iterable[bytes]], Any], piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "LIMIT_BYTES", 8 * PIECE)
    monkeypatch.setattr(definitions, "LINE_LIMIT_BYTES", 4 * PIECE)
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += len(piece)
            assert read < 20 * PIECE, "it goes on and on"
            yield piece

    with pytest.raises(ObjectCorrupt):
        decode(endless())
    assert read > 0


def test_a_line_without_end_takes_time_and_memory_for_its_length_only() -> None:
    tracemalloc.start()
    with pytest.raises(ObjectCorrupt, match="longer than any"):
        list(stored_lines(b"x" * 2**20 for _ in range(100)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * definitions.LINE_LIMIT_BYTES


def test_what_no_restore_would_take_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "LIMIT_BYTES", 100)
    monkeypatch.setattr(definitions, "LINE_LIMIT_BYTES", 10)
    monkeypatch.setattr(definitions, "MOST_LINES", 20)
    fits = [b"x" * 9 + b"\n"] * 10
    assert list(storable(fits)) == fits
    assert list(stored_lines(storable([b"".join(fits)]))) == [b"x" * 9] * 10
    for too_long in ([*fits, b"\n"], [b"\n", b"x" * 11 + b"\n"], [b"\n" * 21]):
        with pytest.raises(CaptureFailed, match="too long to be restored"):
            list(storable(too_long))
