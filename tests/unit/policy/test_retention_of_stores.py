"""Other numbers for a store: how they are written, what they are laid over, and what is refused."""

from __future__ import annotations

import pytest

from drorch.policy.advice import notes
from drorch.policy.explain import as_json, explain, merged_yaml, policy_text
from drorch.policy.model import Keep, Retention
from drorch.policy.retention_presets import RETENTION_PRESETS
from tests.support.policies import DEFAULTS, POSTGRESQL, load, policy_of, told
from tests.unit.policy.test_explain import NOW

BTNMT = RETENTION_PRESETS["btnmt-17-2014"].retention
OWN = Retention(keep_daily=30, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER)


def retention(text: str, defaults: str = DEFAULTS) -> Retention:
    return policy_of(POSTGRESQL + f"retention: {text}\n", defaults=defaults).retention


def numbers(rule: Retention) -> tuple[object, ...]:
    return rule.keep_last, rule.keep_daily, rule.keep_weekly, rule.keep_monthly, rule.keep_yearly, rule.preset


def test_a_stores_numbers_are_laid_over_the_policys() -> None:
    rule = retention("{stores: {dalat: {keep_daily: 7, keep_monthly: 0}}}")
    assert numbers(rule.in_store("hanoi")) == numbers(OWN)
    assert numbers(rule.in_store("dalat")) == (0, 7, 13, 0, Keep.FOREVER, None)
    assert rule.in_store("elsewhere") == rule


def test_a_store_may_keep_by_a_preset_and_beside_a_preset() -> None:
    assert numbers(retention("{stores: {dalat: btnmt-17-2014}}").in_store("dalat")) == numbers(BTNMT)
    rule = retention("{preset: btnmt-17-2014, stores: {dalat: {keep_weekly: 4}}}")
    assert numbers(rule.in_store("hanoi")) == numbers(BTNMT)  # nothing of the defaults' numbers below it
    assert numbers(rule.in_store("dalat")) == (0, 0, 4, 12, Keep.FOREVER, None)
    assert numbers(retention("{preset: e8-90d, keep_yearly: forever}")) == (0, 90, 0, 0, Keep.FOREVER, None)


def test_the_defaults_may_name_a_store_too() -> None:
    defaults = DEFAULTS.replace("keep_yearly: forever}", "keep_yearly: forever, stores: {dalat: {keep_last: 3}}}")
    assert retention("{keep_daily: 5}", defaults).in_store("dalat").keep_last == 3
    assert retention("{preset: e8-90d}", defaults).in_store("dalat").keep_daily == 90
    assert retention("e8-90d", defaults).stores == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{stores: {dalt: {keep_daily: 7}}}", "9:22 unknown store `dalt`; did you mean `dalat`?"),
        ("{stores: {dalat: e8-90}}", "9:29 unknown retention `e8-90`; did you mean `e8-90d`?"),
        ("{stores: {dalat: {keep_dayly: 7}}}", "9:30 unknown key `keep_dayly`; did you mean `keep_daily`?"),
        (
            "{preset: e8-90d, stores: {dalat: {keep_daily: 0}}}",
            "9:38 `retention` keeps nothing in dalat; a store without copies is left out of `stores`",
        ),
        ("{stores: [dalat]}", "9:22 `stores` is a map"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, problem: str) -> None:
    (found,) = told(load(POSTGRESQL + f"retention: {text}\n"))
    assert found.partition(" ")[2] == problem.partition(" ")[2]
    assert found.startswith("9:")


def test_it_is_said_of_each_store_that_the_policy_uses() -> None:
    policy = policy_of(POSTGRESQL + "retention: {stores: {dalat: {keep_daily: 7}, hanoi: btnmt-17-2014}}\n")
    page = " ".join(explain(policy, now=NOW).split())
    assert "in dalat 7 daily, 13 weekly, 12 monthly, yearly for ever instead in hanoi 13 weekly" in page
    assert "instead (btnmt-17-2014)" in page
    again = policy_of(policy_text(policy), defaults=None)
    assert again.retention == policy.retention
    assert "dalat" in merged_yaml(policy)
    assert {"key": "retention.stores", "value": "{dalat: {keep_daily: 7}, hanoi: btnmt-17-2014}"}.items() <= next(
        one for one in as_json(policy, now=NOW)["values"] if one["key"] == "retention.stores"
    ).items()
    one = policy_of(POSTGRESQL + "stores: [hanoi]\nretention: {stores: {dalat: {keep_daily: 7}}}\n")
    assert "in dalat" not in explain(one, now=NOW)


def test_a_preset_that_asks_for_two_places_is_not_kept_by_one() -> None:
    policy = policy_of(POSTGRESQL + "retention: {preset: btnmt-17-2014, stores: {dalat: {keep_yearly: 1}}}\n")
    assert "btnmt-17-2014 asks for 2 places; only 1 of the stores keep by it" in notes(policy, NOW)
