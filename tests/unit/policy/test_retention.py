"""What stays and why: golden cases, laws, and proof that each line of ``decide`` matters (twelve one-line mutants, all noticed)."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.policy import retention
from drorch.policy.model import Keep, Retention
from drorch.policy.retention import Candidate, Decision, Hold, decide
from drorch.policy.retention_presets import RETENTION_PRESETS
from drorch.policy.standing import Standing

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = datetime(2025, 1, 1, 18, 30, tzinfo=UTC)  # 01:30 of 2 January in Vietnam
NOW = datetime(2026, 11, 22, tzinfo=UTC)
Decide = Callable[..., tuple[Decision, ...]]


def candidate(sequence: int, at: datetime, standing: Standing = Standing.SOUND) -> Candidate:
    return Candidate(snapshot=f"s{sequence}", sequence=sequence, at=at, standing=standing)


def nightly(count: int, first: datetime = FIRST, step: timedelta = DAY) -> list[Candidate]:
    return [candidate(number, first + (number - 1) * step) for number in range(1, count + 1)]


def kept(decisions: Sequence[Decision]) -> set[str]:
    return {one.snapshot for one in decisions if one.keep}


def numbers(*spans: int | range) -> set[str]:
    return {f"s{n}" for span in spans for n in (span if isinstance(span, range) else [span])}


# -- golden cases: each is what a person would count on a calendar


def case_daily(decide: Decide) -> None:
    assert kept(decide(nightly(40), Retention(keep_daily=30), now=NOW, zone=ZONE)) == numbers(range(11, 41))


def case_the_first_of_a_day_has_the_day(decide: Decide) -> None:
    two_a_day = [candidate(n, FIRST + n // 2 * DAY + n % 2 * HOUR) for n in range(20)]
    found = kept(decide(two_a_day, Retention(keep_daily=3), now=NOW, zone=ZONE))
    assert found == numbers(14, 16, 18, 19)  # the last is the newest, which always stays


def case_days_are_those_of_the_policys_time_zone(decide: Decide) -> None:
    late, early = datetime(2026, 3, 1, 16, 59, tzinfo=UTC), datetime(2026, 3, 1, 17, 1, tzinfo=UTC)
    both = [candidate(1, late), candidate(2, early), candidate(3, early + HOUR)]
    assert kept(decide(both, Retention(keep_daily=2), now=NOW, zone=ZONE)) == numbers(1, 2, 3)
    assert kept(decide(both, Retention(keep_daily=2), now=NOW, zone=ZoneInfo("UTC"))) == numbers(1, 3)


def case_weeks_begin_on_monday_and_belong_to_iso_years(decide: Decide) -> None:
    days = nightly(14, datetime(2024, 12, 25, 18, 30, tzinfo=UTC))  # 26 December 2024, a Thursday
    found = decide(days, Retention(keep_weekly=3), now=NOW, zone=ZONE)
    assert kept(found) == numbers(1, 5, 12, 14)
    assert "weekly 2025-W01 (2 of 3)" in found[4].reasons


def case_months_and_years(decide: Decide) -> None:
    days = nightly(800)
    monthly = decide(days, Retention(keep_monthly=2), now=NOW, zone=ZONE)
    assert [one.reasons[0] for one in monthly if one.keep] == [
        "monthly 02/2027 (2 of 2)",
        "monthly 03/2027 (1 of 2)",
        "newest (1 of 1)",
    ]
    yearly = decide(days, Retention(keep_yearly=Keep.FOREVER), now=NOW, zone=ZONE)
    assert kept(yearly) == numbers(1, 365, 730, 800)
    assert yearly[0].reasons == ("yearly 2025 (for ever)",)


def case_hours_that_a_clock_shows_twice_are_two(decide: Decide) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = nightly(6, datetime(2026, 10, 24, 22, 30, tzinfo=UTC), HOUR)
    assert kept(decide(hours, Retention(keep_hourly=4), now=NOW, zone=berlin)) == numbers(range(3, 7))


def case_the_newest(decide: Decide) -> None:
    assert kept(decide(nightly(9), Retention(keep_last=4), now=NOW, zone=ZONE)) == numbers(range(6, 10))
    assert kept(decide(nightly(9), Retention(keep_last=Keep.FOREVER), now=NOW, zone=ZONE)) == numbers(range(1, 10))
    assert decide([], Retention(keep_last=4), now=NOW, zone=ZONE) == ()


def case_the_chain_says_what_is_newest_and_first_whatever_clocks_said(decide: Decide) -> None:
    back = [candidate(1, FIRST + DAY), candidate(2, FIRST + 2 * DAY), candidate(3, FIRST)]
    assert kept(decide(back[::-1], Retention(keep_last=1), now=NOW, zone=ZONE)) == numbers(3)
    same_day = [candidate(1, FIRST + 2 * HOUR), candidate(2, FIRST + HOUR), candidate(3, FIRST + DAY)]
    assert kept(decide(same_day, Retention(keep_daily=9), now=NOW, zone=ZONE)) == numbers(1, 3)


def case_one_time_of_the_schedule_counts_once_among_the_newest(decide: Decide) -> None:
    again = [*nightly(5), *(replace(candidate(n, FIRST + 4 * DAY)) for n in range(6, 12))]
    assert kept(decide(again, Retention(keep_last=3), now=NOW, zone=ZONE)) == numbers(3, 4, 5)


def case_what_is_made_by_hand_or_in_doubt_comes_on_top(decide: Decide) -> None:
    for standing in list(Standing)[1:]:
        extra = [candidate(n, FIRST + 4 * DAY + n * HOUR, standing) for n in range(6, 26)]
        rule = Retention(keep_last=3, keep_hourly=3, keep_daily=4)
        found = kept(decide([*nightly(5), *extra], rule, now=NOW, zone=ZONE))
        assert found >= numbers(2, 3, 4, 5, 23, 24, 25)
        assert found < numbers(range(2, 26))


def case_each_standing_yields_to_those_above_it_only(decide: Decide) -> None:
    damaged = candidate(1, FIRST, Standing.NOT_WHOLE)
    by_hand, sound = candidate(2, FIRST + HOUR, Standing.BY_HAND), candidate(3, FIRST + 2 * HOUR)
    later = candidate(4, FIRST + DAY)
    found = decide([damaged, by_hand, sound, later], Retention(keep_daily=2), now=NOW, zone=ZONE)
    assert kept(found) == numbers(1, 2, 3, 4)
    less = decide(
        [damaged, replace(damaged, snapshot="s2", sequence=2), later], Retention(keep_daily=2), now=NOW, zone=ZONE
    )
    assert kept(less) == numbers(1, 4)


def case_holds_win_until_they_end(decide: Decide) -> None:
    holds = {
        "s1": [Hold(reason="held: case 12")],
        "s2": [Hold(reason="pinned", until=NOW + DAY)],
        "s3": [Hold(reason="pinned", until=NOW)],
    }
    found = decide(nightly(9), Retention(keep_daily=2), now=NOW, zone=ZONE, holds=holds)
    assert kept(found) == numbers(1, 2, 8, 9)
    assert found[0].reasons == ("held: case 12",)


def case_nothing_goes_of_a_source_that_is_exempt(decide: Decide) -> None:
    found = decide(nightly(9), Retention(keep_daily=2), now=NOW, zone=ZONE, keep_all="the source is gone")
    assert kept(found) == numbers(range(1, 10))
    assert found[0].reasons == ("the source is gone",)


def case_what_is_made_for_the_same_time_stays_as_long_as_who_has_it(decide: Decide) -> None:
    """A forger was quicker on the fourth night; what the rule keeps, and not what somebody holds, keeps the others."""
    second = replace(candidate(5, FIRST + 3 * DAY + HOUR, Standing.BY_HAND), rival_of="s4")
    nights = [*nightly(4), second, *(replace(candidate(n, FIRST + (n - 2) * DAY)) for n in range(6, 9))]
    four, three = Retention(keep_daily=4), Retention(keep_daily=3)
    found = {one.snapshot: one for one in decide(nights, four, now=NOW, zone=ZONE)}
    assert kept(tuple(found.values())) == numbers(4, 5, 6, 7, 8)
    assert found["s5"].reasons == ("made for the same time as s4, which stays",)
    holds = {"s4": [Hold(reason="held: case 12")]}
    assert kept(decide(nights, three, now=NOW, zone=ZONE, holds=holds)) == numbers(4, 6, 7, 8)


def case_what_goes_is_told_why(decide: Decide) -> None:
    twice = [*nightly(4), candidate(5, FIRST + 3 * DAY + HOUR), candidate(6, FIRST + 4 * DAY)]
    rule = Retention(keep_daily=2, keep_weekly=1)
    found = {one.snapshot: one.reasons for one in decide(twice, rule, now=NOW, zone=ZONE)}
    assert found["s1"] == (
        "older than the newest snapshot",
        "older than the 2 newest days",
        "older than the newest week",
    )
    assert found["s2"][-1] == "weekly 2025-W01 has s1"
    assert found["s5"][:2] == ("older than the newest snapshot", "daily 05/01/2025 has s4")


CASES = [value for name, value in list(globals().items()) if name.startswith("case_")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.removeprefix("case_"))
def test_case(case: Callable[[Decide], None]) -> None:
    case(decide)


# -- laws

counts = st.one_of(st.integers(0, 6), st.just(Keep.FOREVER))
rules = st.builds(
    Retention,
    keep_last=counts,
    keep_hourly=counts,
    keep_daily=counts,
    keep_weekly=counts,
    keep_monthly=counts,
    keep_yearly=counts,
)
moments = st.integers(0, 900 * 24).map(lambda hours: FIRST + hours * HOUR)


@st.composite
def histories(draw: st.DrawFn, standings: Sequence[Standing] = tuple(Standing)) -> list[Candidate]:
    times = draw(st.lists(st.tuples(moments, st.sampled_from(standings)), max_size=40))
    if draw(st.booleans()):
        times.sort()
    return [candidate(number, at, standing) for number, (at, standing) in enumerate(times, 1)]


def run(snapshots: Sequence[Candidate], rule: Retention, decide: Decide = decide, **more: Any) -> set[str]:
    return kept(decide(snapshots, rule, now=NOW, zone=ZONE, **more))


@given(histories(), rules, st.randoms())
def test_the_order_in_which_they_are_told_does_not_matter(
    history: list[Candidate], rule: Retention, shuffler: random.Random
) -> None:
    shuffled = list(history)
    shuffler.shuffle(shuffled)
    assert decide(shuffled, rule, now=NOW, zone=ZONE) == decide(history, rule, now=NOW, zone=ZONE)


@given(histories(), rules)
def test_what_stays_once_stays_when_it_is_asked_again(history: list[Candidate], rule: Retention) -> None:
    staying = run(history, rule)
    assert run([one for one in history if one.snapshot in staying], rule) == staying


@given(histories(), rules)
def test_the_newest_of_each_standing_always_stays(history: list[Candidate], rule: Retention) -> None:
    staying = run(history, rule)
    for standing in Standing:
        of_it = [one for one in history if one.standing <= standing]
        if of_it and of_it[-1].standing is not Standing.SOUND:
            assert of_it[-1].snapshot in staying
    assert not history or staying


@given(
    histories(), rules, st.sampled_from([f"keep_{name}" for name in ("last", "hourly", "daily", "weekly", "yearly")])
)
def test_a_greater_number_keeps_no_fewer(history: list[Candidate], rule: Retention, key: str) -> None:
    before = getattr(rule, key)
    change: dict[str, Any] = {key: Keep.FOREVER if before is Keep.FOREVER else before + 2}
    more = replace(rule, **change)
    assert run(history, rule) <= run(history, more)


@given(histories([Standing.SOUND]), histories(list(Standing)[1:]), rules)
def test_forged_and_further_snapshots_never_shorten_a_sound_ones_life(
    sound: list[Candidate], others: list[Candidate], rule: Retention
) -> None:
    """Wherever they stand in the chain, whatever dates they bear."""
    mixed = [replace(one, sequence=2 * one.sequence) for one in sound]
    mixed += [replace(one, sequence=2 * one.sequence + 1, snapshot=f"x{one.sequence}") for one in others]
    assert run(sound, rule) <= run(mixed, rule)


@given(histories([Standing.SOUND]), rules, st.data())
def test_a_later_one_for_a_time_that_has_its_snapshot_changes_nothing(
    sound: list[Candidate], rule: Retention, data: st.DataObject
) -> None:
    if not sound:
        return
    copies = data.draw(st.lists(st.sampled_from(sound), max_size=10))
    forged = [candidate(1_000 + number, one.at) for number, one in enumerate(copies)]
    assert run([*sound, *forged], rule) & {one.snapshot for one in sound} == run(sound, rule)


@given(histories(), rules, st.integers(-366, 366))
def test_no_clock_of_today_ages_anything(history: list[Candidate], rule: Retention, days: int) -> None:
    then = decide(history, rule, now=NOW + timedelta(days=days), zone=ZONE)
    assert then == decide(history, rule, now=NOW, zone=ZONE)


@given(histories(), rules)
def test_every_decision_has_words(history: list[Candidate], rule: Retention) -> None:
    for one in decide(history, rule, now=NOW, zone=ZONE):
        assert one.reasons
        assert all(reason.strip() == reason != "" for reason in one.reasons)


@settings(max_examples=20)
@given(histories(list(Standing)[2:]), rules)
def test_what_cannot_be_vouched_for_still_keeps_itself_by_the_rule(history: list[Candidate], rule: Retention) -> None:
    """In a store that was made by copying no date can be borne out; it still keeps its thirty days."""
    dated = [replace(one, standing=Standing.TIME_IN_DOUBT) for one in history]
    by_hand = [replace(one, standing=Standing.BY_HAND) for one in history]
    assert run(dated, rule) == run(by_hand, rule)


@pytest.mark.parametrize("preset", RETENTION_PRESETS)
def test_a_preset_keeps_what_its_basis_says(preset: str) -> None:
    rule = RETENTION_PRESETS[preset].retention
    staying = run(nightly(1_200), rule)
    newest = (
        {f"s{n}" for n in range(1_200 - (rule.keep_daily or 1) + 1, 1_201)}
        if rule.keep_daily is not Keep.FOREVER
        else set()
    )
    assert newest <= staying
    if rule.keep_yearly is Keep.FOREVER:
        assert numbers(1, 365, 730) <= staying


def test_a_plan_over_100_000_snapshots_takes_less_than_5_seconds() -> None:
    rule = Retention(
        keep_last=7, keep_hourly=48, keep_daily=30, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER
    )
    hourly = nightly(100_000, step=HOUR)
    begun = process_time()
    assert len(run(hourly, rule)) < 200
    assert process_time() - begun < 5


# -- mutants: one line of the rule changed; the cases above must notice

MUTANTS = {
    "the last of a slot wins": ("first.setdefault(slot, one)\n            newest", "first[slot] = one\n            newest"),
    "the oldest slots are kept": ("sorted(first, reverse=True)[: period.count]", "sorted(first)[: period.count]"),
    "one slot too few": ("[: period.count]", "[: period.count and period.count - 1]"),
    "one slot too many": ("[: period.count]", "[: period.count and period.count + 1]"),
    "clocks order the chain": ("key=lambda one: one.sequence)\n    slots", "key=lambda one: one.at)\n    slots"),
    "days are those of UTC": ("one.at.astimezone(zone)", "one.at"),
    "the worse counts with the better": ("if one.standing <= standing:", "if True:"),
    "each standing counts alone": ("if one.standing <= standing:", "if one.standing == standing:"),
    "the better alone": ("sorted({one.standing for one in in_order})", "sorted({one.standing for one in in_order})[:1]"),
    "holds never end": ("hold.until is None or hold.until > now", "True"),
    "holds with an end do not count": ("hold.until is None or hold.until > now", "hold.until is None"),
    "holds without an end do not count": ("hold.until is None or hold.until > now", "hold.until is not None and hold.until > now"),
    "an end counts as before it": ("hold.until > now", "hold.until >= now"),
    "exemptions do not count": ("[keep_all] if keep_all else []", "[]"),
    "the newest may go": ("rule.keep_last or 1", "rule.keep_last"),
    "every run is a slot of its own": ("if one.standing is Standing.SOUND else", "if False else"),
    "hours are told by their number alone": ("0 if offset is None else -offset.total_seconds()", "0"),
    "weeks are those of the calendar year": ("tuple(at.isocalendar())[:2] for at", "(at.year, at.isocalendar()[1]) for at"),
    "rivals go": ("if one.rival_of in by_rule:", "if False:"),
    "a hold keeps rivals": ("if one.rival_of in by_rule:", "if reasons.get(one.rival_of):"),
    "keep and drop change places": ("keep=bool(because", "keep=not bool(because"),
}  # fmt: skip
SOURCE = Path(retention.__file__).read_text(encoding="utf-8")


def mutated(old: str, new: str) -> Decide:
    assert SOURCE.count(old) == 1, f"the line is not there once: {old}"
    module = types.ModuleType("drorch.policy.mutant")
    sys.modules[module.__name__] = module
    try:
        exec(compile(SOURCE.replace(old, new), "mutant", "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    changed: Decide = module.decide
    return changed


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str) -> None:
    decide = mutated(*MUTANTS[name])
    noticed = []
    for case in CASES:
        try:
            case(decide)
        except Exception:  # noqa: BLE001  however it shows
            noticed.append(case.__name__)
    assert noticed, f"nobody notices that {name}"


def test_the_cases_notice_nothing_when_nothing_is_changed() -> None:
    unchanged = mutated("first: dict[Any, Candidate] = {}", "first: dict[Any, Candidate] = dict()")
    for case in CASES:
        case(unchanged)
