"""``drorch notify``: tell people what is wrong, and try whether they hear it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import utc_time, wrapped
from drorch.cli.watch.looking import alert_fields
from drorch.errors import NotificationFailed, UsageInvalid
from drorch.operations.watch.delivery import Delivery, ping_switch, try_targets
from drorch.settings import load_policies
from drorch.wiring import host_name
from drorch.wiring.watching import tell


@click.group(epilog="Example: drorch notify test")
def command() -> None:
    """Tell people what is wrong, and try whether they hear it."""


@command.command(epilog="Example: drorch notify test duty-team", short_help="Send everybody a message that says so.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common_options
def test(names: tuple[str, ...], invocation: Invocation) -> int:
    """Send a message to each notification of drorch.yaml, or to those named, and say who could be reached.

    What cannot be reached in 20 seconds counts as failed; exit 80 when any did.
    """
    settings = invocation.settings()
    unknown = [name for name in names if name not in settings.notifications]
    if unknown or not settings.notifications:
        raise UsageInvalid(
            f"no notification is called {unknown[0]}" if unknown else "there is nobody to tell",
            expected=", ".join(settings.notifications) or "`notifications:` in drorch.yaml",
            hint="`notifications: {duty-team: {url: file:secrets/duty-team.url}}` in drorch.yaml",
        )
    targets = [settings.notifications[name] for name in names or settings.notifications]
    with invocation.wiring(settings) as wiring:
        deliveries = try_targets(targets, wiring.post(), host=host_name())
    return _told(deliveries, invocation, "drorch.notify-test/1", {})


@command.command(epilog="Example: drorch notify run --quiet", short_help="Look, and tell what is new and what is over.")
@common_options
def run(invocation: Invocation) -> int:
    """Look at everything, and tell people what is new and what is over. For cron, where no daemon does it.

    Nobody hears the same twice. What could not be sent is tried again by the next one; exit 80 when anything could not.
    """
    settings = invocation.settings()
    with invocation.wiring(settings) as wiring:
        watched = tell(wiring, load_policies(settings))
        beat = settings.heartbeat
        if beat is not None and not any(alert.code.severity.value == "error" for alert in watched.alerts):
            ping_switch(wiring.catalog(), beat, wiring.switch(), wiring.post())
    return _told(
        watched.deliveries,
        invocation,
        "drorch.notify-run/1",
        {"at": utc_time(watched.overview.at), "alerts": [alert_fields(alert) for alert in watched.alerts]},
    )


def _told(deliveries: Sequence[Delivery], invocation: Invocation, schema: str, more: dict[str, object]) -> int:
    failed = [delivery for delivery in deliveries if delivery.trouble]
    if invocation.output.as_json:
        messages = [
            {
                "message": one.message.message,
                "target": one.message.target,
                "title": one.message.title,
                "delivered": not one.trouble,
                "trouble": one.trouble,
            }
            for one in deliveries
        ]
        invocation.output.document(schema, {"ok": not failed, **more, "messages": messages})
    elif not (invocation.output.quiet and not failed):
        for one in deliveries:
            text = f"FAIL  {one.message.target}: {one.trouble}" if one.trouble else f"ok    {one.message.target}"
            invocation.output.lines(wrapped(text, 6))
    return NotificationFailed.exit_code if failed else 0
