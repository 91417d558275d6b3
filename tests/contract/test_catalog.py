"""What every catalog promises (drorch/catalog/interface.py), tried on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import unicodedata
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import event

from drorch.catalog.interface import (
    LOG_LINES_KEPT,
    Catalog,
    CopyState,
    LaneHead,
    LogLine,
    RunState,
    SeenDatabase,
    SnapshotRecord,
    SnapshotResult,
    SourceState,
    StoreContact,
)
from drorch.catalog.sql import SqlCatalog
from drorch.errors import Bug, ChainBroken, NothingDone, SnapshotUnknown, UsageInvalid
from tests.support.catalogs import (
    START,
    CatalogPlace,
    a_claim,
    a_copy,
    a_digest,
    a_policy,
    a_run,
    a_snapshot,
    a_source,
    after,
    an_event,
    an_id,
    an_outcome,
)

HEAD = LaneHead(store="hanoi", lane="0a" * 16, sequence=7, manifest_digest=a_digest("seven"))


def always(pid: int, started: str) -> bool:
    return True


def never(pid: int, started: str) -> bool:
    return False


def ids(snapshots: tuple[SnapshotRecord, ...]) -> list[str]:
    return [snapshot.snapshot for snapshot in snapshots]


class TestRuns:
    def test_a_run_that_began_is_running(self, catalog: Catalog) -> None:
        run = a_run(slot=after(-60))
        catalog.begin_run(run)
        assert catalog.run(run.run_id) == run
        assert catalog.runs() == (run,)

    def test_a_run_that_ended_keeps_how_it_began_and_says_how_it_ended(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        outcome = an_outcome(
            RunState.FAILED,
            bytes_read=1,
            bytes_stored=2,
            rows=3,
            tables=4,
            snapshot=run.run_id,
            error_slug="source-login",
            error_code=21,
            error_message="the database rejected the password",
            hint="sửa mật khẩu",
        )
        ended = catalog.end_run(run.run_id, outcome)
        changed = {part.name: getattr(outcome, part.name) for part in fields(outcome)}
        assert ended == replace(run, **changed)
        assert catalog.run(run.run_id) == ended

    @pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.RUNNING])
    def test_a_run_ends_once(self, catalog: Catalog, state: RunState) -> None:
        run = a_run()
        catalog.begin_run(run)
        ended = catalog.end_run(run.run_id, an_outcome(state))
        with pytest.raises(Bug, match="only a running run") as refusal:
            catalog.end_run(run.run_id, an_outcome(RunState.COMPLETE))
        assert refusal.value.found == state.value
        assert catalog.run(run.run_id) == ended

    def test_a_run_begins_as_running_and_once(self, catalog: Catalog) -> None:
        run = a_run()
        with pytest.raises(Bug, match="begins as running"):
            catalog.begin_run(replace(run, state=RunState.COMPLETE))
        assert catalog.runs() == ()
        catalog.begin_run(run)
        with pytest.raises(Bug, match="begun before"):
            catalog.begin_run(replace(run, source="another"))
        assert catalog.runs() == (run,)

    def test_a_run_that_is_not_known_cannot_end_or_be_found(self, catalog: Catalog) -> None:
        with pytest.raises(Bug):
            catalog.end_run(an_id(), an_outcome())
        assert catalog.run(an_id()) is None

    def test_runs_are_listed_newest_first_and_filtered(self, catalog: Catalog) -> None:
        old = a_run(started_at=after(1), source="civil-status", policy="civil-status")
        middle = a_run(started_at=after(2), operation="verify")
        new = a_run(started_at=after(3))
        for run in (middle, new, old):
            catalog.begin_run(run)
        failed = catalog.end_run(middle.run_id, an_outcome(RunState.FAILED))
        assert catalog.runs() == (new, failed, old)
        assert catalog.runs(limit=2) == (new, failed)
        assert catalog.runs(source="civil-status") == (old,)
        assert catalog.runs(policy="lamdong-land") == (new, failed)
        assert catalog.runs(operation="verify") == (failed,)
        assert catalog.runs(states=[RunState.FAILED, RunState.CRASHED]) == (failed,)
        assert catalog.runs(since=after(2)) == (new, failed)
        assert catalog.runs(policy="lamdong-land", operation="backup", limit=5) == (new,)

    def test_runs_of_one_moment_have_one_order(self, catalog: Catalog) -> None:
        for run in [a_run() for _ in range(6)]:
            catalog.begin_run(run)
        listed = [run.run_id for run in catalog.runs()]
        assert listed == sorted(listed, reverse=True)

    def test_the_newest_run_of_each_source_is_found(self, catalog: Catalog) -> None:
        newest = {}
        for source in ("district-land/land_d1", "district-land/land_d2", "scans"):
            for second in (1, 3, 2):
                run = a_run(source=source, started_at=after(second))
                catalog.begin_run(run)
                if second == 3:
                    newest[source] = run
            catalog.begin_run(a_run(source=source, started_at=after(9), operation="verify"))
        assert catalog.newest_run_by_source(operation="backup") == newest
        assert catalog.newest_run_by_source(operation="drill") == {}

    def test_a_run_is_found_by_the_beginning_of_its_id(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        assert catalog.find_run(run.run_id[:8].upper()) == run
        with pytest.raises(UsageInvalid, match="no run of that id"):
            catalog.find_run("%")


class TestCrashedRuns:
    def test_a_run_whose_process_is_gone_is_recognised_once(self, catalog: Catalog) -> None:
        gone = a_run(pid=1, process_started="a", started_at=after(1))
        reused = a_run(pid=2, process_started="an earlier one", started_at=after(2))
        alive = a_run(pid=2, process_started="b", started_at=after(3))
        for run in (gone, reused, alive):
            catalog.begin_run(run)
        living = {(2, "b")}

        def is_alive(pid: int, started: str) -> bool:
            return (pid, started) in living

        crashed = catalog.recognise_crashed_runs(host="backup1", is_alive=is_alive, now=after(60))
        expected = [replace(run, state=RunState.CRASHED, ended_at=after(60)) for run in (reused, gone)]
        assert crashed == tuple(expected)
        assert catalog.runs() == (alive, *expected)
        assert catalog.recognise_crashed_runs(host="backup1", is_alive=is_alive, now=after(90)) == ()

    def test_runs_of_another_host_and_runs_that_ended_are_left_alone(self, catalog: Catalog) -> None:
        elsewhere, ended = a_run(host="backup2"), a_run()
        catalog.begin_run(elsewhere)
        catalog.begin_run(ended)
        catalog.end_run(ended.run_id, an_outcome())
        assert catalog.recognise_crashed_runs(host="backup1", is_alive=never, now=after(60)) == ()
        assert catalog.runs(states=[RunState.RUNNING]) == (elsewhere,)

    def test_a_crashed_run_holds_its_source_no_longer(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        catalog.claim_source(a_claim(run_id=run.run_id), is_alive=always)
        catalog.recognise_crashed_runs(host="backup1", is_alive=never, now=after(60))
        assert catalog.claims() == ()

    def test_of_many_that_look_at_once_each_run_is_returned_to_one(self, catalog: Catalog) -> None:
        runs = [a_run() for _ in range(20)]
        for run in runs:
            catalog.begin_run(run)
        with ThreadPoolExecutor(4) as threads:
            looks = [
                threads.submit(catalog.recognise_crashed_runs, host="backup1", is_alive=never, now=START)
                for _ in range(8)
            ]
            found = [run.run_id for look in looks for run in look.result()]
        assert sorted(found) == sorted(run.run_id for run in runs)


class TestLog:
    def test_the_last_lines_are_kept_in_order(self, catalog: Catalog) -> None:
        run, other = a_run(), a_run()
        catalog.begin_run(run)
        catalog.begin_run(other)
        lines = [LogLine(at=after(number), text=f"dòng {number}") for number in range(LOG_LINES_KEPT + 250)]
        catalog.append_log(other.run_id, lines[:3])
        for start in range(0, len(lines), 100):
            catalog.append_log(run.run_id, lines[start : start + 100])
        assert catalog.log_lines(run.run_id) == tuple(lines[-LOG_LINES_KEPT:])
        assert catalog.log_lines(other.run_id) == tuple(lines[:3])

    def test_more_lines_at_once_than_are_kept(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        lines = [LogLine(at=START, text=str(number)) for number in range(LOG_LINES_KEPT * 2)]
        catalog.append_log(run.run_id, lines)
        assert catalog.log_lines(run.run_id) == tuple(lines[-LOG_LINES_KEPT:])

    def test_threads_that_log_for_one_run_lose_nothing(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        texts = [str(number) for number in range(60)]
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda text: catalog.append_log(run.run_id, [LogLine(at=START, text=text)]), texts))
        assert sorted(line.text for line in catalog.log_lines(run.run_id)) == sorted(texts)

    def test_lines_need_a_run(self, catalog: Catalog) -> None:
        with pytest.raises(Bug, match="was begun"):
            catalog.append_log(an_id(), [LogLine(at=START, text="lost")])
        catalog.append_log(an_id(), [])

    def test_text_that_a_database_refuses_is_kept_visibly(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        catalog.append_log(
            run.run_id, [LogLine(at=START, text="a\0b \udc80 \U0001f4be"), LogLine(at=START, text="x" * 9999)]
        )
        first, second = catalog.log_lines(run.run_id)
        assert first.text == "a\\x00b \\udc80 \U0001f4be"
        assert len(second.text) < 9999


class TestEvents:
    def test_events_are_listed_newest_first_and_filtered(self, catalog: Catalog) -> None:
        first = an_event(at=after(1), kind="source-gone", source="district-land/land_d673")
        second = an_event(at=after(2), run_id=an_id(), details={"tries": 4, "tên": "Đà Lạt", "none": None})
        third = an_event(at=after(2), message="later of one moment")
        for happened in (first, second, third):
            catalog.record_event(happened)
        assert catalog.events() == (third, second, first)
        assert catalog.events(limit=1) == (third,)
        assert catalog.events(source="district-land/land_d673") == (first,)
        assert catalog.events(run_id=second.run_id) == (second,)
        assert catalog.events(kinds=["run-failed"]) == (third, second)
        assert catalog.events(since=after(2)) == (third, second)

    def test_details_come_back_as_they_were(self, catalog: Catalog) -> None:
        details = {"nul": "a\0b", "surrogate": "\\\udc80", "nested": [1, {"x": "Tỉnh"}], "big": 2**70}
        catalog.record_event(an_event(details=details))
        assert catalog.events()[0].details == details


class TestPurge:
    def test_old_history_goes_and_what_exists_stays(self, catalog: Catalog) -> None:
        old, running, new = a_run(), a_run(), a_run()
        for run in (old, running, new):
            catalog.begin_run(run)
        catalog.append_log(old.run_id, [LogLine(at=START, text="old")])
        catalog.end_run(old.run_id, an_outcome(ended_at=after(10)))
        ended = catalog.end_run(new.run_id, an_outcome(ended_at=after(30)))
        snapshot = a_snapshot(snapshot=old.run_id)
        catalog.record_snapshot(snapshot, [a_copy(snapshot)])
        catalog.record_event(an_event(at=after(10)))
        late = an_event(at=after(20))
        catalog.record_event(late)
        assert catalog.purge_history(after(20)) == 1
        assert set(catalog.runs()) == {running, ended}
        assert catalog.log_lines(old.run_id) == ()
        assert catalog.events() == (late,)
        assert catalog.snapshots() == (snapshot,)
        assert catalog.copies() == (a_copy(snapshot),)


class TestSnapshots:
    def test_snapshots_are_listed_newest_restore_point_first_and_filtered(self, catalog: Catalog) -> None:
        old = a_snapshot(restore_point=after(1))
        new = a_snapshot(restore_point=after(3), source="civil-status", policy="civil-status", engine="sqlite")
        middle = a_snapshot(restore_point=after(2), result=SnapshotResult.PARTIAL)
        for snapshot in (middle, new, old):
            catalog.record_snapshot(snapshot)
        assert catalog.snapshots() == (new, middle, old)
        assert catalog.snapshots(source="lamdong-land") == (middle, old)
        assert catalog.snapshots(policy="civil-status") == (new,)
        assert catalog.snapshots(limit=1) == (new,)

    def test_recording_again_replaces(self, catalog: Catalog) -> None:
        snapshot = a_snapshot()
        catalog.record_snapshot(snapshot, [a_copy(snapshot, state=CopyState.BEHIND)])
        catalog.record_snapshot(snapshot, [a_copy(snapshot), a_copy(snapshot, "dalat")])
        assert catalog.snapshots() == (snapshot,)
        assert catalog.copies() == (a_copy(snapshot, "dalat"), a_copy(snapshot))

    def test_a_copy_follows_what_was_last_seen(self, catalog: Catalog) -> None:
        snapshot, other = a_snapshot(), a_snapshot()
        catalog.record_snapshot(snapshot, [a_copy(snapshot)])
        catalog.record_snapshot(other, [a_copy(other)])
        damaged = a_copy(snapshot, state=CopyState.DAMAGED)
        catalog.record_copy(damaged)
        assert catalog.copies(of=[snapshot.snapshot]) == (damaged,)
        assert catalog.copies(of=[other.snapshot], store="hanoi") == (a_copy(other),)
        assert catalog.copies(store="dalat") == ()
        assert catalog.copies(of=[]) == ()

    def test_copies_of_any_number_of_snapshots(self, catalog: Catalog) -> None:
        made = [a_snapshot() for _ in range(700)]
        copies = sorted((a_copy(snapshot) for snapshot in made), key=lambda copy: copy.snapshot)
        catalog.replace_listing(made, copies)
        asked = [snapshot.snapshot for snapshot in made[1:]]
        expected = tuple(copy for copy in copies if copy.snapshot != made[0].snapshot)
        assert catalog.copies(of=[*asked, *asked, an_id()]) == expected

    def test_a_copy_needs_its_snapshot(self, catalog: Catalog) -> None:
        with pytest.raises(Bug):
            catalog.record_copy(a_copy(a_snapshot()))
        one = a_snapshot()
        with pytest.raises(Bug, match="own copies"):
            catalog.record_snapshot(one, [a_copy(a_snapshot())])
        assert catalog.snapshots() == ()
        assert catalog.copies() == ()

    def test_large_numbers_are_kept(self, catalog: Catalog) -> None:
        snapshot = a_snapshot(bytes_read=2**62, bytes_stored=2**62, rows=2**62, sequence=10**12 - 1)
        catalog.record_snapshot(snapshot)
        assert catalog.snapshots() == (snapshot,)


class TestFindSnapshot:
    def test_any_unique_beginning_in_either_case_names_a_snapshot(self, catalog: Catalog) -> None:
        snapshot = a_snapshot(snapshot="7kq2m9xd" + "0" * 18)
        other = a_snapshot(snapshot="7kr00000" + "0" * 18)
        catalog.record_snapshot(snapshot)
        catalog.record_snapshot(other)
        assert catalog.find_snapshot("7kq") == snapshot
        assert catalog.find_snapshot("7KQ2M9XD") == snapshot
        assert catalog.find_snapshot(other.snapshot) == other

    def test_an_ambiguous_beginning_names_the_candidates(self, catalog: Catalog) -> None:
        candidates = sorted("7k" + letter * 24 for letter in "0123456789")
        for candidate in candidates:
            catalog.record_snapshot(a_snapshot(snapshot=candidate))
        with pytest.raises(SnapshotUnknown, match="several snapshots begin with 7k") as refusal:
            catalog.find_snapshot("7k")
        assert refusal.value.found == ", ".join([*candidates[:8], "..."])
        catalog.record_snapshot(a_snapshot(snapshot="8" + "0" * 25))
        assert catalog.find_snapshot("8").snapshot == "8" + "0" * 25

    @pytest.mark.parametrize("prefix", ["", "zzz", "7k%", "_", "7k'", "\0", "7kq2m9xd" * 9, "đ", "latest"])
    def test_what_names_nothing_is_unknown(self, catalog: Catalog, prefix: str) -> None:
        catalog.record_snapshot(a_snapshot(snapshot="7kq2m9xd" + "0" * 18))
        with pytest.raises(SnapshotUnknown, match="no snapshot of that id"):
            catalog.find_snapshot(prefix)


class TestNewestGood:
    def test_only_a_complete_snapshot_with_a_complete_copy_is_good(self, catalog: Catalog) -> None:
        good = a_snapshot(restore_point=after(1))
        partial = a_snapshot(restore_point=after(2), result=SnapshotResult.PARTIAL)
        nowhere = a_snapshot(restore_point=after(3))
        broken = a_snapshot(restore_point=after(4))
        catalog.record_snapshot(good, [a_copy(good, state=CopyState.DAMAGED), a_copy(good, "dalat")])
        catalog.record_snapshot(partial, [a_copy(partial)])
        catalog.record_snapshot(nowhere)
        states = (CopyState.DAMAGED, CopyState.ABSENT, CopyState.BEHIND)
        catalog.record_snapshot(broken, [a_copy(broken, state.value, state) for state in states])
        assert catalog.newest_good("lamdong-land") == good
        assert catalog.newest_good_by_source() == {"lamdong-land": good}
        catalog.record_copy(a_copy(broken, "dalat"))
        assert catalog.newest_good("lamdong-land") == broken
        assert catalog.newest_good_by_source() == {"lamdong-land": broken}

    def test_not_after_the_moment_asked_for(self, catalog: Catalog) -> None:
        old, new = a_snapshot(restore_point=after(1)), a_snapshot(restore_point=after(5))
        for snapshot in (new, old):
            catalog.record_snapshot(snapshot, [a_copy(snapshot)])
        assert catalog.newest_good("lamdong-land", before=after(5)) == new
        assert catalog.newest_good("lamdong-land", before=after(4.999)) == old
        assert catalog.newest_good("lamdong-land", before=after(0.5)) is None
        assert catalog.newest_good("civil-status") is None

    def test_each_source_has_its_own(self, catalog: Catalog) -> None:
        newest = {}
        for source in ("district-land/land_d1", "district-land/land_d2"):
            for second in (1, 3, 2):
                snapshot = a_snapshot(source=source, restore_point=after(second))
                catalog.record_snapshot(snapshot, [a_copy(snapshot)])
                if second == 3:
                    newest[source] = snapshot
        assert catalog.newest_good_by_source() == newest


class TestReplaceListing:
    def test_everything_is_replaced_and_heads_stay(self, catalog: Catalog) -> None:
        gone, kept, found = a_snapshot(), a_snapshot(), a_snapshot(restore_point=after(9))
        for snapshot in (gone, kept):
            catalog.record_snapshot(snapshot, [a_copy(snapshot), a_copy(snapshot, "dalat")])
        catalog.remember_head(HEAD)
        better = replace(kept, engine="postgresql 15")
        catalog.replace_listing(iter([better, found]), iter([a_copy(better), a_copy(found)]))
        assert catalog.snapshots() == (found, better)
        assert set(catalog.copies()) == {a_copy(better), a_copy(found)}
        assert catalog.heads() == (HEAD,)

    def test_what_stores_hold_that_could_not_be_read_stays(self, catalog: Catalog) -> None:
        both, hanoi_only, dalat_only = a_snapshot(), a_snapshot(), a_snapshot()
        catalog.record_snapshot(both, [a_copy(both), a_copy(both, "dalat")])
        catalog.record_snapshot(hanoi_only, [a_copy(hanoi_only)])
        catalog.record_snapshot(dalat_only, [a_copy(dalat_only, "dalat")])
        catalog.replace_listing([], [], stores=["hanoi"])
        assert set(catalog.snapshots()) == {both, dalat_only}
        assert set(catalog.copies()) == {a_copy(both, "dalat"), a_copy(dalat_only, "dalat")}

    def test_a_copy_of_a_store_that_was_not_read_is_a_contradiction(self, catalog: Catalog) -> None:
        snapshot = a_snapshot()
        with pytest.raises(Bug):
            catalog.replace_listing([snapshot], [a_copy(snapshot, "dalat")], stores=["hanoi"])

    def test_all_or_nothing(self, catalog: Catalog) -> None:
        before = a_snapshot()
        catalog.record_snapshot(before, [a_copy(before)])
        with pytest.raises(Bug):
            catalog.replace_listing([a_snapshot()], [a_copy(a_snapshot())])
        assert catalog.snapshots() == (before,)
        assert catalog.copies() == (a_copy(before),)

    def test_a_lost_catalog_gives_the_same_listing_when_it_is_made_again(self, catalog: Catalog) -> None:
        made = [a_snapshot(restore_point=after(number % 7), source=f"s{number % 3}") for number in range(40)]
        for snapshot in made:
            catalog.record_snapshot(snapshot, [a_copy(snapshot), a_copy(snapshot, "dalat", CopyState.BEHIND)])
        listing, copies = catalog.snapshots(), catalog.copies()
        catalog.replace_listing([], [])
        assert catalog.snapshots() == ()
        catalog.replace_listing(reversed(made), reversed(copies))
        assert (catalog.snapshots(), catalog.copies()) == (listing, copies)


class TestHeads:
    def test_a_head_grows(self, catalog: Catalog) -> None:
        catalog.remember_head(HEAD)
        catalog.remember_head(HEAD)
        grown = replace(HEAD, sequence=9, manifest_digest=a_digest("nine"))
        catalog.remember_head(grown)
        assert catalog.heads() == (grown,)

    def test_a_chain_cut_short_is_told(self, catalog: Catalog) -> None:
        catalog.remember_head(HEAD)
        with pytest.raises(ChainBroken, match="shorter than it was") as refusal:
            catalog.remember_head(replace(HEAD, sequence=6))
        assert (refusal.value.expected, refusal.value.found) == ("manifest 7 or later", "manifest 6")
        assert catalog.heads() == (HEAD,)

    def test_a_fork_is_told(self, catalog: Catalog) -> None:
        catalog.remember_head(HEAD)
        with pytest.raises(ChainBroken, match="fork"):
            catalog.remember_head(replace(HEAD, manifest_digest=a_digest("other")))
        assert catalog.heads() == (HEAD,)

    def test_each_lane_in_each_store_has_its_own(self, catalog: Catalog) -> None:
        behind = replace(HEAD, store="dalat", sequence=3)
        other = replace(HEAD, lane="0b" * 16, sequence=1)
        for head in (HEAD, behind, other):
            catalog.remember_head(head)
        assert catalog.heads() == (behind, HEAD, other)
        assert catalog.heads(store="hanoi") == (HEAD, other)
        assert catalog.heads(lane=HEAD.lane, store="dalat") == (behind,)

    def test_threads_in_any_order_leave_the_longest(self, catalog: Catalog) -> None:
        def remember(sequence: int) -> None:
            with suppress(ChainBroken):
                catalog.remember_head(replace(HEAD, sequence=sequence, manifest_digest=a_digest(str(sequence))))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(remember, [number * 37 % 60 for number in range(60)]))
        assert [head.sequence for head in catalog.heads()] == [59]

    def test_a_head_that_grows_while_another_compares_does_not_shrink(
        self, place: CatalogPlace, catalog: SqlCatalog
    ) -> None:
        catalog.remember_head(HEAD)
        other = place.open()
        started: list[Future[None]] = []

        def let_another_grow(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.startswith("SELECT") and not started:
                started.append(threads.submit(other.remember_head, replace(HEAD, sequence=12)))
                wait(started, timeout=0.3)

        with ThreadPoolExecutor(1) as threads:
            event.listen(catalog._engine, "after_cursor_execute", let_another_grow)
            catalog.remember_head(replace(HEAD, sequence=11))
            started[0].result()
        assert [head.sequence for head in other.heads()] == [12]
        other.close()


class TestPolicies:
    def test_a_text_is_kept_to_the_byte_once(self, catalog: Catalog) -> None:
        text = "name: đất\r\n# " + unicodedata.normalize("NFD", "Lâm Đồng") + "\n\ttab \n"
        policy = a_policy(text)
        catalog.remember_policy(policy)
        catalog.remember_policy(a_policy(text, seen=50))
        assert catalog.policy_text(policy.digest) == policy
        assert catalog.policy_text(a_digest("unknown")) is None

    def test_the_text_in_force_at_a_moment(self, catalog: Catalog) -> None:
        first, second, third = a_policy("a: 1", seen=10), a_policy("a: 2", seen=20), a_policy("a: 1", seen=30)
        other = a_policy("b: 1", name="scans", seen=15)
        for policy in (first, a_policy("a: 1", seen=12), second, other, third):
            catalog.remember_policy(policy)
        assert catalog.policy_at("lamdong-land", after(9)) is None
        assert catalog.policy_at("lamdong-land", after(10)) == first
        assert catalog.policy_at("lamdong-land", after(19.999)) == first
        assert catalog.policy_at("lamdong-land", after(25)) == second
        assert catalog.policy_at("lamdong-land", after(99)) == third
        assert catalog.policy_at("scans", after(99)) == other
        assert catalog.policy_text(first.digest) == first

    def test_a_digest_of_something_else_is_refused(self, catalog: Catalog) -> None:
        with pytest.raises(Bug, match="digest"):
            catalog.remember_policy(replace(a_policy("a: 1"), text="a: 2"))
        assert catalog.policy_at("lamdong-land", after(99)) is None


class TestSources:
    def test_a_source_is_what_was_last_said_of_it(self, catalog: Catalog) -> None:
        source = a_source()
        catalog.put_source(source)
        gone = replace(source, state=SourceState.GONE, generation=2, last_seen_at=after(5))
        catalog.put_source(gone)
        assert catalog.source(source.address) == gone
        assert catalog.source("unknown") is None

    def test_sources_are_listed_by_address(self, catalog: Catalog) -> None:
        listed = [
            a_source(address=address, policy=address.split("/")[0])
            for address in ("civil-status", "district-land/land_d1", "district-land/land_d2")
        ]
        for source in reversed(listed):
            catalog.put_source(source)
        assert catalog.sources() == tuple(listed)
        assert catalog.sources(policy="district-land") == tuple(listed[1:])


class TestClaims:
    def test_one_run_of_a_source_at_a_time(self, catalog: Catalog) -> None:
        holder = a_claim()
        catalog.claim_source(holder, is_alive=always)
        with pytest.raises(NothingDone, match="another run holds lamdong-land") as refusal:
            catalog.claim_source(a_claim(pid=5), is_alive=always)
        assert f"backup {holder.run_id[:8]}, process 4711 on backup1, since 2026-11-22T01:04:11Z" in refusal.value.found
        assert "adopt" not in refusal.value.hint
        assert catalog.claims() == (holder,)
        other = a_claim(source="civil-status")
        catalog.claim_source(other, is_alive=always)
        assert catalog.claims() == (other, holder)

    def test_a_claim_of_a_dead_process_is_taken_over(self, catalog: Catalog) -> None:
        catalog.claim_source(a_claim(pid=1, process_started="a"), is_alive=always)
        asked = []

        def is_alive(pid: int, started: str) -> bool:
            asked.append((pid, started))
            return False

        heir = a_claim(pid=2, claimed_at=after(60))
        catalog.claim_source(heir, is_alive=is_alive)
        assert asked == [(1, "a")]
        assert catalog.claims() == (heir,)

    def test_a_claim_of_another_host_is_held_until_its_run_ends(self, catalog: Catalog) -> None:
        far = a_claim(host="backup2")
        catalog.claim_source(far, is_alive=always)
        with pytest.raises(NothingDone) as refusal:
            catalog.claim_source(a_claim(), is_alive=never)
        assert "if backup2 is gone for good" in refusal.value.hint
        catalog.begin_run(a_run(run_id=far.run_id))
        catalog.end_run(far.run_id, an_outcome(RunState.FAILED))
        catalog.claim_source(a_claim(), is_alive=never)

    def test_a_claim_ends_with_its_run(self, catalog: Catalog) -> None:
        run = a_run()
        catalog.claim_source(a_claim(run_id=run.run_id), is_alive=always)
        catalog.begin_run(run)
        catalog.end_run(run.run_id, an_outcome(RunState.FAILED))
        assert catalog.claims() == ()

    def test_of_threads_that_claim_at_once_one_wins(self, catalog: Catalog) -> None:
        catalog.claim_source(a_claim(pid=1), is_alive=always)

        def try_to_claim(pid: int) -> bool:
            try:
                catalog.claim_source(a_claim(pid=pid), is_alive=lambda pid, _started: pid != 1)
            except NothingDone:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            won = list(threads.map(try_to_claim, range(2, 18)))
        assert won.count(True) == 1


class TestValues:
    def test_names_that_differ_only_in_composition_are_one_name(self, catalog: Catalog) -> None:
        composed, decomposed = (unicodedata.normalize(form, "hộ-tịch/Đà Lạt") for form in ("NFC", "NFD"))
        assert composed != decomposed
        snapshot = a_snapshot(source=decomposed)
        catalog.record_snapshot(snapshot, [a_copy(snapshot)])
        catalog.put_source(a_source(address=composed))
        catalog.put_source(a_source(address=decomposed, generation=2))
        found = catalog.newest_good(composed)
        assert found is not None
        assert found.source == composed
        assert catalog.newest_good(decomposed) == found
        assert [source.generation for source in catalog.sources()] == [2]
        catalog.claim_source(a_claim(source=decomposed), is_alive=always)
        with pytest.raises(NothingDone):
            catalog.claim_source(a_claim(source=composed), is_alive=always)

    def test_times_of_any_zone_come_back_in_utc_to_the_millisecond(self, catalog: Catalog) -> None:
        hanoi = timezone(timedelta(hours=7))
        run = a_run(
            started_at=datetime(2026, 11, 22, 8, 4, 11, 123_456, tzinfo=hanoi), slot=datetime(1969, 1, 1, tzinfo=UTC)
        )
        catalog.begin_run(run)
        found = catalog.run(run.run_id)
        assert found is not None
        assert found.started_at == datetime(2026, 11, 22, 1, 4, 11, 123_000, tzinfo=UTC)
        assert found.started_at.tzinfo is UTC
        assert found.slot == datetime(1969, 1, 1, tzinfo=UTC)

    def test_a_naive_time_is_a_bug_and_leaves_nothing(self, catalog: Catalog) -> None:
        with pytest.raises(Bug, match="cannot keep"):
            catalog.begin_run(a_run(started_at=datetime(2026, 11, 22)))  # noqa: DTZ001
        assert catalog.runs() == ()

    @pytest.mark.parametrize("name", ["'; DROP TABLE runs; --", 'a"b', "new\nline", "💾", "%", "x" * 3000])
    def test_any_name_is_kept(self, catalog: Catalog, name: str) -> None:
        catalog.begin_run(a_run(source=name))
        catalog.begin_run(a_run(source="other"))
        assert [run.source for run in catalog.runs(source=name)] == [name]


class TestReopening:
    def test_everything_is_there_after_reopening(self, place: CatalogPlace) -> None:
        first = place.open()
        run, snapshot = a_run(), a_snapshot()
        first.begin_run(run)
        first.record_snapshot(snapshot, [a_copy(snapshot)])
        first.remember_head(HEAD)
        first.close()
        second = place.open()
        try:
            assert second.runs() == (run,)
            assert second.snapshots() == (snapshot,)
            assert second.heads() == (HEAD,)
        finally:
            second.close()

    def test_two_that_have_it_open_see_each_other(self, place: CatalogPlace, catalog: Catalog) -> None:
        other = place.open()
        try:
            run = a_run()
            other.begin_run(run)
            assert catalog.runs() == (run,)
        finally:
            other.close()

    def test_the_address_says_where_it_is(self, place: CatalogPlace, catalog: Catalog) -> None:
        assert catalog.address == place.where


class TestDatabasesOfServers:
    SERVER = "postgresql://legacy.example/"

    def test_what_a_server_named_before_and_does_not_now_is_gone(self, catalog: Catalog) -> None:
        catalog.record_databases("district-land", self.SERVER, ["land_d2", "land_d1"], at=START)
        catalog.record_databases("district-land", self.SERVER, ["land_d1", "land_d3"], at=after(60))
        found = {one.name: one for one in catalog.seen_databases(asked_by="district-land")}
        assert list(found) == ["land_d1", "land_d2", "land_d3"]
        assert (found["land_d1"].first_seen_at, found["land_d1"].last_seen_at) == (START, after(60))
        assert (found["land_d2"].last_seen_at, found["land_d2"].gone_at) == (START, after(60))
        assert found["land_d3"] == SeenDatabase(
            asked_by="district-land",
            server=self.SERVER,
            name="land_d3",
            first_seen_at=after(60),
            last_seen_at=after(60),
            gone_at=None,
        )

    def test_gone_is_told_from_when_it_first_was_and_ends_when_it_comes_back(self, catalog: Catalog) -> None:
        for seconds, names in ((0, ["land"]), (60, []), (120, [])):
            catalog.record_databases("p", self.SERVER, names, at=after(seconds))
        assert [one.gone_at for one in catalog.seen_databases()] == [after(60)]
        catalog.record_databases("p", self.SERVER, ["land"], at=after(180))
        assert [(one.gone_at, one.first_seen_at) for one in catalog.seen_databases()] == [(None, START)]

    def test_what_one_was_told_takes_nothing_from_another(self, catalog: Catalog) -> None:
        catalog.record_databases("one", self.SERVER, ["land", "hr"], at=START)
        catalog.record_databases("two", self.SERVER, ["hr"], at=after(60))
        assert [(one.asked_by, one.name, one.gone_at) for one in catalog.seen_databases()] == [
            ("one", "hr", None),
            ("one", "land", None),
            ("two", "hr", None),
        ]

    def test_a_name_is_one_however_its_letters_are_composed(self, catalog: Catalog) -> None:
        catalog.record_databases("p", self.SERVER, ["sổ"], at=START)
        catalog.record_databases("p", self.SERVER, [unicodedata.normalize("NFD", "sổ")], at=after(60))
        assert [(one.name, one.gone_at) for one in catalog.seen_databases()] == [("sổ", None)]


class TestNewNames:
    def test_a_renamed_source_goes_on_and_the_old_name_is_retired(self, catalog: Catalog) -> None:
        old = a_source()
        catalog.put_source(old)
        catalog.rename_source("merged/land_d595", old.address)
        assert catalog.source("merged/land_d595") == replace(old, address="merged/land_d595", policy="merged")
        assert catalog.source(old.address) == replace(old, state=SourceState.RETIRED)
        assert catalog.former_names() == {"merged/land_d595": old.address}

    def test_a_second_new_name_leads_back_to_the_first(self, catalog: Catalog) -> None:
        catalog.put_source(a_source(address="one", policy="one"))
        catalog.rename_source("two", "one")
        catalog.rename_source("three", "two")
        assert catalog.former_names() == {"two": "one", "three": "one"}

    @pytest.mark.parametrize(("address", "was"), [("known", "also"), ("new", "unknown")])
    def test_what_makes_no_sense_is_refused(self, catalog: Catalog, address: str, was: str) -> None:
        for name in ("known", "also"):
            catalog.put_source(a_source(address=name, policy=name))
        with pytest.raises(Bug):
            catalog.rename_source(address, was)
        assert catalog.former_names() == {}


class TestBadTries:
    def test_only_what_failed_after_the_last_good_run_counts(self, catalog: Catalog) -> None:
        def ran(source: str, seconds: float, state: RunState, slug: str | None = None) -> None:
            run = a_run(source=source, started_at=after(seconds))
            catalog.begin_run(run)
            catalog.end_run(run.run_id, an_outcome(state, error_slug=slug, ended_at=after(seconds + 1)))

        ran("a", 0, RunState.FAILED, "source-login")
        ran("a", 10, RunState.COMPLETE)
        ran("a", 20, RunState.FAILED, "source-login")
        ran("a", 30, RunState.CRASHED)
        ran("a", 40, RunState.FAILED, "nothing-done")
        ran("b", 0, RunState.FAILED, "source-login")
        ran("c", 0, RunState.FAILED, "source-login")
        ran("c", 10, RunState.PARTIAL)
        assert catalog.bad_tries_by_source(operation="backup", ignoring=["nothing-done"]) == {"a": 2, "b": 1}
        assert catalog.bad_tries_by_source(operation="restore") == {}


class TestContacts:
    def test_the_latest_word_of_each_kind_counts(self, catalog: Catalog) -> None:
        assert catalog.contacts() == ()
        first = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
        catalog.note_contact("hanoi", at=first)
        catalog.note_contact("dalat", at=first + timedelta(days=9), failure="đĩa không có")
        catalog.note_contact("dalat", at=first)
        catalog.note_contact("dalat", at=first - timedelta(days=1))  # came late
        dalat, hanoi = catalog.contacts()
        assert hanoi == StoreContact(store="hanoi", answered_at=first)
        assert not hanoi.is_away
        assert dalat == StoreContact(
            store="dalat", answered_at=first, failed_at=first + timedelta(days=9), failure="đĩa không có"
        )
        assert dalat.is_away
        catalog.note_contact("dalat", at=first + timedelta(days=10))
        assert not catalog.contacts()[0].is_away
