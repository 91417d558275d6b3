"""The field table of a restore test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drorch.policy.fields import Field, ListOf, MapOf, ScalarOr, Table
from drorch.policy.kinds import INVALID, Choice, Integer, Text
from drorch.policy.name_kinds import address_kind, name_kind
from drorch.policy.nodes import Section
from drorch.policy.parsed_kinds import ScheduleKind, duration
from drorch.policy.problems import Problems
from drorch.policy.restore_tests.model import (
    LATER_SCENARIOS,
    SKIPPABLE,
    Expected,
    OwnObjectives,
    People,
    Sample,
    Scenario,
    Stratum,
)

_LARGEST = 10**18 - 1
_sql = Text(longest=20_000, lines=True, exact=True)
_person = Text(longest=63, pattern=r"[a-z0-9][a-z0-9-]*", meaning="the name of a person in `people:` of drorch.yaml")
_number = Integer(low=0, high=_LARGEST)


def _check_bounds(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    low, high = values["at_least"], values["at_most"]
    if low is None and high is None:
        problems.add(node.place, "`expect` says neither `at_least` nor `at_most`")
    elif isinstance(low, int) and isinstance(high, int) and low > high:
        problems.add(node.place, f"`expect` is met by no number: at least {low} and at most {high}")


EXPECT = ScalarOr(
    scalar=_number,
    wrap=lambda number: Expected(exactly=number),
    table=Table(
        build=Expected,
        check=_check_bounds,
        fields=(
            Field(key="at_least", kind=_number, summary="The answer is not less"),
            Field(key="at_most", kind=_number, summary="The answer is not more"),
        ),
    ),
)


def _check_question(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    for one, other in (("sql", "file"), ("expect", "expect_digest")):
        if (values[one] is None) == (values[other] is None):
            word = "neither" if values[one] is None else "both"
            problems.add(node.place, f"a question has {word} `{one}` {'nor' if word == 'neither' else 'and'} `{other}`")


QUESTION = Table(
    build=dict,
    check=_check_question,
    fields=(
        Field(key="name", kind=Text(longest=200), summary="What the question is, for people", required=True),
        Field(key="sql", kind=_sql, summary="A SELECT that yields one value"),
        Field(
            key="file",
            kind=Text(
                longest=200,
                exact=True,
                pattern=r"[^/\x00]+\.sql",
                meaning="a file beside the test, such as `parcels.sql`",
            ),
            summary="A file with that SELECT, beside the test",
        ),
        Field(key="expect", kind=EXPECT, summary="The answer: a number, or {at_least, at_most}"),
        Field(
            key="expect_digest",
            kind=Text(
                longest=71,
                pattern=r"sha256:[0-9a-f]{64}",
                meaning="a digest; write `sha256:` and 64 hexadecimal digits",
            ),
            summary="SHA-256 of the answer's text (UTF-8, NFC), where the answer is personal data",
        ),
    ),
)

OBJECTIVES = Table(
    build=OwnObjectives,
    fields=(
        Field(
            key="rpo", attribute="rpo_seconds", kind=duration("1m", "3660d"), summary="At most so much work may be lost"
        ),
        Field(
            key="rto",
            attribute="rto_seconds",
            kind=duration("1m", "3660d"),
            summary="Usable again after at most so long",
        ),
    ),
)


def _check_people(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    if isinstance(values["operator"], str) and values["operator"] == values["verifier"]:
        problems.add(node.at("verifier"), "operator and verifier are one person; nobody verifies his own work")


PEOPLE = Table(
    build=People,
    check=_check_people,
    fields=(
        Field(key="operator", kind=_person, summary="Who drills"),
        Field(key="verifier", kind=_person, summary="Who verifies; another person"),
        Field(key="observers", kind=ListOf(item=_person), summary="Who watches", default=()),
    ),
)

SAMPLE = Table(
    build=lambda count, stratify: Sample(count=count, stratify=tuple(map(Stratum, stratify))),
    fields=(
        Field(key="count", kind=Integer(low=1, high=10_000), summary="So many sources of the policy", required=True),
        Field(
            key="stratify",
            kind=ListOf(item=Choice(options=tuple(stratum.value for stratum in Stratum))),
            summary="Spread by these",
            default=(),
        ),
    ),
)


def _check_test(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    is_one_table = values["scenario"] == Scenario.ONE_TABLE.value
    if is_one_table and values["tables"] == ():
        problems.add(node.at("scenario"), "scenario `one_table` needs `tables: [SCHEMA.TABLE]`")
    if values["tables"] and not is_one_table and values["scenario"] is not INVALID:
        problems.add(node.at("tables"), "`tables` is for `scenario: one_table`; every other drill restores all of them")


RESTORE_TEST = Table(
    build=dict,
    check=_check_test,
    fields=(
        Field(key="name", kind=name_kind, summary="Unique name; what people type", required=True),
        Field(
            key="policy",
            kind=address_kind,
            summary="What is restored: POLICY, or POLICY/NAME for one of many",
            required=True,
        ),
        Field(key="description", kind=Text(longest=2_000, lines=True), summary="One sentence for people", absent=""),
        Field(key="schedule", kind=ScheduleKind(), summary="When: five-field cron, or every 90d"),
        Field(
            key="snapshot",
            kind=Text(
                longest=63,
                pattern=r"latest|random|[0-9a-z]{4,26}",
                meaning="`latest`, `random` or the id of a snapshot",
            ),
            summary="Which: latest, random (by a seed that is committed before), or an id",
            default="latest",
        ),
        Field(
            key="store",
            kind=name_kind,
            summary="From which store: rotate (each in turn), or its name",
            default="rotate",
        ),
        Field(
            key="sandbox",
            kind=name_kind,
            summary="Where to: auto (a throw-away server or directory), or a name in `sandboxes:`",
            default="auto",
        ),
        Field(
            key="scenario",
            kind=Choice(options=tuple(scenario.value for scenario in Scenario), later=LATER_SCENARIOS),
            summary="What is taken to have happened",
            default=Scenario.SINGLE_DATABASE.value,
        ),
        Field(
            key="tables",
            kind=ListOf(item=Text(longest=200, exact=True)),
            summary="With scenario one_table: SCHEMA.TABLE",
            default=(),
        ),
        Field(
            key="queries", kind=ListOf(item=QUESTION, unique=False), summary="Questions with known answers", default=()
        ),
        Field(key="objectives", kind=OBJECTIVES, summary="Where they differ from the policy's", absent=OwnObjectives()),
        Field(key="people", kind=PEOPLE, summary="Who takes part", absent=People()),
        Field(key="notify", kind=ListOf(item=name_kind), summary="Whom to tell; the policy's if not written"),
        Field(
            key="timeout",
            attribute="timeout_seconds",
            kind=duration("10s", "365d"),
            summary="The drill is stopped after so long. Default: 3 times the RTO",
        ),
        Field(
            key="skip",
            kind=MapOf(key=Choice(options=SKIPPABLE), item=Text(longest=500)),
            summary="Checks to leave out, each with the reason; the verdict is then never a plain pass",
            absent={},
        ),
        Field(key="sample", kind=SAMPLE, summary="Draw some of many sources by lot"),
    ),
)
