"""Texts -> restore tests, or every problem of all of them at once. Takes bytes, opens nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from drorch.errors import PolicyInvalid, PolicyUnknown
from drorch.policy.document import PolicyText, read_yaml
from drorch.policy.encoding import decoded
from drorch.policy.kinds import INVALID, nearest, shown
from drorch.policy.model import Policy
from drorch.policy.nodes import Listing, Node, Scalar, Section
from drorch.policy.problems import Place, Problem, Problems, render_problems, summarise
from drorch.policy.restore_tests.fields import RESTORE_TEST
from drorch.policy.restore_tests.model import AUTO, ROTATE, Expected, Question, RestoreTest, Scenario
from drorch.policy.schedule import parse_schedule

_DIGEST_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFacts:
    """What restore tests need to know of drorch.yaml and of the policies. ``policies`` are the good ones."""

    __test__ = False  # for pytest: this is no test class

    zone: ZoneInfo
    stores: tuple[str, ...]
    sandboxes: tuple[str, ...]
    people: tuple[str, ...]
    notifications: tuple[str, ...]
    policies: tuple[Policy, ...]
    unreadable_policies: bool = False  # then a policy that is not known may be one of those


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTests:
    """What came of reading restore tests. A test with a problem is not in ``tests``."""

    tests: tuple[RestoreTest, ...]
    problems: tuple[Problem, ...]
    file_count: int

    def require(self) -> tuple[RestoreTest, ...]:
        """Return all tests; raise ``PolicyInvalid`` if there is any problem."""
        if self.problems:
            raise PolicyInvalid(
                summarise(self.problems, self.file_count),
                found=render_problems(self.problems),
                hint="`drorch policy validate` lists them; mend them and try again",
                still_good="Nothing was loaded.",
            )
        return self.tests

    def find(self, name: str) -> RestoreTest:
        """Return the test called ``name``; raise ``PolicyUnknown``."""
        for test in self.tests:
            if test.name == name:
                return test
        known = [test.name for test in self.tests]
        raise PolicyUnknown(
            f"there is no restore test {shown(name)}{nearest(name, known)}", found=", ".join(known[:10])
        )


def load_restore_tests(
    files: Sequence[PolicyText], facts: TestFacts, questions: Mapping[str, PolicyText] = MappingProxyType({})
) -> LoadedTests:
    """Return every test of ``files`` that is whole, and every problem; ``questions`` are the SQL files beside them by name."""
    problems = Problems()
    built: list[RestoreTest] = []
    names: dict[str, Place] = {}
    used: set[str] = set()
    for text in files:
        section = read_yaml(text.file, text.content, problems)
        if section is None:
            continue
        used |= {name for name in _files_named(section) if name in questions}
        told = problems.told
        values = RESTORE_TEST.read(section, text.file, problems)
        _tell_unknown_names(section, facts, problems)
        _tell_twin(section.get("name"), names, problems)
        asked = _questions(section.get("queries"), values, questions, problems)
        if values is not INVALID and problems.told == told:
            built.append(_test(values, asked, text, questions, facts))
    found = problems.sorted()
    wrong = {problem.file for problem in found}
    return LoadedTests(
        tests=tuple(test for test in built if test.file not in wrong), problems=found, file_count=len(files) + len(used)
    )


def _test(
    values: Mapping[str, Any],
    asked: tuple[Question, ...],
    text: PolicyText,
    questions: Mapping[str, PolicyText],
    facts: TestFacts,
) -> RestoreTest:
    files = [one["file"] for one in values["queries"] if one["file"] is not None]
    whole = [text.content, *(questions[name].content for name in files)]
    kept = {key: value for key, value in values.items() if key not in ("queries", "schedule", "scenario", "skip")}
    return RestoreTest(
        **kept,
        scenario=Scenario(values["scenario"]),
        schedule=None if values["schedule"] is None else parse_schedule(values["schedule"], facts.zone),
        skip=MappingProxyType(dict(values["skip"])),
        queries=asked,
        file=text.file,
        text="\n".join(content.decode("utf-8", "replace") for content in whole),
    )


def _questions(
    node: Node | None, values: Any, files: Mapping[str, PolicyText], problems: Problems
) -> tuple[Question, ...]:
    """Return the questions with the SQL of their files; tell files that are not there and two questions of one name."""
    sections = [item for item in node.items if isinstance(item, Section)] if isinstance(node, Listing) else []
    texts = {id(section): _sql_of(section, files, problems) for section in sections}
    _tell_same_names(sections, problems)
    if values is INVALID:
        return ()
    return tuple(
        Question(
            name=one["name"],
            sql=one["sql"] if one["sql"] is not None else texts[id(section)],
            expected=one["expect"] or Expected(digest=one["expect_digest"].removeprefix(_DIGEST_PREFIX)),
        )
        for one, section in zip(values["queries"], sections, strict=True)
    )


def _sql_of(section: Section, files: Mapping[str, PolicyText], problems: Problems) -> str:
    node = section.get("file")
    if not isinstance(node, Scalar) or not node.text.endswith(".sql") or "/" in node.text:
        return ""
    if node.text not in files:
        problems.add(node.place, f"no file {shown(node.text)} beside the test{nearest(node.text, list(files))}")
        return ""
    text = decoded(files[node.text].file, files[node.text].content, problems)
    if text is not None and not text.strip():
        problems.add(node.place, f"{shown(node.text)} is empty")
    return text or ""


def _tell_same_names(sections: Sequence[Section], problems: Problems) -> None:
    seen: dict[str, Place] = {}
    for section in sections:
        name = section.get("name")
        if isinstance(name, Scalar):
            key = unicodedata.normalize("NFC", name.text)
            if key in seen:
                problems.add(name.place, f"another question is called so: line {seen[key].line}")
            seen.setdefault(key, name.place)


def _files_named(section: Section) -> set[str]:
    queries = section.get("queries")
    items = queries.items if isinstance(queries, Listing) else ()
    named = (item.get("file") for item in items if isinstance(item, Section))
    return {node.text for node in named if isinstance(node, Scalar)}


def _tell_twin(node: Node | None, names: dict[str, Place], problems: Problems) -> None:
    if isinstance(node, Scalar):
        if node.text in names:
            problems.add(node.place, f"another restore test is called {shown(node.text)}: {names[node.text]}")
        names.setdefault(node.text, node.place)


def _tell_unknown_names(section: Section, facts: TestFacts, problems: Problems) -> None:
    """Tell names that neither drorch.yaml nor a policy knows, each with the nearest that is known."""
    _tell_unknown_policy(section, facts, problems)
    people = section.get("people")
    parts = list(people.entries.values()) if isinstance(people, Section) else []
    for nodes, known, noun in (
        ([section.get("store")], (ROTATE, *facts.stores), "store"),
        ([section.get("sandbox")], (AUTO, *facts.sandboxes), "sandbox"),
        ([section.get("notify")], facts.notifications, "notification"),
        (parts, facts.people, "person"),
    ):
        for scalar in (scalar for node in nodes for scalar in _scalars(node)):
            if scalar.text and scalar.text not in known:
                hint = nearest(scalar.text, known) or (
                    f"; known are {', '.join(known[:8])}" if known else "; drorch.yaml has none"
                )
                problems.add(scalar.place, f"unknown {noun} {shown(scalar.text)}{hint}")


def _tell_unknown_policy(section: Section, facts: TestFacts, problems: Problems) -> None:
    node = section.get("policy")
    if not isinstance(node, Scalar) or not node.text:
        return
    name, slash, _rest = node.text.partition("/")
    policy = next((policy for policy in facts.policies if policy.name == name), None)
    if policy is None:
        if not facts.unreadable_policies:
            problems.add(
                node.place, f"unknown policy {shown(name)}{nearest(name, [one.name for one in facts.policies])}"
            )
        return
    addresses = [promise.address for promise in policy.promises]
    if slash and node.text not in addresses and not any(promise.needs_discovery for promise in policy.promises):
        problems.add(node.place, f"unknown source {shown(node.text)}{nearest(node.text, addresses)}")
    is_many = policy.for_each is not None or any(promise.needs_discovery for promise in policy.promises)
    if "sample" in section.entries and (slash or not is_many):
        problems.add(section.at("sample"), f"`sample` draws from many sources, and {shown(node.text)} is one")


def _scalars(node: Node | None) -> list[Scalar]:
    if isinstance(node, Listing):
        return [item for item in node.items if isinstance(item, Scalar)]
    return [node] if isinstance(node, Scalar) else []
