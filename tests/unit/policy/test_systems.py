"""The register of systems: read strictly, every problem with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.policy.problems import Problems
from drorch.policy.systems import read_systems

HEAD = "id,name,owner,medium,policy,note\n"
SAMPLE = Path(__file__).resolve().parents[3] / "policies/systems.csv"


def told(text: str | bytes) -> list[str]:
    problems = Problems()
    read_systems("systems.csv", text.encode() if isinstance(text, str) else text, problems)
    return [f"{one.line}:{one.column} {one.message}" for one in problems.sorted()]


def test_the_sample_is_read() -> None:
    problems = Problems()
    systems = read_systems("systems.csv", SAMPLE.read_bytes(), problems)
    assert problems.sorted() == ()
    assert [one.is_paper for one in systems] == [False, False, False, False, True]
    assert systems[0].policies == ("lamdong-land",)


def test_several_policies_and_letters_in_either_form_are_taken() -> None:
    problems = Problems()
    text = HEAD.replace(",", ";") + "1;Đa\u0302t;UBND;digital;land civil/a;\n"
    (one,) = read_systems("systems.csv", text.encode(), problems)
    assert (one.name, one.policies, problems.told) == ("Đât", ("land", "civil/a"), 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1 the register is empty; its first line is `id,name,owner,medium,policy,note`"]),
        (
            "id,name,owner,medium,polcy\n",
            ["1:1 the register has no column `policy`", "1:5 unknown column `polcy`; did you mean `policy`?"],
        ),
        (HEAD + "1,a,o,digital,p\n", ["2:1 the line has 5 cells, its header 6"]),
        (HEAD + "1,,o,digital,p,\n", ["2:2 `name` is empty"]),
        (HEAD + "1,a,o,papyrus,,\n", ["2:4 `medium` is `digital` or `paper`, not `papyrus`"]),
        (HEAD + "1,a,o,paper,p,\n", ["2:5 what is on paper only has no policy"]),
        (HEAD + "1,a,o,paper,,\n1,b,o,paper,,\n", ["3:1 id `1` stands in line 2 already"]),
        (HEAD + "1,a\x1b[2J,o,paper,,\n", ["2:4 a character that does not print stands here: U+001B"]),
        (HEAD + '1,"a,o,paper,,\n', ["2:1 not CSV: unexpected end of data"]),
    ],
)
def test_each_mistake_is_told_with_line_and_column(text: str, expected: list[str]) -> None:
    assert told(text) == expected


def test_bytes_of_another_encoding_are_told() -> None:
    assert len(told(HEAD.encode() + b"1,\xff\xfe,o,paper,,\n")) == 1
