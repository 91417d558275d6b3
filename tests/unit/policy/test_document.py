import unicodedata
from dataclasses import replace

import pytest

from drorch.errors import PolicyInvalid, PolicyUnknown, StateSecretRefused
from drorch.policy.document import PolicyText, read_yaml
from drorch.policy.model import (
    CommandSource,
    Discovery,
    FilesSource,
    Group,
    Hooks,
    Keep,
    MariadbSource,
    Objectives,
    PostgresqlSource,
    Retention,
    SqliteSource,
    UnitReference,
)
from drorch.policy.problems import Problems, render_problems
from drorch.policy.secret import SecretPlace, SecretReference
from drorch.policy.window import Window
from tests.support.policies import DEFAULTS, POSTGRESQL, load, policy_of, told


def with_lines(*lines: str) -> str:
    return POSTGRESQL + "".join(line + "\n" for line in lines)


def replaced(old: str, new: str) -> str:
    assert old in POSTGRESQL
    return POSTGRESQL.replace(old, new)


def test_eight_lines_and_defaults_make_a_policy():
    policy = policy_of(POSTGRESQL)
    assert policy.name == "land"
    assert policy.stores == ("hanoi", "dalat")
    assert policy.objectives == Objectives(rpo_seconds=86_400, rto_seconds=28_800)
    assert policy.retention == Retention(keep_daily=30, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER)
    assert (policy.security_level, policy.owner) == (3, UnitReference("UBND tỉnh Lâm Đồng"))
    assert str(policy.schedule) == "30 1 * * *"
    assert policy.schedule.zone.key == "Asia/Ho_Chi_Minh"
    source = policy.source
    assert isinstance(source, PostgresqlSource)
    assert (source.host, source.database, source.user) == ("db1.example", "land", "drorch_backup")
    assert source.password == SecretReference(SecretPlace.FILE, "secrets/land")
    assert (source.tls, source.jobs, source.rows_digest, source.roles) == ("verify-full", 2, "always", "without")
    assert (source.max_snapshot_age_seconds, source.max_lag_seconds, source.lock_timeout_seconds) == (28_800, 900, 30)
    assert source.split_size_bytes == 8 * 2**30
    assert [promise.address for promise in policy.sources()] == ["land"]


def test_every_key_that_people_change_is_read():
    policy = policy_of(
        with_lines(
            "description: Land register",
            'window: "22:00-05:30"',
            "spread: 4h",
            "group: {name: pair, max_skew: 2m}",
            "hooks: {before: [freeze], after: [thaw, now], timeout: 1m}",
            "objectives: {rto: 4h}",
            "retention: btnmt-17-2014",
            "stores: [dalat]",
            "security_level: 4",
            "classification: personal",
            'owner: "gso2024:068"',
            'custodian: "nso2025:68"',
            'successors: ["nso2025:68", phường Xuân Hương]',
            'legal_basis: ["Thông tư 17/2014/TT-BTNMT, Điều 13.1(b)"]',
            "probes: {newest: select max(updated) from parcel}",
            "drill: {at_least: 90d}",
            "notify: [duty-team, head-of-office]",
            "was: old-land",
        )
    )
    assert policy.window == Window(start_minute=22 * 60, end_minute=5 * 60 + 30)
    assert policy.group == Group(name="pair", max_skew_seconds=120)
    assert policy.hooks == Hooks(before=("freeze",), after=("thaw", "now"), timeout_seconds=60)
    assert policy.objectives == Objectives(rpo_seconds=86_400, rto_seconds=14_400)
    assert policy.retention == Retention(
        keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER, preset="btnmt-17-2014"
    )
    assert (policy.stores, policy.security_level, policy.classification) == (("dalat",), 4, "personal")
    assert (policy.owner.scheme, policy.owner.code) == ("gso2024", "068")
    assert [(unit.scheme, unit.code) for unit in policy.successors] == [("nso2025", "68"), (None, None)]
    assert policy.probes == {"newest": "select max(updated) from parcel"}
    assert policy.drill_at_least_seconds == 90 * 86_400
    assert (policy.spread_seconds, policy.notify, policy.was) == (
        4 * 3_600,
        ("duty-team", "head-of-office"),
        "old-land",
    )


@pytest.mark.parametrize(
    ("source", "kind", "values"),
    [
        (
            "{mariadb: {host: db3.example, database: hotich, user: u, password: env:HOTICH}}",
            MariadbSource,
            {"database": "hotich", "password": SecretReference(SecretPlace.ENVIRONMENT, "HOTICH")},
        ),
        ("{sqlite: {file: /var/lib/x.db}}", SqliteSource, {"file": "/var/lib/x.db", "lock_timeout_seconds": 30}),
        ("{files: {paths: [/srv/a, /srv/b]}}", FilesSource, {"paths": ("/srv/a", "/srv/b"), "one_file_system": True}),
        ("{files: {paths: [/srv/a], one_file_system: false}}", FilesSource, {"one_file_system": False}),
        (
            '{command: {capture: [gbak, -b, "host:/data/acc.fdb", stdout], restore: [gbak, -c, stdin, "{target}"], minimum_size: 1MB}}',
            CommandSource,
            {
                "capture": ("gbak", "-b", "host:/data/acc.fdb", "stdout"),
                "restore": ("gbak", "-c", "stdin", "{target}"),
                "minimum_size_bytes": 10**6,
                "environment": {},
            },
        ),
        (
            "{postgresql: {host: h, databases: {match: [a*], except: [ab], expect: 3}}}",
            PostgresqlSource,
            {"database": None, "databases": Discovery(match=("a*",), exclude=("ab",), expect=3)},
        ),
        ("{postgresql: {service: land}}", PostgresqlSource, {"service": "land", "database": None}),
    ],
)
def test_each_engine_is_read(source: str, kind: type, values: dict[str, object]):
    found = policy_of(f'name: x\nsource: {source}\nschedule: "0 1 * * *"\n').source
    assert isinstance(found, kind)
    assert {key: getattr(found, key) for key in values} == values


def test_maps_merge_key_by_key_and_lists_replace():
    policy = policy_of(with_lines("retention: {keep_daily: 7}", "stores: [hanoi]"))
    assert policy.retention == Retention(keep_daily=7, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER)
    assert policy.stores == ("hanoi",)


# Each row: a text, and every problem that it has, as line:column message.
CASES = {
    "unknown key, with the nearest": (
        replaced("    database: land", "    databse: land"),
        ["5:5 unknown key `databse`; did you mean `database`?"],
    ),
    "key of an engine at the top": (
        with_lines("database: land"),
        ["9:1 unknown key `database` here; it belongs in `source:`, below the engine (`postgresql:`)"],
    ),
    "key of objectives at the top": (
        with_lines("rpo: 24h"),
        ["9:1 unknown key `rpo` here; it belongs in `objectives:`"],
    ),
    "secret in the file": (
        replaced("file:secrets/land", "hunter2"),
        ["7:15 a secret stands in the file; write it as `password: file:secrets/NAME` or `env:NAME`"],
    ),
    "secret behind an unknown prefix": (
        replaced("file:secrets/land", "vault:x"),
        ["7:15 a secret stands in the file; write it as `password: file:secrets/NAME` or `env:NAME`"],
    ),
    "password in a URL": (
        replaced("db1.example", "postgresql://u:pw@db1.example/x"),
        [
            (
                "4:11 a password stands in the URL; take it out and name it by `file:secrets/NAME`, `env:NAME` or "
                "`credential:NAME`"
            )
        ],
    ),
    "schedule that never comes": (
        replaced('"30 1 * * *"', '"0 1 31 2 *"'),
        ["8:11 `0 1 31 2 *` never comes: February has no day 31"],
    ),
    "schedule that is none": (
        replaced('"30 1 * * *"', "daily"),
        ["8:11 `daily` is not a schedule: cron has five fields (minute hour day month weekday), this has 1"],
    ),
    "code read as a number": (
        with_lines("owner: 00678"),
        ['9:8 code 00678 was read as a number and lost its zeros; write "00678"'],
    ),
    "number for text": (with_lines("owner: 678"), ['9:8 number 678 stands where text belongs; write "678"']),
    "yes for text": (
        with_lines("owner: no"),
        ['9:8 `no` is read as yes or no by many programs; write "no"'],
    ),
    "yes for a boolean": (
        'name: x\nsource: {files: {paths: [/a], one_file_system: yes}}\nschedule: "0 1 * * *"\n',
        ["2:48 `yes` is neither `true` nor `false`"],
    ),
    "name": (replaced("name: land", "name: Land_1"), ["1:7 `Land_1` is not a name; names are made of `a-z 0-9 -`"]),
    "duration": (
        with_lines("spread: 4 hours"),
        ["9:9 `4 hours` is not a duration; write a number and one of s m h d w, such as 24h"],
    ),
    "duration out of bounds": (with_lines("spread: 30d"), ["9:9 `spread` is 30d; it must lie between 1m and 7d"]),
    "size": (
        replaced("    user:", "    split_size: 8\n    user:"),
        ["6:17 `8` is not a size; write a number and a unit, such as 20GB or 8GiB"],
    ),
    "choice": (
        replaced("    user:", "    tls: verify-ful\n    user:"),
        ["6:10 `tls` is `verify-ful`; it must be one of `verify-full`, `require`, `none`"],
    ),
    "number out of bounds": (
        with_lines("security_level: 6"),
        ["9:17 `security_level` is 6; it must lie between 1 and 5"],
    ),
    "number in quotes": (
        with_lines('security_level: "3"'),
        ["9:17 `security_level` is a number; write 3 without quotes"],
    ),
    "missing": (
        "name: x\nsource: {sqlite: {}}\n",
        ["1:1 `schedule` is missing", "2:18 `file` is missing"],
    ),
    "engine unknown": (
        'name: x\nsource: {postgres: {host: h}}\nschedule: "0 1 * * *"\n',
        ["2:10 unknown engine `postgres`; did you mean `postgresql`?"],
    ),
    "two engines": (
        'name: x\nsource: {sqlite: {file: /x}, files: {paths: [/x]}}\nschedule: "0 1 * * *"\n',
        ["2:9 `source` needs exactly one engine: postgresql, mariadb, sqlite, files, command"],
    ),
    "engine without a map": (
        'name: x\nsource: sqlite\nschedule: "0 1 * * *"\n',
        [
            "2:9 `source` is a map with one engine: postgresql, mariadb, sqlite, files, command; write `sqlite:` below it"
        ],
    ),
    "database and databases": (
        replaced("    user:", "    databases: {match: [a]}\n    user:"),
        ["6:5 `database` and `databases` exclude each other"],
    ),
    "relative file": (
        'name: x\nsource: {sqlite: {file: x.db}}\nschedule: "0 1 * * *"\n',
        ["2:25 `x.db` is not an absolute path: it must start with `/`"],
    ),
    "list where one value stands": (with_lines("stores: hanoi"), ["9:9 `stores` is a list; write `stores: [hanoi]`"]),
    "value where a list stands": (with_lines("owner: [a]"), ["9:8 `owner` is one value, not a list"]),
    "map where one value stands": (with_lines("owner: {a: b}"), ["9:8 `owner` is one value, not a map"]),
    "column without quotes": (
        replaced("host: db1.example", "host: {host}"),
        ['4:11 `{host}` needs quotes here: "{host}"'],
    ),
    "twice in a list": (with_lines("stores: [hanoi, hanoi]"), ["9:17 `hanoi` stands twice in `stores`"]),
    "unknown store": (with_lines("stores: [hanoii]"), ["9:10 unknown store `hanoii`; did you mean `hanoi`?"]),
    "unknown notification": (
        with_lines("notify: [boss]"),
        ["9:10 unknown notification `boss`; known are duty-team, head-of-office"],
    ),
    "unknown preset": (
        with_lines("retention: btnmt-17-2015"),
        ["9:12 unknown retention `btnmt-17-2015`; did you mean `btnmt-17-2014`?"],
    ),
    "keeps nothing": (
        "name: x\nsource: {sqlite: {file: /x}}\nschedule: once\nretention: {keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0}\n",
        ["4:12 `retention` keeps nothing; at least one of its numbers must be more than 0"],
    ),
    "window": (with_lines("window: 22-5"), ['9:9 `22-5` is not a window; write it as `"22:00-05:30"`']),
    "empty value": (with_lines("owner:"), ["9:1 `owner` is empty"]),
    "null value": (with_lines("owner: ~"), ["9:8 `owner` is empty"]),
    "column without a list": (
        with_lines('owner: "gso2024:{unit}"'),
        ["9:8 no column fills `{unit}`; a list is named by `for_each: NAME.csv`"],
    ),
    "password among arguments": (
        "name: x\nsource: {command: {capture: [isql, -password, masterkey], restore: [cat], minimum_size: 1MB}}\nschedule: once\n",
        ["2:47 a password does not belong in the arguments, where `ps` shows it; name it in `environment:`"],
    ),
    "target of a capture": (
        'name: x\nsource: {command: {capture: [a, "{target}"], restore: [b], minimum_size: 1MB}}\nschedule: once\n',
        ["2:20 `{target}` stands for the place of a restore; `capture` has none"],
    ),
    "key twice": (with_lines("name: other"), ["9:1 `name` stands twice; the first is in line 1"]),
    "anchor": (
        with_lines("owner: &a x"),
        ["9:8 anchors and aliases (`&`, `*`) are not used; write the value again or put it in quotes"],
    ),
    "tag": (with_lines("owner: !secret x"), ["9:8 tags (`!`) are not used; put the value in quotes"]),
    "directive": ("%YAML 1.1\n---\n" + POSTGRESQL, ["2:1 directives (`%`) are not used"]),
    "second document": (POSTGRESQL + "---\n" + POSTGRESQL, ["9:1 a second document starts here; one file holds one"]),
    "tabs, each of them": (
        POSTGRESQL.replace("    host", "\thost").replace("    user", "\tuser"),
        [
            "4:1 a tab stands where only spaces may; indent with spaces",
            "6:1 a tab stands where only spaces may; indent with spaces",
        ],
    ),
    "indentation": (
        replaced("    host", "     host"),
        ["5:5 the indentation does not fit the lines above"],
    ),
    "open quote": (replaced('"30 1 * * *"', '"30 1 * * *'), ["8:11 the quote that opens here is not closed"]),
    "open bracket": (
        with_lines("stores: [hanoi"),
        ["9:9 the bracket that opens here is not closed, or a comma is missing"],
    ),
    "colon in a value": (
        with_lines("owner: a: b"),
        ["9:9 a second `: ` stands in the line; put the value in quotes, or mend the indentation"],
    ),
    "percent": (with_lines("owner: %x"), ["9:8 a value may not start with this character; put the value in quotes"]),
    "empty file": ("# nothing\n", ["1:1 the file is empty"]),
    "no map": ("- a\n", ["1:1 the file is no map; write `key: value` lines"]),
    "control character": (with_lines('owner: "a\\0b"'), ["9:8 a character that does not print stands here: U+0000"]),
    "text that turns around": (
        with_lines('owner: "a\\u202Eb"'),
        ["9:8 a character that does not print stands here: U+202E"],
    ),
    "raw control character": (with_lines("owner: a\x07b"), ["9:9 a character that YAML does not allow: U+0007"]),
    "too long": (with_lines("owner: " + "x" * 301), ["9:8 `owner` has 301 characters; at most 300 are allowed"]),
    "far too long": (
        with_lines("owner: " + "x" * 20_001),
        ["9:8 the value has 20,001 characters; at most 20,000 are read"],
    ),
    "too deep": (
        with_lines("owner: " + "[" * 13 + "]" * 13),
        ["9:19 maps and lists are nested deeper than 12"],
    ),
    "several lines": (with_lines("owner: |", "  a", "  b"), ["9:8 `owner` is one line"]),
    "merge key": (with_lines("<<: {owner: x}"), ["9:1 unknown key `<<`"]),
    "list as a key": (with_lines("? [a]", ": b"), ["9:3 a key is one word, not a list or a map"]),
    "after itself": (with_lines("after: [land]"), ["9:9 `after` goes in a circle: land -> land"]),
    "after nobody": (with_lines("after: [lamd]"), ["9:9 unknown policy `lamd`; did you mean `land`?"]),
    "not a list file": (
        with_lines("for_each: ../x.csv"),
        [
            "9:11 `../x.csv` is not a CSV file beside the policy, such as `districts.csv`",
            "9:11 no list `../x.csv` beside the policy",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_problem_is_told_with_its_place(name: str):
    text, expected = CASES[name]
    loaded = load(text)
    assert told(loaded) == expected
    assert loaded.policies == ()


@pytest.mark.parametrize("name", CASES)
def test_no_problem_shows_a_secret_or_breaks_the_page(name: str):
    page = render_problems(load(CASES[name][0]).problems)
    assert "hunter2" not in page
    assert "masterkey" not in page
    assert all(len(line) <= 80 for line in page.splitlines())


TEN = """\
name: Land
source:
  postgresql:
    hots: db1.example
    database: 00678
    password: hunter2
    port: 70000
schedule: "0 1 31 2 *"
objectives: {rpo: a day, rto: 8h}
stores: [hanoi, saigon]
security_level: high
owner: yes
notify: []
"""


def test_ten_errors_are_ten_problems():
    loaded = load(TEN)
    assert [problem.line for problem in loaded.problems] == [1, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert loaded.summary() == "10 problems in 1 of 2 files"


def test_the_page_of_the_reference_transcript():
    land = (
        "name: land\nsource:\n  postgresql:\n    host: db1.example\n    databse: land\n    user: drorch_backup\n"
        '    password: hunter2\n\nschedule: "0 1 31 2 *"\n'
    )
    scans = 'name: scans\nsource:\n  files: {paths: [/srv/scans]}\nowner: 00678\nschedule: "0 3 * * *"\n'
    loaded = load(land, scans)
    names = {"a.yaml": "policies/land.yaml", "b.yaml": "policies/scans.yaml"}
    renamed = [replace(problem, file=names[problem.file]) for problem in loaded.problems]
    assert (
        render_problems(renamed)
        == """\
policies/land.yaml:5:5   unknown key `databse`; did you mean `database`?
policies/land.yaml:7:15  a secret stands in the file; write it as
                         `password: file:secrets/NAME` or `env:NAME`
policies/land.yaml:9:11  `0 1 31 2 *` never comes: February has no day 31
policies/scans.yaml:4:8  code 00678 was read as a number and lost its zeros;
                         write "00678\""""
    )


STATE_SECRETS = [
    "mat",
    "mật",
    "Mật",
    "MẬT",
    "toi_mat",
    "tối mật",
    "Tối-Mật",
    "tuyet_mat",
    "tuyệt mật",
    "TUYỆT MẬT",
    "độ mật",
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("word", STATE_SECRETS)
def test_state_secrets_are_refused_however_they_are_spelled(word: str, form: str):
    text = with_lines(f'classification: "{unicodedata.normalize(form, word)}"')  # type: ignore[arg-type]
    loaded = load(text)
    assert [problem.is_state_secret for problem in loaded.problems] == [True]
    with pytest.raises(StateSecretRefused) as caught:
        loaded.require()
    assert "Cơ yếu" in caught.value.hint


def test_a_state_secret_in_the_defaults_or_in_a_list_is_refused_too():
    assert load(POSTGRESQL, defaults=DEFAULTS + "classification: mat\n").problems[0].is_state_secret
    assert load(with_lines("classification: [personal, tuyệt mật]")).problems[0].is_state_secret


@pytest.mark.parametrize("word", ["public", "internal", "personal", "sensitive_personal"])
def test_what_is_no_state_secret_is_accepted(word: str):
    assert policy_of(with_lines(f"classification: {word}")).classification == word


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            POSTGRESQL.encode() + b"owner: L\xe2m\n",
            "9:9 byte e2 is not UTF-8; save the file as UTF-8 (not TCVN3, VNI or Windows-1258)",
        ),
        (POSTGRESQL.encode("utf-16"), "1:1 the file is UTF-16; save it as UTF-8"),
        (
            b"\xff" + POSTGRESQL.encode(),
            "1:1 byte ff is not UTF-8; save the file as UTF-8 (not TCVN3, VNI or Windows-1258)",
        ),
        (b" " * (4 * 2**20 + 1), "1:1 the file has 4,194,305 bytes; at most 4,194,304 are read"),
    ],
)
def test_bytes_that_are_no_utf8_text(content: bytes, message: str):
    assert told(load(content)) == [message]


def test_a_byte_order_mark_and_carriage_returns_do_no_harm():
    assert load(b"\xef\xbb\xbf" + POSTGRESQL.replace("\n", "\r\n").encode()).problems == ()


def test_names_are_composed_and_paths_are_left_as_they_are():
    decomposed = unicodedata.normalize("NFD", "Lâm Đồng")
    policy = policy_of(with_lines(f"owner: {decomposed}"))
    assert policy.owner.text == "Lâm Đồng" != decomposed
    source = policy_of(f"name: x\nsource: {{files: {{paths: [/srv/{decomposed}]}}}}\nschedule: once\n").source
    assert isinstance(source, FilesSource)
    assert source.paths == (f"/srv/{decomposed}",)


def test_a_problem_of_the_defaults_is_told_once_at_its_place():
    loaded = load(
        POSTGRESQL,
        POSTGRESQL.replace("name: land", "name: sea"),
        defaults="stores: [mars]\nobjectives: {rpo: x, rto: 1h}\n",
    )
    found = [(problem.file, problem.line, problem.message.split(";")[0]) for problem in loaded.problems]
    assert found.count(("drorch.yaml", 1, "unknown store `mars`")) == 1
    assert found.count(("drorch.yaml", 2, "`x` is not a duration")) == 1
    assert loaded.policies == ()


def test_an_unknown_store_of_the_defaults_keeps_every_policy_back_that_inherits_it():
    loaded = load(
        POSTGRESQL,
        POSTGRESQL.replace("name: land", "name: sea") + "stores: [hanoi]\n",
        defaults=DEFAULTS.replace("dalat", "mars"),
    )
    assert [(problem.file, problem.line) for problem in loaded.problems] == [("drorch.yaml", 1)]
    assert [policy.name for policy in loaded.policies] == ["sea"]


def test_what_belongs_to_one_policy_does_not_stand_in_the_defaults():
    assert told(load(defaults="name: x\nschedule: once\n")) == ["1:1 unknown key `name`", "2:1 unknown key `schedule`"]


def test_a_missing_value_says_where_it_may_be_written():
    assert (
        told(load(POSTGRESQL, defaults="{}"))[0]
        == "1:1 `objectives` is missing; write it here or below `defaults:` in drorch.yaml"
    )


def test_names_are_unique_over_all_files():
    loaded = load(POSTGRESQL, POSTGRESQL)
    assert told(loaded) == ["1:7 another policy is called `land`: a.yaml:1"]
    assert [policy.file for policy in loaded.policies] == ["a.yaml"]


def test_a_circle_of_three_is_told_once():
    texts = [
        POSTGRESQL.replace("name: land", f"name: {name}") + f"after: [{after}]\n"
        for name, after in (("a", "b"), ("b", "c"), ("c", "a"))
    ]
    assert told(load(*texts)) == ["9:9 `after` goes in a circle: a -> b -> c -> a"]


def test_a_good_policy_is_loaded_beside_a_bad_one_but_require_refuses():
    loaded = load(POSTGRESQL, "name: x\n")
    assert [policy.name for policy in loaded.policies] == ["land"]
    with pytest.raises(PolicyInvalid, match="2 problems in 1 of 3 files") as caught:
        loaded.require()
    assert "b.yaml:1:1" in caught.value.found


def test_find_knows_policies_and_their_sources():
    loaded = load(POSTGRESQL)
    assert loaded.find("land")[1][0].address == "land"
    with pytest.raises(PolicyUnknown, match="did you mean `land`"):
        loaded.find("lande")
    with pytest.raises(PolicyUnknown, match="no source `land/x`"):
        loaded.find("land/x")


def test_a_syntax_error_never_repeats_what_may_be_a_secret():
    for text in (
        "password: !hunter2!x y",
        "password: %hunter2",
        "password: *hunter2",
        'password: "hunter2',
        "? password hunter2: a: b",
    ):
        problems = Problems()
        assert read_yaml("x.yaml", text.encode(), problems) is None or text.startswith("?")
        assert "hunter2" not in render_problems(problems.sorted())


def test_policy_text_counts_lists_among_the_files():
    loaded = load(with_lines("for_each: d.csv"), lists={"d.csv": "id\na\n", "other.csv": ""})
    assert loaded.file_count == 3  # the policy, its list and drorch.yaml
    assert PolicyText(file="a", content=b"").file == "a"


def test_a_list_that_is_missing_hides_no_other_problem():
    text = POSTGRESQL.replace("db1.example", '"{host}"').replace("user:", "usr:") + "for_each: nope.csv\n"
    messages = " ".join(told(load(text)))
    assert "no list `nope.csv`" in messages
    assert "unknown key `usr`" in messages
    assert "{host}" not in messages
