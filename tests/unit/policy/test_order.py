"""Which policies run before which, and which run as one."""

from __future__ import annotations

import pytest

from drorch.policy.advice import lonely_groups
from drorch.policy.model import Policy
from drorch.policy.order import ranks, unit_of, units_before, with_mates
from tests.support.policies import load, told


def policies(*lines: str) -> dict[str, Policy]:
    """Each line is ``name engine [after=a,b] [group=g]``."""
    texts = []
    for line in lines:
        name, engine, *more = line.split()
        source = {"db": "{sqlite: {file: /x.db}}", "files": "{files: {paths: [/srv]}}"}[engine]
        keys = dict(one.split("=") for one in more)
        text = f'name: {name}\nsource: {source}\nschedule: "0 1 * * *"\n'
        text += f"after: [{keys['after']}]\n" if "after" in keys else ""
        text += f"group: {keys['group']}\n" if "group" in keys else ""
        texts.append(text)
    loaded = load(*texts)
    assert told(loaded) == []
    return {policy.name: policy for policy in loaded.policies}


def test_what_comes_after_waits_for_those_of_the_same_command_only() -> None:
    found = policies("land db", "scans files after=land", "books db")
    everything = list(found.values())
    assert units_before([found["scans"]], everything) == {"land"}
    assert units_before([found["scans"]], [found["scans"], found["books"]]) == set()
    assert units_before([found["land"]], everything) == set()


def test_a_group_waits_as_one_and_is_waited_for_as_one() -> None:
    found = policies("a db", "lis db group=vilis after=a", "sde db group=vilis", "scans files after=sde")
    everything = list(found.values())
    assert unit_of(found["lis"]) == unit_of(found["sde"]) == "group:vilis"
    assert units_before([found["lis"], found["sde"]], everything) == {"a"}
    assert units_before([found["scans"]], everything) == {"group:vilis"}


def test_whoever_names_one_of_a_group_means_all_of_it() -> None:
    found = policies("lis db group=vilis", "sde db group=vilis", "land db", "x db group=other")
    everything = list(found.values())
    assert with_mates(everything, ["sde", "land"]) == ("sde", "land", "lis")
    assert with_mates(everything, ["land"]) == ("land",)


def test_databases_begin_before_files_and_after_counts_among_equals() -> None:
    found = policies(
        "scans files group=g", "photos files group=g after=scans", "sde db group=g after=lis", "lis db group=g"
    )
    order = ranks(found.values())
    assert sorted(found, key=order.__getitem__) == ["lis", "sde", "scans", "photos"]
    assert len(set(order.values())) == 4


@pytest.mark.parametrize(
    "lines",
    [
        ["lis db group=g after=x", "sde db group=g", "x db after=sde"],
        ["lis db group=g after=x", "sde db group=g", "x db group=h", "y db group=h after=sde"],
    ],
    ids=["around a group", "around two groups"],
)
def test_a_circle_through_a_group_is_told(lines: list[str]) -> None:
    with pytest.raises(AssertionError, match="goes in a circle"):
        policies(*lines)


def test_within_a_group_after_is_no_circle_with_the_group() -> None:
    found = policies("lis db group=g", "sde db group=g after=lis")
    assert units_before(found.values(), found.values()) == set()


def test_a_group_of_one_is_noted_for_it_is_often_misspelled() -> None:
    found = policies("lis db group=vilis", "sde db group=villis", "a db group=g", "b db group=g", "land db")
    assert lonely_groups(list(found.values())) == ("lis is alone in group vilis", "sde is alone in group villis")
