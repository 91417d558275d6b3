"""The hours in which a policy may start: ``22:00-05:30``, by the local clock, over midnight if need be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])")


class WindowInvalid(ValueError):
    """The text is no window; the message says why, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From ``start_minute`` (included) to ``end_minute`` (not included) of the local day, counted from midnight."""

    start_minute: int
    end_minute: int

    def __str__(self) -> str:
        return f"{_clock(self.start_minute)}-{_clock(self.end_minute)}"

    def contains(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Return whether ``moment`` (aware) lies in the window by the clock of ``zone``."""
        local = moment.astimezone(zone)
        return self.contains_minute(local.hour * 60 + local.minute)

    def contains_minute(self, minute: int) -> bool:
        """Return whether this minute of the day lies in the window."""
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def parse_window(text: str) -> Window:
    """Return the window that ``text`` spells; raise ``WindowInvalid``."""
    match = _WINDOW.fullmatch(text.replace(" ", ""))
    if match is None:
        raise WindowInvalid('a window is written `"22:00-05:30"`')
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if start == end:
        raise WindowInvalid("the window is empty: it ends when it starts")
    return Window(start_minute=start, end_minute=end)
