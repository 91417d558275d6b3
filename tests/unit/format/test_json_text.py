"""JSON from outside: what was read can be written again, or it was refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import ObjectCorrupt
from drorch.format.json_text import decode_json, encode_json


@pytest.mark.parametrize(
    "value",
    ["NaN", "-Infinity", "1e999", r'"\ud800"', r'["x", {"\udfff": 1}]', "9" * 5_000, "[" * 100_000, "1 2", "\ufeff1"],
)
def test_what_could_not_be_written_again_is_refused(value: str) -> None:
    with pytest.raises(ObjectCorrupt):
        decode_json(f'{{"a":{value}}}'.encode(), "it")


def test_letters_in_two_halves_are_one_letter() -> None:
    assert decode_json(rb'{"a":"\ud83d\ude00\u0111"}', "it") == {"a": "\U0001f600đ"}


@given(st.text(alphabet=r'{}[]":,\ud8e1.-NaI0', max_size=40))
def test_any_text_is_refused_or_comes_back(text: str) -> None:
    try:
        value = decode_json(text.encode("utf-8", "surrogatepass"), "it")
    except ObjectCorrupt:
        return
    assert decode_json(encode_json(value), "it") == value
