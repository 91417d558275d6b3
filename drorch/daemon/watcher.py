"""What the daemon does for people and their tools: looks at everything, tells what is new, answers metrics and health."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drorch.catalog.interface import DaemonRecord, OccurrenceRecord, Severity
from drorch.daemon.observing import Observer
from drorch.daemon.results import Answer
from drorch.errors import SettingsInvalid
from drorch.monitoring.interface import Page, Pages
from drorch.operations.watch.delivery import ping_switch
from drorch.operations.watch.measures import measures
from drorch.operations.watch.telling import Notice
from drorch.settings import Settings, load_policies
from drorch.wiring.watching import tell

if TYPE_CHECKING:
    from drorch.monitoring.server import PageServer
    from drorch.wiring import Wiring

_PLAIN = "text/plain; charset=utf-8"
_FRESH = timedelta(minutes=5)  # a look is half a minute old at most, when all goes well


class Watcher(Observer):
    """See ``Observer``. ``settings`` reads drorch.yaml as it is now, or gives what is in force; ``complain`` writes into the journal."""

    def __init__(self, wiring: Wiring, settings: Callable[[], Settings], complain: Callable[[str], None]) -> None:
        self._wiring = wiring
        self._settings = settings
        self._complain = complain
        self._lock = threading.Lock()
        self._looked_at: datetime | None = None
        self._pinged_at: datetime | None = None
        self._text = b""
        self._trouble = ""
        self._server: PageServer | None = None

    def started(self, daemon: DaemonRecord, absence: str) -> None:
        """See ``Observer``: from now on there are metrics and health."""
        del daemon, absence
        address = self._wiring.settings.metrics
        if address == "none":
            return
        try:
            self._server = self._wiring.page_server(address, self._pages())
        except SettingsInvalid as error:
            text = f"{error.message}: {error.found}; {error.hint}"
            self.troubled(text)  # the first look tells it
            self._complain(text)

    def ended(self, occurrences: tuple[OccurrenceRecord, ...], answer: Answer | None) -> None:
        """See ``Observer``: the next look tells."""

    def reloaded(self, problems: tuple[str, ...]) -> None:
        """See ``Observer``: the next look tells."""

    def troubled(self, what: str) -> None:
        """See ``Observer``: not ready while it lasts."""
        with self._lock:
            self._trouble = what

    def beat(self, now: datetime) -> None:
        """See ``Observer``: look, tell, ping."""
        settings = self._current()
        watched = tell(self._wiring, load_policies(settings), self._notices(), settings=settings)
        text = self._wiring.metrics_text(measures(watched.overview, watched.alerts, watched.facts))
        with self._lock:
            self._looked_at, self._text, self._trouble = now, text, ""
        self._ping(settings, now)

    def stopping(self) -> None:
        """See ``Observer``."""
        if self._server is not None:
            self._server.close()

    def _current(self) -> Settings:
        try:
            return self._settings()
        except SettingsInvalid:
            return self._wiring.settings  # the daemon's record says so, and the look reports it

    def _notices(self) -> Sequence[Notice]:
        with self._lock:
            return [Notice(severity=Severity.ERROR, text=self._trouble)] if self._trouble else []

    def _ping(self, settings: Settings, now: datetime) -> None:
        beat = settings.heartbeat
        if beat is None:
            return
        every = timedelta(seconds=beat.every_seconds)
        if self._pinged_at is None or not timedelta(0) <= now - self._pinged_at < every:  # a clock may be set back
            self._pinged_at = now
            ping_switch(self._wiring.catalog(), beat, self._wiring.switch(), self._wiring.post(settings))

    def _pages(self) -> Pages:
        return {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}

    def _metrics(self) -> Page:
        with self._lock:
            text = self._text
        if not text:
            return Page(status=503, kind=_PLAIN, content=b"nothing was looked at yet\n")
        return Page(status=200, kind="text/plain; version=0.0.4; charset=utf-8", content=text)

    def _health(self) -> Page:
        """Return that the process lives."""
        return Page(status=200, kind=_PLAIN, content=b"ok\n")

    def _readiness(self) -> Page:
        """Return whether it does its work: it looked at everything a short while ago, and the catalog can be written."""
        with self._lock:
            looked_at, trouble = self._looked_at, self._trouble
        if trouble:
            return Page(status=503, kind=_PLAIN, content=f"{trouble}\n".encode())
        if looked_at is None or self._wiring.clock.now() - looked_at > _FRESH:
            return Page(status=503, kind=_PLAIN, content=b"not looked lately\n")
        return Page(status=200, kind=_PLAIN, content=b"ready\n")
