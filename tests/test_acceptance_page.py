"""Every claim of docs/ACCEPTANCE.md names tests that exist and run when the page says so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/ACCEPTANCE.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`(?: \(([a-z, ]+)\))?", PAGE)))
NOT_ALWAYS = {"slow", "matrix"}


@cache
def marks(path: str) -> dict[str, set[str]]:
    """Return for each test of a file which marks keep it, or some of its cases, out of CI."""
    text = (ROOT / path).read_text(encoding="utf-8")
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            words = " ".join(ast.get_source_segment(text, one) or "" for one in node.decorator_list)
            found[node.name] = {mark for mark in NOT_ALWAYS if re.search(rf"\bmark\.{mark}\b", words)}
    return found


@pytest.mark.parametrize(("path", "name", "told"), NAMED)
def test_a_named_test_exists_and_runs_when_the_page_says(path: str, name: str, told: str) -> None:
    assert marks(path).get(name) == {word for word in told.split(", ") if word}


def test_every_claim_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and not re.match(r"\|(---|\s*claim)", line)]
    assert [line for line in rows if "::" not in line] == []
    assert len(rows) > 30
    assert len(NAMED) > 80
