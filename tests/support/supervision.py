"""Servers that tests share: one that ended by itself fails the test that ran, is told of, and is started again.

What is told stands at the end of the run, in lines that begin with ``UNSTEADY: ``. A server that ends under a test may have
been ended by drorch, so that test fails, whatever it found; the tests after it find a server as before.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

WORD = "UNSTEADY"
LAST_LINES = 80  # the whole of what MariaDB writes about a crash
DYING_SECONDS = 20  # a crashing server first writes where it was
_SERVERS: list[Supervised] = []


class Supervised(Protocol):
    """A server that stays up until somebody stops it."""

    def how_it_ended(self) -> str:
        """Return how it ended although nobody stopped it, and its last words; nothing while it runs."""
        ...

    def answers(self) -> bool:
        """Tell whether it takes a connection."""
        ...

    def start(self) -> None:
        """Start it on the data that it has, and wait until it answers."""
        ...


@contextmanager
def supervised(server: Supervised) -> Iterator[None]:
    """Look after a server that was started, until it is about to be stopped."""
    _SERVERS.append(server)
    try:
        yield
    finally:
        _SERVERS.remove(server)


def ended(name: str, status: int | None, log: Path) -> str:
    """Return the words about a server that ended; a program that is not our child leaves no status."""
    how = "ended" if status is None else f"exited with {status}" if status >= 0 else f"was ended by {_signal(-status)}"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"{name} {how}; its last lines:", *(f"  {line}" for line in lines[-LAST_LINES:])])


def started_again(*, after_a_failure: bool) -> list[str]:
    """Start again what ended, and return how each ended. After a failure a server gets the time that dying takes."""
    told = []
    for server in _SERVERS:
        if after_a_failure:
            _wait_for_life_or_death(server)
        if words := server.how_it_ended():
            server.start()
            told.append(words)
    return told


def _wait_for_life_or_death(server: Supervised) -> None:
    deadline = time.monotonic() + DYING_SECONDS
    while not server.how_it_ended() and not server.answers() and time.monotonic() < deadline:
        time.sleep(0.05)


def _signal(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


# -- what pytest calls


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    _tell(item, "before", started_again(after_a_failure=False))  # between two tests: no fault of this one
    yield from _looked_after(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _looked_after(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield from _looked_after(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for several in terminalreporter.stats.values() for report in several]
    told = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == WORD]
    for words in dict.fromkeys(told):  # every later report of the test repeats it
        terminalreporter.write_line(f"{WORD}: {words}", red=True)


def _looked_after(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except pytest.skip.Exception:
        raise
    except BaseException:
        _tell(item, "under", started_again(after_a_failure=True))
        raise
    if _tell(item, "under", started_again(after_a_failure=False)):
        pytest.fail("a server ended under this test", pytrace=False)


def _tell(item: pytest.Item, when: str, told: list[str]) -> bool:
    item.user_properties.extend((WORD, f"{when} {item.nodeid}: {words}") for words in told)
    return bool(told)
