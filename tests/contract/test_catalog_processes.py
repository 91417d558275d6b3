"""Several processes with one catalog: none loses what it wrote, and a killed one leaves a catalog that can be read."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from drorch.catalog.interface import RunState
from drorch.catalog.liveness import is_alive
from tests.support.catalog_workers import HOST, claim_once, die_while_beginning, write_much
from tests.support.catalogs import CatalogPlace, a_claim, a_run, after, an_id

SPAWN = multiprocessing.get_context("spawn")
PATIENCE_SECONDS = 120


@contextmanager
def started(target: Any, arguments: list[tuple[Any, ...]]) -> Iterator[list[BaseProcess]]:
    processes: list[BaseProcess] = [SPAWN.Process(target=target, args=given) for given in arguments]
    for process in processes:
        process.start()
    try:
        yield processes
        for process in processes:
            process.join(PATIENCE_SECONDS)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


def test_processes_that_make_and_write_one_catalog_at_once_lose_nothing(place: CatalogPlace) -> None:
    workers, rounds = 3, 15
    barrier = SPAWN.Barrier(workers)
    with started(write_much, [(place, barrier, worker, rounds) for worker in range(workers)]) as processes:
        pass
    assert [process.exitcode for process in processes] == [0] * workers
    catalog = place.open()
    try:
        runs = catalog.runs()
        assert len(runs) == workers * rounds
        assert {run.state for run in runs} == {RunState.COMPLETE}
        assert all(len(catalog.log_lines(run.run_id)) == 1 for run in runs)
        assert len(catalog.snapshots()) == len(catalog.events()) == workers * rounds
        assert len(catalog.copies()) == 2 * workers * rounds
        assert catalog.claims() == ()
    finally:
        catalog.close()


def test_of_processes_that_claim_at_once_one_wins_and_its_death_frees_the_source(place: CatalogPlace) -> None:
    catalog = place.open()
    barrier = SPAWN.Barrier(3)
    pipes = [SPAWN.Pipe() for _ in range(3)]
    try:
        with started(claim_once, [(place, barrier, theirs) for _ours, theirs in pipes]) as processes:
            answers = [ours.recv() if ours.poll(PATIENCE_SECONDS) else "silent" for ours, _theirs in pipes]
            winners = [answer for answer in answers if answer is not None]
            assert winners == [process.pid for process in processes if process.pid in winners]
            assert len(winners) == 1
            winner = next(process for process in processes if process.pid == winners[0])
            winner.kill()
            os.waitid(os.P_PID, winners[0], os.WEXITED | os.WNOWAIT)  # it stays a zombie, which holds nothing either
            heir = a_claim(host=HOST, pid=1, process_started="heir")
            catalog.claim_source(heir, is_alive=is_alive)
            assert catalog.claims() == (heir,)
            for ours, _theirs in pipes:
                ours.send("go")
        assert sorted(process.exitcode or 0 for process in processes) == [-signal.SIGKILL, 0, 0]
    finally:
        catalog.close()
        for ours, theirs in pipes:
            ours.close()
            theirs.close()


@pytest.mark.parametrize(
    ("moment", "is_recorded"),
    [
        ("begin", False),
        ("before_cursor_execute", False),
        ("after_cursor_execute", False),
        ("commit", False),
        ("done", True),
    ],
)
def test_a_process_killed_while_a_run_begins_leaves_it_begun_or_not(
    place: CatalogPlace,
    moment: str,
    is_recorded: bool,  # noqa: FBT001
) -> None:
    run_id = an_id()
    with started(die_while_beginning, [(place, run_id, moment)]) as (process,):
        pass
    assert process.exitcode == -signal.SIGKILL

    catalog = place.open()
    try:
        found = catalog.run(run_id)
        assert (found is not None) == is_recorded
        crashed = catalog.recognise_crashed_runs(host=HOST, is_alive=is_alive, now=after(60))
        assert [run.run_id for run in crashed] == [run_id] * is_recorded
        assert [run.state for run in catalog.runs()] == [RunState.CRASHED] * is_recorded

        next_run = a_run(host=HOST)
        catalog.claim_source(a_claim(host=HOST, run_id=next_run.run_id), is_alive=is_alive)
        catalog.begin_run(next_run)
        assert catalog.claims()[0].run_id == next_run.run_id
        if place.kind == "sqlite":
            with catalog.reading() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    finally:
        catalog.close()
