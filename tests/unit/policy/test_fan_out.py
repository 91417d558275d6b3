import pytest

from drorch.policy.model import PostgresqlSource
from tests.support.policies import load, policy_of, told

REMOTE = """\
name: remote
for_each: districts.csv
source:
  postgresql:
    host: "{host}"
    port: "{port}"
    database: land
    password: "file:secrets/{id}"
owner: "gso2024:{unit}"
successors: ["nso2025:{unit}"]
schedule: "0 22 * * *"
"""
LIST = "id,host,port,unit\nd678,10.66.1.9,5432,678\nd004,10.66.2.9,5433,00004\n"


def load_list(content: str | bytes, text: str = REMOTE):
    return load(text, lists={"districts.csv": content})


def test_each_line_is_a_source_with_its_columns_filled_in():
    policy = policy_of(REMOTE, lists={"districts.csv": LIST})
    first, second = policy.sources()
    assert [first.address, second.address] == ["remote/d678", "remote/d004"]
    assert isinstance(second.source, PostgresqlSource)
    assert (second.source.host, second.source.port, str(second.source.password)) == (
        "10.66.2.9",
        5433,
        "file:secrets/d004",
    )
    assert (second.owner.text, second.successors[0].code) == ("gso2024:00004", "00004")
    assert policy.source == first.source
    assert policy.for_each == "districts.csv"


@pytest.mark.parametrize(
    "content",
    [
        LIST.replace(",", ";"),
        LIST.replace(",", "\t"),
        "\ufeff" + LIST.replace("\n", "\r\n"),
        LIST + "\n  ,,,\n",
        LIST.replace("d678,10.66.1.9", '"d678" ,"10.66.1.9"').replace(" ,", ","),
    ],
    ids=["semicolons", "tabs", "mark and carriage returns", "blank lines", "quotes"],
)
def test_lists_as_spreadsheets_write_them(content: str):
    loaded = load_list(content)
    assert told(loaded) == []
    assert [promise.address for promise in loaded.policies[0].sources()] == ["remote/d678", "remote/d004"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["1:1 the list is empty; its first line names the columns: `id,host,...`"]),
        ("id,host,port,unit\n", ["1:1 the list has no usable line below its header"]),
        (
            "Id,host,port,unit\na,b,1,c\n",
            [
                "1:1 column 1 is called `Id`; names of columns are made of `a-z 0-9 _`",
                "1:1 the list has no column `id`",
            ],
        ),
        ("id,host,host,port\na,b,c,1\n", ["1:1 two columns are called `host`"]),
        ("id,target\na,b\n", ["1:1 no column may be called `target`: `{target}` is where a restore goes"]),
        (LIST + "d1,h\n", ["4:1 the line has 2 cells, its header 4"]),
        (LIST + "d678,h,1,2\n", ["4:1 id `d678` stands in line 2 already"]),
        (LIST + "Đ1,h,1,2\n", ["4:1 `Đ1` is not a source's name; these are made of `a-z 0-9 - _ .`"]),
        (LIST + "d1,h,70000,2\n", ["4:1 `port` is 70000; it must lie between 1 and 65535 (a.yaml:6:11)"]),
        (LIST + "d1,,1,2\n", ["4:1 `host` is empty; its column is empty in the list (a.yaml:5:11)"]),
        (LIST + 'd1,"h,1,2\n', ["4:1 not CSV: unexpected end of data"]),
        (
            LIST.encode() + b"d1,\xe2,1,2\n",
            ["4:4 byte e2 is not UTF-8; save the file as UTF-8 (not TCVN3, VNI or Windows-1258)"],
        ),
        (LIST + "d1,h,1,\x1b[2J\n", ["4:8 a character that does not print stands here: U+001B"]),
        (LIST + "d1,h,1,\u202eabc\n", ["4:8 a character that does not print stands here: U+202E"]),
        (LIST.replace(",unit", ",unit_code"), ["9:8 no column fills `{unit}`", "10:14 no column fills `{unit}`"]),
    ],
)
def test_a_problem_of_the_list_is_told_at_its_line(content: str | bytes, expected: list[str]):
    loaded = load_list(content)
    found = [problem.replace("; did you mean `unit_code`?", "") for problem in told(loaded)]
    assert found == expected
    assert loaded.policies == ()


def test_what_is_wrong_with_every_line_is_told_once_at_the_policy():
    loaded = load_list(LIST, REMOTE.replace("database: land", "database: land\n    jobs: 0"))
    assert told(loaded) == ["8:11 `jobs` is 0; it must lie between 1 and 64"]


def test_other_problems_are_told_beside_those_of_an_unusable_list():
    loaded = load_list("", REMOTE.replace('"0 22 * * *"', "x"))
    assert [(problem.file, problem.line) for problem in loaded.problems] == [("a.yaml", 11), ("districts.csv", 1)]


def test_a_missing_list_is_told_with_the_nearest():
    loaded = load(REMOTE, lists={"district.csv": LIST})
    assert told(loaded) == ["2:11 no list `districts.csv` beside the policy; did you mean `district.csv`?"]


def test_a_password_in_a_cell_is_found():
    loaded = load_list(LIST.replace("10.66.1.9", "postgresql://u:pw@h/x"))
    assert told(loaded)[0].startswith("2:1 a password stands in the URL")
    assert "pw" not in told(loaded)[0].replace("password", "")


def test_the_braces_of_a_command_are_its_own():
    text = """\
name: x
for_each: d.csv
source:
  command: {capture: [awk, "{print}", "/srv/{id}"], restore: [load, "{target}"], minimum_size: 1MB}
schedule: once
"""
    policy = policy_of(text, lists={"d.csv": "id\na\n"})
    assert policy.source.capture == ("awk", "{print}", "/srv/a")  # type: ignore[union-attr]
    assert policy.source.restore == ("load", "{target}")  # type: ignore[union-attr]


def test_484_lines_are_read():
    lines = "".join(f"d{number:03d},10.0.0.1,5432,{number:05d}\n" for number in range(484))
    assert len(policy_of(REMOTE, lists={"districts.csv": "id,host,port,unit\n" + lines}).sources()) == 484
