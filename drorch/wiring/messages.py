"""What reaches people and their tools: messages, pings, metrics, pages on paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from drorch.wiring.base import Base

if TYPE_CHECKING:
    from drorch.monitoring.interface import Measure, Pages
    from drorch.monitoring.server import PageServer
    from drorch.notify.interface import Switch
    from drorch.operations.watch.delivery import Post
    from drorch.paper.blocks import Page as PaperPage
    from drorch.settings import Settings


class Messages(Base):
    """Makes them; apprise is imported when the first message is sent."""

    def post(self, settings: Settings | None = None) -> Post:
        """Return what sends messages to the notifications of drorch.yaml, or of a later state of it."""
        from drorch.notify.apprise_carrier import AppriseCarrier
        from drorch.operations.watch.delivery import Post

        return Post(carrier=AppriseCarrier(), reveal=(settings or self.settings).reveal, clock=self.clock)

    def switch(self) -> Switch:
        """Return what pings."""
        from drorch.notify.http_switch import HttpSwitch

        return HttpSwitch()

    def metrics_text(self, measures: Iterable[Measure]) -> bytes:
        """Return measures as Prometheus reads them."""
        from drorch.monitoring.prometheus_text import prometheus_text

        return prometheus_text(measures)

    def page_server(self, address: str, pages: Pages) -> PageServer:
        """Return a server of pages, which serves already; raise ``SettingsInvalid`` when the address cannot be had."""
        from drorch.monitoring.server import PageServer

        return PageServer(address, pages)

    def typeset(self, page: PaperPage) -> bytes:
        """Return the PDF of a page."""
        from drorch.paper.typesetting import typeset

        return typeset(page)
