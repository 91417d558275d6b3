"""What a prune plans and does over whole stores; the sweep below it is in tests/unit/repository/test_sweeper.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.catalog.interface import Catalog, CopyState
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import NothingDone, PolicyUnknown, SnapshotUnknown, StoreUnavailable, StoreUnfit, UsageInvalid
from drorch.format import names
from drorch.format.manifest import Result
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.ids import RunId
from drorch.operations import held, prune
from drorch.operations.choose import choose
from drorch.operations.listing import rebuild_catalog
from drorch.operations.prune import PrunePlan, PruneReport, PruneRequest
from drorch.policy.model import Policy
from drorch.policy.standing import Standing
from drorch.repository import lane_contents
from drorch.repository.checker import CheckRequest, check
from drorch.repository.copier import catch_up
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.repository.retirement import put_list
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.histories import DAY, FIRST_SLOT, Past, SetClock
from tests.support.policies import DEFAULTS, FACTS, policy_of
from tests.support.repositories import Household, read_back, snapshots

HOUSEHOLD = Household()
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def policy(
    name: str = "land",
    retention: str = "{keep_daily: 4}",
    schedule: str = "30 1 * * *",
    stores: tuple[str, ...] = ("hanoi", "dalat"),
) -> Policy:
    lines = (
        f"name: {name}",
        "source: {sqlite: {file: /srv/x.db}}",
        f'schedule: "{schedule}"',
        f"retention: {retention}",
    )
    without = DEFAULTS.replace(next(line for line in DEFAULTS.splitlines() if line.startswith("retention:")) + "\n", "")
    without = without.replace("[hanoi, dalat]", f"[{', '.join(stores)}]")
    return policy_of("\n".join(lines) + "\n", defaults=without, facts=replace(FACTS, stores=stores))


@dataclass
class Office:
    """Two stores, a writer, and the machine that prunes; everybody's clock is set apart."""

    catalog: Catalog
    store_clock: SetClock = field(default_factory=SetClock)
    clock: SetClock = field(default_factory=SetClock)
    stores: list[Any] = field(default_factory=list)
    repository: Repository = field(init=False)
    past: Past = field(init=False)

    def __post_init__(self) -> None:
        self.stores = [MemoryStore(self.store_clock), MemoryStore(self.store_clock)]
        self.repository = HOUSEHOLD.create(*self.stores)
        self.past = Past(self.repository, SetClock(), self.store_clock)

    def at(self, moment: datetime) -> None:
        self.store_clock.time = self.clock.time = moment

    def open(self, *stores: Any) -> Repository:
        replicas = [Replica(name=f"store{n}", store=store) for n, store in enumerate(stores or self.stores)]
        return open_repository(replicas, self.repository.trust.root_digest.raw)

    def plan(self, *policies: Policy, repository: Repository | None = None, **request: Any) -> PrunePlan:
        by_name = {one.name: one for one in policies or [policy()]}
        return prune.make_plan(repository or self.repository, PruneRequest(policies=by_name, **request), self.clock)

    def run(self, plan: PrunePlan, repository: Repository | None = None, **more: Any) -> PruneReport:
        return prune.run(
            repository or self.repository,
            plan,
            key=HOUSEHOLD.maintainer,
            catalog=self.catalog,
            clock=self.clock,
            heads={},
            confirmed=plan.digest if plan.doubts else "",
            **more,
        )

    def judge(self, *kept: int, store: str = "") -> None:
        """Just these snapshots (by number, from 0) are listed, read back whole, and nobody misses anything."""
        repository = self.repository
        if store:
            only = tuple(replica for replica in repository.replicas if replica.name == store)
            repository = Repository(trust=repository.trust, replicas=only)
        listed = {one.link.manifest.run: one for one in snapshots(repository)}
        assert set(listed) == {self.past.made[number].run for number in kept}
        for run, one in listed.items():
            assert read_back(repository, one) == {"rows": self.past.content[run]}
        assert check(repository, CheckRequest()).errors == ()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield catalog


@pytest.fixture
def office(catalog: Catalog) -> Office:
    return Office(catalog)


@pytest.fixture
def week(office: Office) -> Office:
    """Seven nights; it is the noon after the last."""
    if not _weeks:
        _weeks.append(Office(office.catalog).past)
        _weeks[0].nights(7)
    office.past = _weeks[0].copy(office.stores, office.store_clock)
    office.repository = office.past.repository
    office.at(FIRST_SLOT + 6 * DAY + 12 * HOUR)
    return office


_weeks: list[Past] = []  # made once


def going(plan: PrunePlan, office: Office, store: str = "store0") -> list[int]:
    numbers = {made.run: number for number, made in enumerate(office.past.made)}
    return [numbers[one.link.manifest.run] for lane in plan.lanes if lane.store == store for one in lane.goes]


def test_a_plan_changes_nothing_and_is_carried_out_as_it_is(week: Office) -> None:
    before = {stat.name for store in week.stores for stat in store.list_objects("")}
    plan = week.plan()
    assert {stat.name for store in week.stores for stat in store.list_objects("")} == before
    assert [(lane.store, lane.source, lane.rule) for lane in plan.lanes] == [
        ("store0", "land", "land"),
        ("store1", "land", "land"),
    ]
    assert going(plan, week) == going(plan, week, "store1") == [0, 1, 2]
    assert all(lane.objects and lane.size_bytes for lane in plan.lanes)
    report = week.run(plan)
    assert report.complete
    for done in report.lanes:
        assert done.report is not None
        assert len(done.report.deleted) == done.plan.objects
    week.judge(3, 4, 5, 6)
    assert week.plan().digest == PrunePlan(lanes=(), problems=()).digest
    assert all(lane.sweep.is_empty for lane in week.plan().lanes)


def test_each_store_keeps_by_its_own_numbers_and_backups_go_on_in_both(week: Office) -> None:
    """What one store gave up is not taken for known there, and a copy does not bring it back."""
    rule = policy(retention="{keep_daily: 6, stores: {store1: {keep_daily: 2}}}", stores=("store0", "store1"))
    plan = week.plan(rule)
    assert (going(plan, week), going(plan, week, "store1")) == ([0], [0, 1, 2, 3, 4])
    assert [lane.snapshots[4].decision.reasons[-1] for lane in plan.lanes] == [
        "daily 06/09/2026 (3 of 6)",
        "older than the 2 newest days",
    ]
    assert "5 of 7 snapshots of land would go in store1: more than a quarter" in plan.doubts
    assert week.run(plan).complete
    week.past.nights(2, FIRST_SLOT + 7 * DAY)
    week.at(FIRST_SLOT + 8 * DAY + 12 * HOUR)
    report = catch_up(week.repository.replicas[:1], week.repository.replicas[1], week.repository.trust,
                      doubtful=[made.run for made in week.past.made[:5]], key=HOUSEHOLD.maintainer, clock=week.clock)  # fmt: skip
    assert (report.problems, report.snapshots) == ((), ())
    assert week.run(week.plan(rule)).complete
    week.judge(3, 4, 5, 6, 7, 8, store="store0")
    week.judge(7, 8, store="store1")


def test_what_is_given_up_is_found_by_its_id_alone(week: Office) -> None:
    week.run(week.plan())
    gone = week.past.made[2].run
    assert choose(week.repository, str(gone)[:8]).link.manifest.run == gone
    latest = choose(week.repository, "latest:land", before=FIRST_SLOT + 6 * DAY).link.manifest.run
    assert latest == week.past.made[5].run
    with pytest.raises(SnapshotUnknown):
        choose(week.repository, "latest:land", before=FIRST_SLOT + 3 * DAY)


def test_every_snapshot_has_its_reason(week: Office) -> None:
    (lane, _) = week.plan().lanes
    assert [one.decision.reasons for one in lane.snapshots[2:4]] == [
        ("older than the newest snapshot", "older than the 4 newest days"),
        ("daily 05/09/2026 (4 of 4)",),
    ]
    assert {one.standing for one in lane.snapshots} == {Standing.SOUND}


def test_a_plan_that_removes_much_waits_for_a_word(week: Office) -> None:
    plan = week.plan()
    assert len(plan.doubts) == 2
    assert "3 of 7 snapshots of land would go in store0: more than a quarter" in plan.doubts
    common: dict[str, Any] = {"key": HOUSEHOLD.maintainer, "catalog": week.catalog, "clock": week.clock, "heads": {}}
    with pytest.raises(NothingDone, match="more than a quarter"):
        prune.run(week.repository, plan, **common)
    with pytest.raises(UsageInvalid):
        prune.run(week.repository, plan, confirmed="0" * 12, **common)
    week.judge(*range(7))
    assert prune.run(week.repository, plan, confirmed=plan.digest, **common).complete
    week.judge(3, 4, 5, 6)


def test_a_quarter_goes_without_a_word(week: Office) -> None:
    week.past.nights(1, FIRST_SLOT + 7 * DAY)
    week.at(FIRST_SLOT + 8 * DAY)
    plan = week.plan(policy(retention="{keep_daily: 6}"))
    assert plan.doubts == ()
    assert week.run(plan).complete
    week.judge(*range(2, 8))


def test_what_would_leave_no_drilled_snapshot_waits_for_a_word(week: Office) -> None:
    rule = policy(retention="{keep_daily: 6}")
    drilled = {week.past.made[0].run}
    assert week.plan(rule).doubts == ()
    assert "has passed a drill" in week.plan(rule, drilled=drilled).doubts[0]
    assert week.plan(rule, drilled=drilled | {week.past.made[5].run}).doubts == ()


def test_the_confirmation_is_of_one_plan(week: Office) -> None:
    assert week.plan().digest != week.plan(policy(retention="{keep_daily: 5}")).digest
    assert week.plan().digest == week.plan().digest


def hold(office: Office, run: RunId, *, until: datetime | None = None, store: int = 0) -> None:
    word = HoldWord(run=run, kind=HoldKind.HOLD, stands=True, reason="case 12", until=until)
    replica = office.repository.replicas[store]
    put_list(
        replica,
        office.repository.trust,
        office.past.made[0].lane,
        key=HOUSEHOLD.maintainer,
        clock=office.clock,
        holds=[word],
    )


def test_a_hold_in_one_store_holds_in_all(week: Office) -> None:
    hold(week, week.past.made[1].run, store=1)
    plan = week.plan()
    assert going(plan, week) == going(plan, week, "store1") == [0, 2]
    assert plan.lanes[0].snapshots[1].decision.reasons == ("held: case 12",)
    assert week.run(plan).complete
    week.judge(1, 3, 4, 5, 6)


def test_what_is_held_is_listed_with_who_says_so(week: Office) -> None:
    until = week.clock.time + DAY
    hold(week, week.past.made[1].run, store=1)
    hold(week, week.past.made[2].run, until=until)
    report = held.run(week.repository, now=week.clock.time)
    assert report.failures == {}
    by_run = {one.run: one for one in report.held}
    assert by_run.keys() == {week.past.made[1].run, week.past.made[2].run}
    one = by_run[week.past.made[1].run]
    assert (one.stores, one.source, one.word.reason) == (("store1",), "land", "case 12")
    assert by_run[week.past.made[2].run].word.until == until
    assert len(held.run(week.repository, now=until).held) == 1
    away = FaultyStore(week.stores[1])
    away.plan("read", StoreUnavailable("away"), times=10**6)
    silent = Repository(trust=week.repository.trust, replicas=(Replica(name="store1", store=away),))
    assert set(held.run(silent, now=until).failures) == {"store1"}


def test_while_a_store_is_away_nothing_goes_anywhere(week: Office) -> None:
    """Somebody may hold a snapshot there."""
    away = FaultyStore(week.stores[1])
    away.plan("server_time", StoreUnavailable("away"), times=10**6)
    repository = week.open(week.stores[0], away)
    plan = week.plan(repository=repository)
    assert plan.lanes == ()
    assert [one.store for one in plan.problems] == ["store1"]
    assert not week.run(plan, repository).complete
    looked = week.plan(repository=repository, only_looks=True)
    assert going(looked, week) == [0, 1, 2]  # to be read, with the store that is away beside it
    assert [one.store for one in looked.problems] == ["store1"]
    only = week.plan(repository=repository, stores=["store0"])
    assert going(only, week) == [0, 1, 2]
    assert week.run(only, repository).complete
    week.judge(3, 4, 5, 6, store="store0")
    week.judge(*range(7), store="store1")


def test_a_lane_that_cannot_be_read_to_its_end_loses_nothing(week: Office) -> None:
    lane = week.past.made[0].lane
    week.stores[0].delete([names.manifest(lane, 4), names.commit(lane, 4)])
    plan = week.plan()
    assert plan.lanes == ()
    assert "cannot be read to its end" in plan.problems[0].error.message
    cut = week.plan(heads={("store1", lane): 8}, stores=["store1"])
    assert cut.lanes == ()
    assert "cannot be read to its end" in cut.problems[0].error.message


@pytest.mark.parametrize("offset", [-366 * DAY, -2 * HOUR, 2 * HOUR, 366 * DAY])
@pytest.mark.parametrize("whose", ["store", "ours"])
def test_a_clock_that_is_wrong_when_we_prune_deletes_nothing(week: Office, offset: timedelta, whose: str) -> None:
    wrong = week.store_clock if whose == "store" else week.clock
    wrong.time += offset
    plan = week.plan()
    assert plan.lanes == ()
    assert {type(one.error) for one in plan.problems} == {StoreUnfit}
    assert not week.run(plan).complete
    week.judge(*range(7))


@pytest.mark.parametrize("years", [-1, 1, 40])
def test_clocks_that_are_wrong_together_age_nothing(week: Office, years: int) -> None:
    hold(week, week.past.made[0].run)
    week.at(week.clock.time + years * 365 * DAY)
    assert going(week.plan(), week) == [1, 2]


def test_a_hold_with_an_end_outlives_a_clock_that_is_an_hour_ahead(week: Office) -> None:
    hold(week, week.past.made[0].run, until=week.clock.time + 30 * timedelta(minutes=1))
    week.clock.time += 50 * timedelta(minutes=1)
    assert going(week.plan(), week) == [1, 2]
    week.store_clock.time += 50 * timedelta(minutes=1)
    assert going(week.plan(), week) == [0, 1, 2]


@pytest.mark.parametrize("offset", [-366 * DAY, -3 * HOUR, 3 * HOUR, 366 * DAY])
@pytest.mark.parametrize("whose", ["writer", "store"])
def test_snapshots_with_wrong_dates_keep_nothing_from_being_kept(office: Office, offset: timedelta, whose: str) -> None:
    """Five by a writer, or in stores, whose clock is wrong; before and after them all is well."""
    office.past.nights(4)
    for n in range(5):
        at = FIRST_SLOT + 4 * DAY + n * HOUR
        wrong = at + offset + n * DAY
        if whose == "writer":
            office.past.snapshot(at, claims=wrong, slot=wrong)
        else:
            office.past.snapshot(wrong, claims=at)
    office.at(FIRST_SLOT + 5 * DAY)
    plan = office.plan()
    standings = {one.standing for lane in plan.lanes for one in lane.snapshots[4:]}
    assert standings == {Standing.TIME_IN_DOUBT}
    assert not {0, 1, 2, 3} & set(going(plan, office))


def test_a_forger_with_the_writers_key_and_dates_of_his_own_makes_nothing_go(week: Office) -> None:
    """His manifests are good, say what he likes of time and slot, and stand behind and before the genuine ones of later days."""
    for n in range(12):
        day = FIRST_SLOT + (7 + n) * DAY
        week.past.snapshot(week.clock.time, claims=day + HOUR, slot=day)  # of days to come
    genuine = range(3, 7)
    assert not set(genuine) & set(going(week.plan(), week))
    later = len(week.past.made)
    week.past.nights(4, FIRST_SLOT + 7 * DAY)
    week.at(FIRST_SLOT + 11 * DAY)
    assert not set(range(later, later + 4)) & set(going(week.plan(), week))


def test_a_forger_who_is_quicker_every_night_makes_nothing_go(office: Office) -> None:
    """He has the writer's key, forges at the time of the schedule, and once more when the writer is done."""
    genuine = []
    for night in range(9):
        slot = FIRST_SLOT + night * DAY
        office.past.snapshot(slot + MINUTE, slot=slot)
        genuine.append(len(office.past.made))
        office.past.snapshot(
            slot + (2 + night % 4) * 10 * MINUTE, slot=slot if night % 2 else None
        )  # the daemon; or cron
        office.past.snapshot(slot + 9 * HOUR, slot=slot)
    office.at(FIRST_SLOT + 8 * DAY + 12 * HOUR)
    plan = office.plan()
    assert set(range(len(office.past.made))) - set(going(plan, office)) >= set(genuine[-4:])
    assert set(going(plan, office)) >= set(genuine[:5])  # and nothing of it stays for ever
    office.run(plan)
    assert not set(going(office.plan(), office)) & set(genuine[-4:])


def test_ten_runs_by_hand_make_nothing_go(week: Office) -> None:
    rule = policy(retention="{keep_last: 4, keep_hourly: 4}")
    before = set(range(7)) - set(going(week.plan(rule), week))
    for n in range(10):
        week.past.snapshot(week.clock.time + n * HOUR)
    week.at(week.clock.time + 10 * HOUR)
    assert not before & set(going(week.plan(rule), week))


def test_a_partial_or_damaged_first_of_the_day_takes_nobodys_place(office: Office) -> None:
    office.past.snapshot(FIRST_SLOT, slot=FIRST_SLOT)
    office.past.snapshot(FIRST_SLOT + DAY, slot=FIRST_SLOT + DAY, result=Result.PARTIAL)
    office.past.snapshot(FIRST_SLOT + DAY + HOUR)
    broken = office.past.snapshot(FIRST_SLOT + 2 * DAY, slot=FIRST_SLOT + 2 * DAY)
    office.past.snapshot(FIRST_SLOT + 2 * DAY + HOUR)
    office.past.nights(1, FIRST_SLOT + 3 * DAY)
    office.at(FIRST_SLOT + 4 * DAY)
    for store in office.stores:
        packs = {stat.name for stat in store.list_objects(names.packs_prefix(broken.lane))}
        contents = lane_contents.read_contents(office.repository.replicas[0], office.repository.trust, broken.lane)
        store.delete([names.pack(broken.lane, contents.pack_lists[broken.run][0])])
        assert len(packs) > len(list(store.list_objects(names.packs_prefix(broken.lane))))
    plan = office.plan()
    assert [one.standing for one in plan.lanes[0].snapshots] == [
        Standing.SOUND,
        Standing.PARTIAL,
        Standing.SOUND,  # the first good one of its night
        Standing.NOT_WHOLE,
        Standing.SOUND,
        Standing.SOUND,
    ]
    assert not {0, 2, 4, 5} & set(going(plan, office))


def test_sources_that_are_exempt_or_in_no_policy_lose_nothing(week: Office) -> None:
    gone = week.plan(exempt={"land": "the source is gone from its server"})
    assert going(gone, week) == []
    assert gone.lanes[0].snapshots[0].decision.reasons == ("the source is gone from its server",)
    foreign = week.plan(policy("other"))
    assert going(foreign, week) == []
    assert foreign.lanes[0].snapshots[0].decision.reasons == ("no policy is called land: nothing says how long",)


def test_a_copy_gives_up_nothing_that_a_store_has_whole(week: Office) -> None:
    week.run(week.plan(stores=["store0"]))
    first, second = week.repository.replicas
    report = catch_up([first], second, week.repository.trust, doubtful=[made.run for made in week.past.made],
                      key=HOUSEHOLD.maintainer, clock=week.clock)  # fmt: skip
    assert report.problems == ()
    week.judge(*range(7), store="store1")


def test_only_what_is_named_is_pruned(week: Office) -> None:
    other = Past(week.repository, SetClock(), week.store_clock, source="tax/d1")
    other.nights(7)
    week.at(FIRST_SLOT + 6 * DAY + 12 * HOUR)
    rules = [policy(), policy("tax")]
    assert {lane.source for lane in week.plan(*rules).lanes} == {"land", "tax/d1"}
    for wanted in ("tax", "tax/d1"):
        assert {lane.source for lane in week.plan(*rules, wanted=[wanted]).lanes} == {"tax/d1"}
    with pytest.raises(PolicyUnknown):
        week.plan(*rules, wanted=["taxes"])


def test_a_store_that_is_not_fit_is_left_alone(week: Office) -> None:
    def require_fit(store: str) -> None:
        if store == "store0":
            raise StoreUnfit("a second put overwrote the first")

    report = week.run(week.plan(), require_fit=require_fit)
    assert not report.complete
    assert [(one.plan.store, one.error is not None) for one in report.lanes] == [("store0", True), ("store1", False)]
    week.judge(*range(7), store="store0")
    week.judge(3, 4, 5, 6, store="store1")


def test_the_catalog_hears_of_it_and_a_rebuilt_one_says_the_same(week: Office, catalog: Catalog) -> None:
    rebuild_catalog(week.repository, catalog)
    assert len(catalog.snapshots()) == 7
    week.run(week.plan())
    assert whole(catalog) == {(str(made.run), store) for made in week.past.made[3:] for store in ("store0", "store1")}
    (event, _) = catalog.events(kinds=["pruned"])
    assert event.details["snapshots"] == [str(made.run) for made in week.past.made[:3]]
    rebuild_catalog(week.repository, catalog)
    assert {record.snapshot for record in catalog.snapshots()} == {str(made.run) for made in week.past.made[3:]}


def whole(catalog: Catalog) -> set[tuple[str, str]]:
    return {(copy.snapshot, copy.store) for copy in catalog.copies() if copy.state is CopyState.COMPLETE}


def test_a_catalog_that_missed_a_prune_hears_of_it_at_the_next(week: Office, catalog: Catalog) -> None:
    rebuild_catalog(week.repository, catalog)
    records = catalog.snapshots(), catalog.copies()
    week.run(week.plan())
    catalog.replace_listing(*records)
    week.run(week.plan())
    assert len(whole(catalog)) == 8


def test_a_copy_knows_what_was_given_up(week: Office) -> None:
    """A store that was away, and a new one, hold after a copy what the others hold, and backups go on in all of them."""
    week.run(week.plan(stores=["store0"]))
    again = catch_up([week.repository.replicas[1]], week.repository.replicas[0], week.repository.trust,
                     doubtful=[made.run for made in week.past.made])  # fmt: skip
    assert again.problems == ()
    week.judge(3, 4, 5, 6, store="store0")
    week.run(week.plan())
    new = MemoryStore(week.store_clock)
    copied = catch_up(week.repository.replicas, Replica(name="store2", store=new), week.repository.trust,
                      key=HOUSEHOLD.maintainer, clock=week.clock)  # fmt: skip
    assert copied.problems == ()
    assert [one.link.sequence for one in copied.snapshots] == [4, 5, 6, 7]
    assert all(one.is_whole for one in copied.snapshots)
    week.repository = week.open(*week.stores, new)
    week.judge(3, 4, 5, 6, store="store2")
    week.past.repository = week.repository
    made = week.past.nights(1, FIRST_SLOT + 7 * DAY)[0]
    assert set(made.copies) == {"store0", "store1", "store2"}
