import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.catalog.columns import storable_text


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_becomes_text_that_every_database_takes(text: str) -> None:
    stored = storable_text(text)
    stored.encode()
    assert "\0" not in stored
    assert storable_text(stored) == stored


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_without_what_is_refused_is_only_composed(text: str) -> None:
    assert storable_text(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "stored"), [("a\0b", "a\\x00b"), ("\udcff", "\\udcff"), ("Ha\u0300 No\u0323\u0302i", "Hà Nội")]
)
def test_what_is_refused_stays_visible(text: str, stored: str) -> None:
    assert storable_text(text) == stored
