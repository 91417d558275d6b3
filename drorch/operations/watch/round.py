"""One look at everything: what is wrong, who must hear it, and the messages on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from drorch.catalog.interface import Catalog
from drorch.errors import CatalogError
from drorch.operations.overview import Overview
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.delivery import Delivery, Post, deliver
from drorch.operations.watch.facts import Facts
from drorch.operations.watch.telling import Notice, Occasion, plan
from drorch.policy.installation import Notification
from drorch.policy.model import Policy

_TRIES = 20
MESSAGES_KEPT = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one look found and whom it told."""

    overview: Overview
    facts: Facts
    alerts: tuple[Alert, ...]
    deliveries: tuple[Delivery, ...]


def keep_watch(
    found: Overview,
    policies: Sequence[Policy],
    facts: Facts,
    *,
    catalog: Catalog,
    targets: Mapping[str, Notification],
    post: Post,
    zone: ZoneInfo,
    notices: tuple[Notice, ...] = (),
) -> Watched:
    """Record what is wrong now and what is over, put one message for each target, and try to send what waits.

    Several processes may do it at once: each thing is told once.
    """
    present = alerts(found, policies, facts)
    occasion = Occasion(
        now=facts.now,
        zone=zone,
        host=facts.host,
        targets=tuple(targets.values()),
        summary=summary_lines(found),
        notices=notices,
        judged=frozenset(policy.name for policy in policies) if found.policy_problems else None,
    )
    _write(catalog, present, occasion)
    catalog.purge_messages(facts.now - MESSAGES_KEPT)
    return Watched(overview=found, facts=facts, alerts=present, deliveries=deliver(catalog, targets, post))


def _write(catalog: Catalog, present: Sequence[Alert], occasion: Occasion) -> None:
    for _ in range(_TRIES):
        book = catalog.alert_book()
        planned = plan(book, present, occasion)
        if catalog.change_alerts(book.edition, planned.alerts, planned.messages, planned.events):
            return
    raise CatalogError("the alerts could not be written", found="another process writes them again and again")


def summary_lines(found: Overview) -> tuple[str, ...]:
    """Return how many sources are protected, for digests."""
    promised = found.protected
    inside = sum(one.is_inside_rpo for one in promised)
    copies = sum(one.copies_complete == one.copies_promised > 0 for one in promised)
    return (
        f"{inside} of {len(promised)} sources are inside their RPO",
        f"{copies} of {len(promised)} are in every store of their policy",
    )
