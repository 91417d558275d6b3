"""Words of people: exact, and two roles by two people."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from drorch.errors import EvidenceBroken, SignOffRefused
from drorch.evidence.sign_off import (
    PersonRole,
    TrustedPerson,
    encode_sign_off,
    read_sign_off,
    require_separate_people,
)
from drorch.evidence.statement_text import encode_text
from drorch.ids import Digest
from tests.support.ledgers import WRITER
from tests.support.statements import OPERATOR, OPERATOR_PERSON, VERIFIER, VERIFIER_PERSON, person, sign_off

WORD = sign_off(Digest(bytes(range(32))))
RAW = encode_sign_off(WORD)


def test_a_word_comes_back_as_it_was_said() -> None:
    assert read_sign_off(RAW) == WORD


@pytest.mark.parametrize("name", json.loads(RAW)["predicate"])
def test_no_field_is_missing_retyped_or_doubled(name: str) -> None:
    for change in ({name: 7}, {name: None}, {"more": "x"}):
        value: dict[str, Any] = copy.deepcopy(json.loads(RAW))
        value["predicate"] |= change
        with pytest.raises(EvidenceBroken):
            read_sign_off(encode_text(value))
    value = copy.deepcopy(json.loads(RAW))
    del value["predicate"][name]
    with pytest.raises(EvidenceBroken):
        read_sign_off(encode_text(value))


def test_a_comment_has_an_end() -> None:
    with pytest.raises(EvidenceBroken):
        read_sign_off(encode_sign_off(replace(WORD, comment="x" * 3_000)))


def test_an_operator_and_a_verifier_are_two_people() -> None:
    require_separate_people([OPERATOR_PERSON, VERIFIER_PERSON], {})


@pytest.mark.parametrize(
    ("people", "machines"),
    [
        ([OPERATOR_PERSON, person("verifier1", PersonRole.VERIFIER, OPERATOR)], {}),
        ([OPERATOR_PERSON, person("operator1", PersonRole.VERIFIER, VERIFIER)], {}),
        ([OPERATOR_PERSON, person("x", PersonRole.VERIFIER, VERIFIER, name="Cán  bộ OPERATOR1")], {}),
        ([person("operator1", PersonRole.OPERATOR, WRITER)], {WRITER.key_id: "backup1"}),
    ],
    ids=["one key", "one name, two keys", "one person under two names", "a machine"],
)
def test_nobody_is_both_and_a_machine_is_nobody(people: list[TrustedPerson], machines: dict[Any, str]) -> None:
    with pytest.raises(SignOffRefused):
        require_separate_people(people, machines)
