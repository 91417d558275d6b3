"""Wakes the daemon at given dates, by APScheduler. It is given dates only: what is due is decided by ``policy.schedule``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from drorch.clock import Clock

_WAKE = "wake"
_LONGEST = timedelta(seconds=30)  # a clock that is set and a machine that slept are noticed after that


class Timetable:
    """One alarm, set anew after each wake."""

    def __init__(self, wake: Callable[[], None], clock: Clock) -> None:
        self._wake = wake
        self._clock = clock
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        self._scheduler.start()

    def set(self, moment: datetime | None) -> None:
        """Wake at ``moment``, but not later than ``_LONGEST`` from now."""
        now = self._clock.now()
        until = min(now + _LONGEST, now + _LONGEST if moment is None else max(moment, now))
        self._scheduler.add_job(self._wake, DateTrigger(run_date=until), id=_WAKE, replace_existing=True)

    def close(self) -> None:
        """Wake nobody any more."""
        self._scheduler.shutdown(wait=False)
