"""What other processes do with a catalog: module-level functions, because they are started by ``spawn``."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import event

from drorch.catalog.interface import LogLine, RunState
from drorch.catalog.liveness import is_alive, process_started
from drorch.catalog.sql import SqlCatalog
from drorch.errors import NothingDone
from tests.support.catalogs import START, CatalogPlace, a_claim, a_copy, a_run, a_snapshot, an_event, an_id, an_outcome

HOST = "this-host"


def mine(run_id: str) -> dict[str, Any]:
    """Return the fields by which a record of this process is known."""
    return {"run_id": run_id, "host": HOST, "pid": os.getpid(), "process_started": process_started(os.getpid())}


def write_much(place: CatalogPlace, barrier: Barrier, worker: int, rounds: int) -> None:
    """Open the catalog at the same moment as others, and write whole runs."""
    barrier.wait()
    catalog = place.open()
    for number in range(rounds):
        run = a_run(**mine(an_id(worker * rounds + number)), source=f"source-{worker}")
        catalog.claim_source(a_claim(**mine(run.run_id), source=run.source), is_alive=is_alive)
        catalog.begin_run(run)
        catalog.append_log(run.run_id, [LogLine(at=START, text=f"{worker} {number}")])
        snapshot = a_snapshot(snapshot=run.run_id, source=run.source)
        catalog.record_snapshot(snapshot, [a_copy(snapshot), a_copy(snapshot, "dalat")])
        catalog.record_event(an_event(run_id=run.run_id))
        catalog.end_run(run.run_id, an_outcome(RunState.COMPLETE, snapshot=run.run_id))
    catalog.close()


def claim_once(place: CatalogPlace, barrier: Barrier, answer: Pipe) -> None:
    """Try to claim one source at the same moment as others; say who won, and live until told to go."""
    catalog = place.open()
    barrier.wait()
    try:
        catalog.claim_source(a_claim(**mine(an_id(os.getpid()))), is_alive=is_alive)
    except NothingDone:
        answer.send(None)
    else:
        answer.send(os.getpid())
    answer.recv()
    catalog.close()


def die_while_beginning(place: CatalogPlace, run_id: str, moment: str) -> None:
    """Begin a run and be killed, as by ``kill -9``, at a named moment of that."""
    catalog = place.open()
    catalog.claim_source(a_claim(**mine(run_id)), is_alive=is_alive)
    if moment != "done":
        arm(catalog, moment)
    catalog.begin_run(a_run(**mine(run_id)))
    if moment == "done":
        die()


def arm(catalog: SqlCatalog, moment: str) -> None:
    event.listen(catalog._engine, moment, lambda *_arguments, **_options: die())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
