"""A real daemon as a process, whose clock is the machine's plus the seconds that stand in a file: nobody waits for 01:30.

The runs that it starts live in the machine's own time. After the file was changed SIGHUP wakes the daemon.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from drorch.catalog.interface import OccurrenceRecord, OccurrenceState
from drorch.catalog.sqlite import open_sqlite
from drorch.clock import SystemClock
from tests.support.installations import BARE, ROOT, Installation

PATIENCE_SECONDS = 180.0


class OtherClock(SystemClock):
    def __init__(self, shift_file: Path) -> None:
        self._shift_file = shift_file

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=float(self._shift_file.read_text()))


@dataclass
class Daemon:
    """Starts, kills and asks the daemon of one installation."""

    installation: Installation
    drain_seconds: float = 60
    shift: timedelta = timedelta()
    process: subprocess.Popen[str] | None = None
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def shift_file(self) -> Path:
        return self.installation.base / "shift"

    @property
    def log(self) -> Path:
        return self.installation.base / "daemon.log"

    def journal(self, **fits: object) -> list[dict[str, Any]]:
        """Return the lines that the daemon wrote and whose fields are those."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if fits.items() <= line.items()]

    @property
    def now(self) -> datetime:
        return SystemClock().now() + self.shift

    def start(self) -> None:
        self._write_shift()
        words = [sys.executable, "-m", __name__, str(self.installation.settings), str(self.shift_file)]
        with self.log.open("a") as log:  # no pipe: what outlives the daemon would hold it open
            self.process = subprocess.Popen(
                [*words, str(self.drain_seconds)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={**BARE, "PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                start_new_session=True,
            )
        self.started.append(self.process)
        pid = self.process.pid
        self.wait_for(lambda: self._is_listening(pid), "the daemon is up")

    def _is_listening(self, pid: int) -> bool:
        """Whether it has taken over what is promised: only then a signal is heard as a wish."""
        if not (self.installation.base / "var/state/catalog.sqlite").exists():
            return False
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return any(one.pid == pid and one.next_at is not None for one in catalog.daemons())
        finally:
            catalog.close()

    @property
    def epoch(self) -> int:
        """How often its clock was set back far."""
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return catalog.daemons()[0].epoch
        finally:
            catalog.close()

    def travel(self, moment: datetime) -> None:
        """Set its clock to ``moment`` and wake it."""
        self.shift += moment - self.now
        self._write_shift()
        self.wake()

    def wake(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGHUP)

    def _write_shift(self) -> None:
        new = self.shift_file.with_suffix(".new")
        new.write_text(str(self.shift.total_seconds()))
        new.replace(self.shift_file)

    def kill(self) -> None:
        """As the kernel does when memory is short: the daemon alone, at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """As systemd does."""
        self.ask_to_stop()
        return self.wait_for_the_end()

    def ask_to_stop(self) -> None:
        """Once: asked again, the daemon waits for no run."""
        assert self.process is not None
        self.process.terminate()

    def wait_for_the_end(self) -> int:
        """Return the code with which the daemon, asked to stop, has ended."""
        assert self.process is not None
        code = self.process.wait(PATIENCE_SECONDS)
        assert "Traceback" not in self.log.read_text(), self.log.read_text()
        return code

    def occurrences(self, subject: str | None = None, kind: str | None = "backup") -> tuple[OccurrenceRecord, ...]:
        """Return those of a kind, ``None`` for all kinds, the newest first."""
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return catalog.occurrences(subject=subject, kinds=() if kind is None else [kind])
        finally:
            catalog.close()

    def promised(self) -> list[str]:
        """Return what the daemon has promised, as far as the catalog goes."""
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return [one.subject for one in catalog.duties()]
        finally:
            catalog.close()

    def lanes(self) -> set[str]:
        """Return the lanes of all snapshots."""
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return {one.lane for one in catalog.snapshots()}
        finally:
            catalog.close()

    def unentered(self) -> tuple[OccurrenceRecord, ...]:
        """Return what has ended and is not in the ledger."""
        catalog = open_sqlite(self.installation.base / "var/state/catalog.sqlite")
        try:
            return catalog.occurrences_not_entered(catalog.daemons()[0].host)
        finally:
            catalog.close()

    def wait_for_end(self, subject: str, slot: datetime, kind: str = "backup") -> OccurrenceRecord:
        """Return the occurrence of ``slot`` when it has ended."""
        return self.wait_for_one(subject, slot, lambda one: one.state.is_final, kind)

    def wait_for_state(self, subject: str, slot: datetime, state: OccurrenceState) -> OccurrenceRecord:
        return self.wait_for_one(subject, slot, lambda one: one.state is state)

    def wait_for_one(
        self, subject: str, slot: datetime, fits: Callable[[OccurrenceRecord], bool], kind: str = "backup"
    ) -> OccurrenceRecord:
        found: list[OccurrenceRecord] = []

        def look() -> bool:
            found[:] = [one for one in self.occurrences(subject, kind) if one.slot <= slot <= one.last_slot]
            return bool(found) and fits(found[0])

        self.wait_for(look, f"{kind} of {subject} at {slot}", found)
        return found[0]

    def wait_for(self, condition: Callable[[], bool], what: str, seen: object = None) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"not in time: {what}; found {seen}, all: {self.occurrences()}"
            time.sleep(0.1)


@contextmanager
def daemon_of(installation: Installation, drain_seconds: float = 60) -> Iterator[Daemon]:
    """Yield a daemon that is not started yet; whatever is left of it at the end is ended."""
    daemon = Daemon(installation=installation, drain_seconds=drain_seconds)
    try:
        yield daemon
    finally:
        for process in daemon.started:
            if process.poll() is None:
                process.kill()
                process.wait(PATIENCE_SECONDS)
        (installation.base / "go").touch()  # what outlived the daemon ends, too


if __name__ == "__main__":
    from drorch.daemon.journal import Journal
    from drorch.daemon.starting import keep_schedules, store_users

    settings, shift, drain = sys.argv[1:]
    os.umask(0o077)
    keep_schedules(
        Path(settings),
        dict(os.environ),
        drain_seconds=float(drain),
        clock=OtherClock(Path(shift)),
        observers=lambda _in_force, wiring: [
            Journal(sys.stderr, wiring.clock),
            *store_users(wiring, lambda: wiring.settings),
        ],
    )
