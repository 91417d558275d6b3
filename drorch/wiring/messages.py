"""What carries messages to people, and pings to a dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drorch.wiring.base import Base

if TYPE_CHECKING:
    from drorch.notify.interface import Switch
    from drorch.operations.watch.delivery import Post


class Messages(Base):
    """Makes them; apprise is imported when the first message is sent."""

    def post(self) -> Post:
        """Return what sends messages to the notifications of drorch.yaml."""
        from drorch.notify.apprise_carrier import AppriseCarrier
        from drorch.operations.watch.delivery import Post

        return Post(carrier=AppriseCarrier(), reveal=self.settings.reveal, clock=self.clock)

    def switch(self) -> Switch:
        """Return what pings."""
        from drorch.notify.http_switch import HttpSwitch

        return HttpSwitch()
