"""Jobs that come after others: they start when those have ended, and hold up nobody else."""

from __future__ import annotations

import threading
import time

from drorch.operations.at_once import Job, Limits, Place, results

LIMITS = Limits(in_all=4, per_server=4)


def nothing(_error: BaseException) -> None:
    """Abandon nothing."""


def run(*jobs: Job[str], slow: str = "") -> list[str]:
    """Return what began and ended, in order."""
    happened: list[str] = []
    lock = threading.Lock()

    def act(work: str, _place: Place) -> str:
        with lock:
            happened.append(f"+{work}")
        time.sleep(0.3 if work == slow else 0.01)
        with lock:
            happened.append(f"-{work}")
        return work

    ended = [work for work, _ in results(jobs, act, limits=LIMITS, monotonic_seconds=time.monotonic, abandon=nothing)]
    assert sorted(ended) == sorted(job.work for job in jobs)
    return happened


def job(work: str, name: str, *after: str) -> Job[str]:
    return Job(work=work, name=name, after=frozenset(after))


def test_a_job_waits_for_all_of_a_name_and_lets_others_pass() -> None:
    happened = run(
        job("scans", "scans", "land"),
        job("land/1", "land"),
        job("land/2", "land"),
        job("other", "other"),
        slow="land/2",
    )
    assert happened.index("+scans") > max(happened.index("-land/1"), happened.index("-land/2"))
    assert happened.index("-other") < happened.index("-land/2")


def test_chains_and_names_that_nobody_has() -> None:
    happened = run(job("c", "c", "b"), job("b", "b", "a"), job("a", "a", "nobody"))
    assert happened == ["+a", "-a", "+b", "-b", "+c", "-c"]
