import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.policy.document import read_yaml
from drorch.policy.nodes import Listing, Node, Scalar, Section, built_in, flow_text, merged
from drorch.policy.problems import Place, Problems

PLACE = Place("x.yaml", 1, 1)


def read(text: str) -> Section:
    section = read_yaml("x.yaml", text.encode(), Problems())
    assert section is not None
    return section


def meaning(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Listing):
        return [meaning(item) for item in node.items]
    return {key: meaning(item) for key, item in node.entries.items()}


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Cn"]), min_size=1, max_size=40)
)
def test_a_text_reads_back_as_itself_in_every_context(text: str):
    scalar = Scalar(PLACE, text, is_plain=False)
    for line in (f"k: {flow_text(scalar)}", f"k: [{flow_text(scalar)}, x]", f"k: {{a: {flow_text(scalar)}}}"):
        found = meaning(read(line))
        assert isinstance(found, dict)
        assert found["k"] in (text, [text, "x"], {"a": text})


@pytest.mark.parametrize(
    "text", ["00678", "678", "1e3", "0x10", "yes", "No", "null", "~", "true", "2026-11-22", "1_000", ".5", ".inf"]
)
def test_text_that_would_be_read_as_something_else_is_quoted(text: str):
    assert flow_text(Scalar(PLACE, text, is_plain=False)) == f'"{text}"'


@pytest.mark.parametrize(
    "text", ["3", "24h", "8GiB", "10%", "true", "hanoi", "file:secrets/x", "db1.example", "/srv/x"]
)
def test_plain_values_stay_plain(text: str):
    assert flow_text(Scalar(PLACE, text)) == text


def test_maps_merge_key_by_key_and_keep_the_place_of_each_value():
    below, above = read("a: {x: 1, y: 2}\nb: [1]\nc: 1\n"), read("\n\na: {y: 3}\nb: [2]\nc: {z: 1}\n")
    found = merged(below, above)
    assert meaning(found) == {"a": {"x": "1", "y": "3"}, "b": ["2"], "c": {"z": "1"}}
    inner = found.entries["a"]
    assert isinstance(inner, Section)
    assert (inner.entries["x"].place.line, inner.entries["y"].place.line) == (1, 3)


def test_built_in_values_have_no_place():
    node = built_in({"a": ("x", "y"), "b": {}})
    assert meaning(node) == {"a": ["x", "y"], "b": {}}
    assert node.place.line == 0
