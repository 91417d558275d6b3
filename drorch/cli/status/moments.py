"""Times as the screen shows them: short, by the installation's clock, and "today" for today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Shows times as they look from ``now``."""

    now: datetime
    zone: ZoneInfo

    def moment(self, moment: datetime) -> str:
        """Return when something was."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return f"today {local:%H:%M}"
        return f"{local:%d/%m %H:%M}" if (today - local).days < 300 else f"{local:%d/%m/%Y}"

    def day(self, moment: datetime) -> str:
        """Return the day on which something was."""
        return self.moment(moment).removeprefix("today ").split()[0]

    def due(self, moment: datetime) -> str:
        """Return when something is due."""
        return f"{moment.astimezone(self.zone):%d/%m %H:%M}"
