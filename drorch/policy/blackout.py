"""Times in which nothing is started: ``2027-02-05..2027-02-12`` (whole days) or with hours, by the local clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}))?"
_FOR_EVER = datetime.max  # noqa: DTZ901  a local time
_BLACKOUT = re.compile(rf"{_MOMENT} *\.\. *{_MOMENT}")


class BlackoutInvalid(ValueError):
    """The text is no blackout; the message says why, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """From ``begin`` (included) until ``end`` (not included), local times without a zone."""

    text: str
    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return self.text

    def contains(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Return whether ``moment`` (aware) lies in it by the clock of ``zone``."""
        return self.begin <= moment.astimezone(zone).replace(tzinfo=None) < self.end


def parse_blackout(text: str) -> Blackout:
    """Return the blackout that ``text`` spells; raise ``BlackoutInvalid``."""
    written = " ".join(text.split())
    match = _BLACKOUT.fullmatch(written)
    if match is None:
        raise BlackoutInvalid(
            'a blackout is written `"2027-02-05..2027-02-12"` or `"2027-02-05 18:00..2027-02-06 06:00"`'
        )
    begin, end = _local(match[1], match[2] or "00:00"), _local(match[3], match[4] or "00:00")
    if match[4] is None:  # the last day belongs to it
        end = _FOR_EVER if end.date() == date.max else end + timedelta(days=1)
    if end <= begin:
        raise BlackoutInvalid("the blackout ends before it begins")
    return Blackout(text=written, begin=begin, end=end)


def _local(day: str, clock: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{day}T{clock}")
    except ValueError as error:
        raise BlackoutInvalid(f"`{day} {clock}` is no day and hour") from error
