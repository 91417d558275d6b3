"""Whatever lies in a policy file: problems or a policy, never another exception, and never the secret on the page."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drorch.policy.document import PolicyText, load_policies, read_yaml
from drorch.policy.explain import explain, merged_yaml
from drorch.policy.installation_fields import INSTALLATION
from drorch.policy.kinds import INVALID
from drorch.policy.problems import Problems, render_problems
from tests.support.manual_clock import START
from tests.support.policies import DEFAULTS, FACTS, POSTGRESQL, defaults_of, load

WORDS = [
    "name", "source", "schedule", "postgresql", "sqlite", "files", "command", "capture", "paths", "host", "port",
    "password", "stores", "objectives", "rpo", "retention", "keep_daily", "owner", "after", "group", "hooks", "probes",
    "for_each", "databases", "match", "classification", "drill", "was", "window", "24h", "20GB", "file:secrets/x",
    "env:X", "once", "every 6h", "30 1 * * *", "forever", "hanoi", "3", "00678", "yes", "no", "~", "null", "{host}",
    "x", "", "mật", "d.csv", "1e999", "-1", "[", "]", "{", "}", ":", "- ", "&a", "*a", "!t", "|", ">", "'", '"', "#",
    "%YAML 1.1", "---", "...", "\t", "\n", "\n  ", "\n    ", ": ", ", ", "? ", "<<", "\\u0000", "\\ud800", "\\x", "\x00",
    "\u202e", "\ufeff", "\x85", "\u2028", "𐀀",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(WORDS), max_size=60).map("".join)
LEAF = st.one_of(st.sampled_from(WORDS), st.integers(), st.booleans(), st.none(), st.text(max_size=20))


def flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return (
        "~"
        if value is None
        else str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if value in WORDS
        else repr(value)
    )


TREES = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS[:34]), inner, max_size=6)
    ),
    max_leaves=25,
).map(flow)


def check(content: bytes, listing: bytes = b"id,host\na,b\n") -> None:
    lists = {"d.csv": PolicyText(file="d.csv", content=listing)}
    loaded = load_policies([PolicyText(file="x.yaml", content=content)], defaults_of(DEFAULTS), FACTS, lists)
    assert bool(loaded.policies) != bool(loaded.problems)
    page = render_problems(loaded.problems)
    page.encode()
    assert all(problem.line >= 1 and problem.column >= 1 for problem in loaded.problems)
    for policy in loaded.policies:
        explain(policy, now=START).encode()
        merged_yaml(policy).encode()


@given(st.one_of(SOUP, TREES, st.text(max_size=300)))
@example('{? "\\ud800" : x}')
@example('a: "\\UFFFFFFFF"')
@example("%YAML 9999999999999999999999.1\n---\na: b\n")
@example("!<tag:yaml.org,2002:int> x")
def test_any_text(text: str):
    check(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes):
    check(content)


@given(st.integers(0, len(POSTGRESQL) - 1), st.integers(0, len(POSTGRESQL)), st.one_of(SOUP, TREES))
def test_any_damage_to_a_good_policy(start: int, end: int, put: str):
    check((POSTGRESQL[:start] + put + POSTGRESQL[max(start, end) :]).encode("utf-8", "surrogatepass"))


@given(
    st.sampled_from(
        ["classification", "owner", "probes", "retention", "group", "hooks", "objectives", "source", "after", "drill"]
    ),
    TREES,
)
def test_any_value_of_a_key(key: str, value: str):
    check(f"{POSTGRESQL}{key}: {value}\n".replace("source:\n", "old:\n" if key == "source" else "source:\n").encode())


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='id,host;\t\n\r"x{}é\x00', max_size=200).map(str.encode)))
def test_any_list(listing: bytes):
    text = POSTGRESQL.replace("db1.example", '"{host}"') + "for_each: d.csv\n"
    check(text.encode(), listing)


@settings(max_examples=60)
@given(st.one_of(SOUP, TREES))
def test_any_settings(text: str):
    problems = Problems()
    section = read_yaml("drorch.yaml", ("version: 1\n" + text).encode("utf-8", "surrogatepass"), problems)
    installation = INVALID if section is None else INSTALLATION.read(section, "drorch.yaml", problems)
    assert (installation is INVALID) == (problems.told > 0)
    render_problems(problems.sorted()).encode()


CANARY = "s3cr3t-canary"


@given(
    st.sampled_from(
        [
            "{}",
            '"{}',
            "'{}'",
            '"{}"',
            "[{}]",
            "{{{}}}",
            "{{{}: x}}",
            "!{}",
            "&{} x",
            "*{}",
            "%{}",
            "@{}",
            "{}: x",
            "|\n  {}",
            "? {}",
        ]
    )
)
def test_what_stands_for_a_password_is_never_shown(shape: str):
    loaded = load(POSTGRESQL.replace("file:secrets/land", shape.format(CANARY)))
    assert loaded.problems
    assert CANARY not in render_problems(loaded.problems)
