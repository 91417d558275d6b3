"""Whatever a drill says of its own has Vietnamese words: its sentences are looked up in the program's text, so none waits to be met in a report."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import drorch
from drorch.operations.proof.finding_words import in_vietnamese
from drorch.quantities import counted

PACKAGE = Path(drorch.__file__).parent
FILES = (
    *sorted(PACKAGE.glob("operations/drills/**/*.py")),
    *(PACKAGE / "sandbox" / f"{name}.py" for name in ("isolation", "local_places", "opening", "postgresql_programs")),
    *(PACKAGE / "sandbox" / f"{name}.py" for name in ("mariadb_sandbox", "scratch_server")),
    PACKAGE / "sources/files/proof.py",
)
# Told before there is a drill, in the ledger's own words, or while a catalog is made anew: never in a report's sentences.
NO_REPORT = {"books", "enough_room", "lottery", "production", "recalled", "sampling", "sources", "stored_sources"}
# Half sentences, and what is no sentence; whole ones of them are below.
PARTS = {
    "0123456789.+-: TZ",
    "7 of 7 7",
    "no 7",
    "; first difference: 7",
    ", the large objects too",
    "column 7",
    "columns 7",
    "7digest 7..7",
    "made for this drill",
    "one row too many,",
    "not in",
    "would be lost",
    "7 in 7",
    "not ended after 7, the time-out of this drill7",
    "; fewer would have done",
    "; one fewer made no key",
    "all 7 7",
    "the only 7",
    "`verify` 7: 7",
    ", usable after 7",
    "7 came back equal777",
    "; 7 finding",
    "; 7 findings",
    "; promised 7",
    "7 databases dropped, ",
    "1 database dropped, ",
    "a 7",
    ", as this version prints them",
    " and 7 more",
    "ended with 7",
    "did not end in time",
}
WHOLE = (
    "3 of 4 probes",
    "0 of 1 probe",
    "2 of 2 queries",
    "no queries",
    "9 objects, 1 differ, as this version prints them",
    "14 of 14 tables, large objects",
    "14 as at the backup, the large objects too",
    "id 7: expected 3 rows, found 2 rows; first difference: one row too many, with id = 2",
    "public.parcel: expected 3 rows, found 3 rows; first difference: the row with id = 2 is another one: columns a, b",
    "snapshot 7kq2m9xd is newer and only in vault: it would be lost",
    "not ended after 10 s, the time-out of this drill",
    "not ended after 10 s, the time-out of this drill; a step did not end even then: what it was doing ends with this program",
    "3 shares made key 1f0c-77d2; fewer would have done; it was written nowhere",
    "all 3 tables came back equal, usable after 5 s; promised 4 h; 2 findings",
    "all 3 files came back equal, usable after 5 s; promised 4 h; 1 finding",
    "what the command wrote came back equal, usable after 5 s; promised 4 h; 1 finding",
    "all 3 tables came back equal; promised 4 h",
    "the only table came back equal, usable after 5 s; promised 4 h",
    "`verify` ended with 1: without a word",
    "2 databases dropped, 1 process ended, 900 files (1.2 GB) deleted",
    "the sandbox lacks: room for about 2.5 GB where 1.1 GB are free; `directories:` names the disk of temporary files",
    "looks like VNI text: public.parcel",
    "has dates that are none, such as 00/00/1975: permit",
)


def spelled(node: ast.expr) -> set[str]:
    """Return every text that an expression of literals can be, with a number in place of each value."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return {"".join(each) for each in product(*(spelled(part) for part in parts))}
        case ast.FormattedValue(value=ast.IfExp() as choice):
            return spelled(choice)
        case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(noun))]):
            return {counted(1, noun), counted(7, noun)}
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="counted")) as call):
            return spelled(call)
        case ast.IfExp(body=one, orelse=other):
            return spelled(one) | spelled(other)
        case ast.BinOp(left=one, op=ast.Add(), right=other):
            return {"".join(each) for each in product(spelled(one), spelled(other))}
    return {"7"}


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts below a node, but those of documentation, hints and names of things in code."""
    match node:
        case (
            ast.Expr(value=ast.Constant())
            | ast.keyword(arg="hint")
            | ast.Call(func=ast.Attribute(value=ast.Name(id="re")))
        ):
            return
        case ast.JoinedStr() | ast.Constant(value=str()):
            yield from spelled(node)
            return
        case ast.BinOp(op=ast.Add()) if any(isinstance(one, ast.JoinedStr) for one in (node.left, node.right)):
            yield from spelled(node)
            return
    for child in ast.iter_child_nodes(node):
        yield from texts(child)


def is_sentence(text: str) -> bool:
    return " " in text.strip() and any(letter.isalpha() for letter in text)


def untranslated(text: str) -> bool:
    return in_vietnamese(text) == text and in_vietnamese(f"{text}: 7") == f"{text}: 7"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_sentence_in_the_program_has_vietnamese_words(file: Path) -> None:
    found = set(texts(ast.parse(file.read_text(encoding="utf-8"))))
    sentences = {one for one in found if is_sentence(one)} - PARTS
    assert file.stem in NO_REPORT or [one for one in sorted(sentences) if untranslated(one)] == []


def test_the_search_finds_a_sentence_that_nobody_translated() -> None:
    tree = ast.parse('def f(n): return Check(found=f"{n} wheels came off" + ("" if n else " again"), hint="mend it")')
    assert {one for one in texts(tree) if is_sentence(one)} == {"7 wheels came off", "7 wheels came off again"}
    assert untranslated("7 wheels came off")


@pytest.mark.parametrize("sentence", WHOLE)
def test_what_is_put_together_has_no_english_word_left(sentence: str) -> None:
    words = set(in_vietnamese(sentence).replace("`", " ").replace(":", " ").split())
    english = "the of and was were not with expected found rows tables objects files left over as at backup came back is it differ where than"
    assert words & set(english.split()) == set(), in_vietnamese(sentence)
