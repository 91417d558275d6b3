"""Every kind of error and of alert has Vietnamese words: none waits to be met in somebody's report."""

from __future__ import annotations

import unicodedata

from drorch.errors import every_error
from drorch.operations.error_words import ALERTS_IN_VIETNAMESE, ERRORS_IN_VIETNAMESE
from drorch.policy.alert_words import ALERT_WORDS


def test_every_class_of_errors_has_vietnamese_words() -> None:
    assert set(ERRORS_IN_VIETNAMESE) == {
        error.slug for error in every_error() if error.__module__.startswith("drorch.")
    }


def test_every_alert_has_vietnamese_words() -> None:
    assert set(ALERTS_IN_VIETNAMESE) == set(ALERT_WORDS)


def test_the_words_are_clauses_in_composed_letters_and_tell_errors_apart() -> None:
    for words in (ERRORS_IN_VIETNAMESE, ALERTS_IN_VIETNAMESE):
        assert len(set(words.values())) == len(words)
        for text in words.values():
            assert unicodedata.is_normalized("NFC", text)
            assert text.strip(" .") == text
            assert not text.isascii(), text
