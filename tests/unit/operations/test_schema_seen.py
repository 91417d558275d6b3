"""Which tables came or went, and that other definitions changed; data among definitions are no change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from drorch.operations import schema_seen
from drorch.operations.schema_seen import SchemaTap, SeenSchema, what_changed
from drorch.sources.interface import Bytes, Defined, StreamKind, StreamSpec

TABLES = [
    StreamSpec(name=f"table/{name}#{part}", kind=StreamKind.TABLE, attributes={"schema": "public", "table": name})
    for name in ("thửa_đất", "hr")
    for part in (1, 2)
]


def lines(pieces: Iterable[Bytes]) -> Iterator[Defined]:
    for line in b"".join(map(bytes, pieces)).decode().splitlines():
        kind, _, text = line.partition(":")
        yield Defined(kind=kind, name="", text=text, lasting="" if kind == "SEQUENCE SET" else None)


def seen(text: str, streams: list[StreamSpec] = TABLES) -> SeenSchema:
    tap = SchemaTap(lines)
    assert b"".join(map(bytes, tap.watch(iter([text[:5].encode(), text[5:].encode()])))) == text.encode()
    return tap.seen(streams)


def test_the_order_of_definitions_and_data_among_them_do_not_count() -> None:
    one = seen("TABLE:a\nINDEX:b\nSEQUENCE SET:7\n")
    assert one.tables == ("public.hr", "public.thửa_đất")
    assert one == seen("INDEX:b\nTABLE:a\nSEQUENCE SET:8\n")
    assert what_changed(one, one) == ""


def test_what_changed_is_named() -> None:
    before = seen("TABLE:a\n")
    assert what_changed(before, seen("TABLE:a\nINDEX:b\n")).startswith("the same tables, but")
    less = seen("TABLE:a\n", TABLES[:2])
    assert (what_changed(before, less), what_changed(less, before)) == ("gone: public.hr", "new: public.hr")
    many = SeenSchema(tables=tuple(f"t{n}" for n in range(9)), digest="x")
    assert what_changed(less, many) == "new: t0, t1, t2 and 6 more; gone: public.thửa_đất"


def test_too_many_definitions_are_told_by_their_tables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_seen, "LARGEST_BYTES", 9)
    big, small = seen("TABLE:a\nINDEX:b\n"), seen("TABLE:a\n")
    assert (big.digest, small.digest != "") == ("", True)
    assert what_changed(small, big) == what_changed(big, small) == ""
    assert seen("").digest == ""
