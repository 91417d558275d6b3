"""Every claim of docs/THREAT_MODEL.md names a test that exists, or says plainly that there is none."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/THREAT_MODEL.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)))
ANSWERS = ("not prevented", "no test yet", "nothing to test")


def rows(heading: str) -> list[list[str]]:
    """The body cells of the first table below ``heading``."""
    part = PAGE.split(f"{heading}\n", 1)[1]
    lines = [line for line in part.split("\n#", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def references(cell: str) -> list[str]:
    return re.findall(r"\[([A-Z]\d+)\]", cell)


LEGEND = {cells[0] for cells in rows("### The tests")}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_attacker_stands_in_the_table() -> None:
    attackers = [re.sub(r"\*\*(.*?)\*\*.*", r"\1", cells[0]) for cells in rows("## The table")]
    assert attackers == [
        "Storage administrator",
        "Stolen writer disk",
        "Live writer root",
        "Stolen maintainer",
        "Removed custodian",
        "One custodian of k",
        "Malicious database user",
        "Wrong clock",
        "Cloned VM",
        "Another account of the host",
        "Whoever writes the reports",
    ]


@pytest.mark.parametrize(
    ("heading", "first"),
    [("## The table", 1), ("## What a thief of the host gets", 2), ("## What must happen in which order", 1)],
)
def test_no_cell_lacks_an_answer(heading: str, first: int) -> None:
    for cells in rows(heading):
        for cell in cells[first:]:
            assert references(cell) or any(answer in cell for answer in ANSWERS) or "::" in cell, cell


def test_every_reference_is_explained_and_every_explanation_used() -> None:
    used = set(references(PAGE))
    assert used == LEGEND


def test_the_meta_test_sees_the_page() -> None:
    assert len(NAMED) > 20
    assert len(rows("## The table")) == 11
