"""What a stored stream says of itself may have been written by anybody who held a host's key."""

from __future__ import annotations

from typing import Any

import pytest

from drorch.errors import ObjectCorrupt
from drorch.sources.attributes import text_of, texts_of, written_texts_of
from drorch.sources.postgresql.inventory import exact_names

JUNK: list[Any] = [None, True, 7, [], {}, ["a", None], [["a"]], "x"]


@pytest.mark.parametrize("value", [one for one in JUNK if one != "x"], ids=repr)
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ObjectCorrupt):
        text_of({"table": value}, "table")
    with pytest.raises(ObjectCorrupt):
        exact_names({"schema": "public", "table": value})


@pytest.mark.parametrize("value", [one for one in JUNK if one != []], ids=repr)
def test_what_is_no_list_of_texts_is_refused(value: Any) -> None:
    with pytest.raises(ObjectCorrupt):
        texts_of({"columns": value}, "columns")


@pytest.mark.parametrize("text", ["", "[", "7", "[7]", '{"a": 1}', "[" * 50_000])
def test_what_is_no_json_of_texts_is_refused(text: str) -> None:
    with pytest.raises(ObjectCorrupt):
        written_texts_of({"exact": text}, "exact")


def test_names_come_back_byte_for_byte() -> None:
    assert exact_names({"exact": '["public", "t", "a\\udcff", "b"]'}) == ("public", "t", ["a\udcff", "b"])
    assert exact_names({"exact": '["public", "t"]'}) == ("public", "t", [])
    assert exact_names({"schema": "public", "table": "t", "columns": ["a"]}) == ("public", "t", ["a"])
