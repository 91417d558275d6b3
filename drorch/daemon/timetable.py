"""Wakes the daemon at given dates, by APScheduler. It is given dates only: what is due is decided by ``policy.schedule``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from drorch.clock import Clock, SystemClock

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
        pause = _LONGEST if moment is None else min(max(moment - now, timedelta(0)), _LONGEST)
        date = SystemClock().now() + pause  # the scheduler reads the machine's clock, whatever ours is
        self._scheduler.add_job(self._wake, DateTrigger(run_date=date), id=_WAKE, replace_existing=True)

    def close(self) -> None:
        """Wake nobody any more."""
        self._scheduler.shutdown(wait=False)
