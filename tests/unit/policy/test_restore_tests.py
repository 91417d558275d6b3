"""Restore tests: what they mean, and every problem of them at once; what lies in ``restore_tests/`` is part of the product."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from drorch.errors import PolicyInvalid, PolicyUnknown
from drorch.evidence.drill_checks import Check
from drorch.evidence.drill_report import Scenario as ReportedScenario
from drorch.policy.restore_tests.loading import LoadedTests
from drorch.policy.restore_tests.model import SKIPPABLE, Expected, Sample, Scenario, Stratum, plain_test
from drorch.policy.schema import restore_test_schema
from drorch.settings import load_policies, load_restore_tests, load_settings
from tests.support.restore_tests import load_tests, restore_test_of

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "restore_tests").glob("*.yaml"))
LEAST = "name: land\npolicy: land\n"


def told(loaded: LoadedTests) -> list[str]:
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in loaded.problems]


def test_two_lines_are_a_test_and_everything_else_has_a_default():
    test = restore_test_of(LEAST)
    assert (test.snapshot, test.store, test.sandbox, test.scenario) == (
        "latest",
        "rotate",
        "auto",
        Scenario.SINGLE_DATABASE,
    )
    assert (test.schedule, test.notify, test.timeout_seconds, test.objectives.rto_seconds) == (None, None, None, None)
    assert (test.queries, dict(test.skip), test.sample) == ((), {}, None)


def test_everything_that_can_be_written_is_read():
    test = restore_test_of(
        """\
name: district-sample
policy: districts
description: Năm huyện mỗi tuần
schedule: "0 5 * * 6"
snapshot: random
store: dalat
sandbox: drill-pg
queries:
  - name: Thửa đất
    sql: select count(*) from parcel
    expect: {at_least: 1000, at_most: 2000}
  - name: Chủ
    file: owner.sql
    expect_digest: sha256:"""
        + "ab" * 32
        + """
objectives: {rto: 2h}
people: {operator: operator1, verifier: verifier1}
notify: [duty-team]
timeout: 30m
skip: {files: the scans are drilled elsewhere}
sample: {count: 5, stratify: [last_drilled, size]}
""",
        files={"owner.sql": "select owner from parcel limit 1"},
    )
    assert [question.expected for question in test.queries] == [
        Expected(at_least=1000, at_most=2000),
        Expected(digest="ab" * 32),
    ]
    assert test.queries[1].sql == "select owner from parcel limit 1"
    assert test.sample == Sample(count=5, stratify=(Stratum.LAST_DRILLED, Stratum.SIZE))
    assert (test.objectives.rto_seconds, test.timeout_seconds) == (7200, 1800)
    assert dict(test.skip) == {"files": "the scans are drilled elsewhere"}


def test_the_text_that_is_digested_holds_the_questions_of_files_too():
    text = LEAST + "queries: [{name: x, file: x.sql, expect: 1}]\n"
    one, other = (restore_test_of(text, files={"x.sql": sql}).text for sql in ("select 1", "select 2"))
    assert one != other
    assert one.startswith(text)


def test_every_problem_of_every_file_at_once_with_its_place_and_the_nearest_word():
    loaded = load_tests(
        "name: land\npolicy: lnd\nstores: hanoi\nsample: {count: 0}\n",
        "name: Land\npolicy: land\nsore: hanoi\nskip: {contents: x}\npeople: {operator: operator1, verifier: operator1}\n",
        "name: land\npolicy: land\nstore: hanoy\nsandbox: drill\nnotify: [duty]\nqueries:\n  - {name: x, sql: select 1}\n"
        "  - {name: x, file: y.sql, expect: 1}\n",
    )
    assert told(loaded) == [
        "2:9 unknown policy `lnd`; did you mean `land`?",
        "3:1 unknown key `stores`; did you mean `store`?",
        "4:17 `count` is 0; it must lie between 1 and 10000",
        "1:7 `Land` is not a name; names are made of `a-z 0-9 -`",
        "3:1 unknown key `sore`; did you mean `store`?",
        "4:8 `skip` is `contents`; it must be one of " + ", ".join(f"`{word}`" for word in SKIPPABLE),
        "5:31 operator and verifier are one person; nobody verifies his own work",
        "1:7 another restore test is called `land`: a.yaml:1",
        "3:8 unknown store `hanoy`; did you mean `hanoi`?",
        "4:10 unknown sandbox `drill`; did you mean `drill-pg`?",
        "5:10 unknown notification `duty`; did you mean `duty-team`?",
        "7:5 a question has neither `expect` nor `expect_digest`",
        "8:12 another question is called so: line 7",
        "8:21 no file `y.sql` beside the test",
    ]
    with pytest.raises(PolicyInvalid, match="14 problems in 3 of 3 files"):
        loaded.require()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "scenario: whole_site",
            "`scenario` is `whole_site`, which a later version of drorch will know; it must be one of",
        ),
        ("scenario: one_table", "scenario `one_table` needs `tables: [SCHEMA.TABLE]`"),
        ("tables: [public.parcel]", "`tables` is for `scenario: one_table`; every other drill restores all of them"),
        ("sample: {count: 2}", "`sample` draws from many sources, and `land` is one"),
        ("queries: [{name: x, sql: select 1, expect: {at_least: 2, at_most: 1}}]", "`expect` is met by no number"),
        ("queries: [{name: x, sql: select 1, expect: {}}]", "`expect` says neither `at_least` nor `at_most`"),
        ("queries: [{name: x, sql: a, file: a.sql, expect: 1}]", "a question has both `sql` and `file`"),
        ("skip: {restore: too slow}", "`skip` is `restore`; it must be one of"),
        ("snapshot: newest one", "`newest one` is not `latest`, `random` or the id of a snapshot"),
        ("schedule: daily", "`daily` is not a schedule"),
    ],
)
def test_what_contradicts_itself_is_refused(line: str, message: str):
    found = [problem.message for problem in load_tests(LEAST + line + "\n").problems]
    assert [one for one in found if one.startswith(message)], found


@pytest.mark.parametrize(
    "lines", ["scenario: one_tabel\ntables: [public.parcel]\n", "people: {operator: Anh, verifier: ''}\n"]
)
def test_what_is_wrong_is_not_held_against_what_is_beside_it(lines: str):
    found = [problem.message for problem in load_tests(LEAST + lines).problems]
    assert not [one for one in found if "is for `scenario" in one or "are one person" in one], found


def test_a_policy_that_cannot_be_read_is_not_called_unknown():
    from dataclasses import replace

    from tests.support.restore_tests import FACTS

    facts = replace(FACTS, unreadable_policies=True)
    assert load_tests("name: x\npolicy: other\n", facts=facts).problems == ()


def test_a_test_is_found_by_its_name_or_the_nearest_is_named():
    loaded = load_tests(LEAST)
    assert loaded.find("land").policy == "land"
    with pytest.raises(PolicyUnknown, match="did you mean `land`"):
        loaded.find("lnd")


def test_the_words_are_those_of_the_report():
    assert {scenario.value for scenario in Scenario} == {scenario.value for scenario in ReportedScenario}
    assert set(SKIPPABLE) < {check.value for check in Check}
    assert {check.value for check in Check} - set(SKIPPABLE) == {"key", "restore", "chunks", "wiped"}


def test_a_source_without_a_test_has_a_plain_one():
    assert plain_test("land").name == "land"
    assert restore_test_of(plain_test("land").text).queries == ()


# -- what we ship


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> LoadedTests:
    directory = tmp_path_factory.mktemp("tests")
    for name in ("policies", "restore_tests"):
        shutil.copytree(ROOT / name, directory / name)
    for path in (directory, *directory.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)
    shutil.copy(ROOT / "policies/installation/every-key.yaml", directory / "drorch.yaml")
    (directory / "drorch.yaml").chmod(0o640)
    settings = load_settings(directory / "drorch.yaml", {})
    return load_restore_tests(settings, load_policies(settings))


def test_every_shipped_test_loads(shipped: LoadedTests):
    assert shipped.problems == ()
    assert len(shipped.tests) == len(SAMPLES)


def test_every_shipped_policy_has_a_test(shipped: LoadedTests):
    policies = {path.stem for path in (ROOT / "policies").glob("*.yaml")}
    assert {test.policy for test in shipped.tests} == policies


def test_every_scenario_is_shown_by_a_shipped_test(shipped: LoadedTests):
    assert {test.scenario for test in shipped.tests} == set(Scenario)


def plain(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_shipped_test_fits_the_schema_and_is_called_as_its_file(path: Path):
    assert [error.message for error in Draft202012Validator(restore_test_schema()).iter_errors(plain(path))] == []
    assert plain(path)["name"] == path.stem


@pytest.mark.parametrize(
    "change",
    [{"sorce": 1}, {"skip": {"restore": "x"}}, {"queries": [{"sql": "x"}]}, {"scenario": "fire"}, {"store": "A B"}],
    ids=json.dumps,
)
def test_the_schema_and_the_reader_refuse_alike(change: Mapping[str, Any]):
    document = {"name": "land", "policy": "land", **change}
    assert list(Draft202012Validator(restore_test_schema()).iter_errors(document)) != []
    assert load_tests(json.dumps(document)).problems != ()
