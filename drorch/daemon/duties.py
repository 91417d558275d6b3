"""What the configuration in force promises of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from drorch.catalog.interface import Catalog
from drorch.daemon.configuration import InForce
from drorch.operations.occurrences.roster import Test, Upkeep, known_of, roster
from drorch.policy.installation import S3Store
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.schedule import parse_schedule
from drorch.settings import Settings

NEVER = "never"


def duties_of(in_force: InForce, catalog: Catalog, now: datetime) -> tuple[Duty, ...]:
    """Return the duties of this machine, by its roles."""
    settings = in_force.settings
    return roster(
        in_force.policies.policies,
        known_of(catalog, in_force.policies.policies),
        roles=settings.roles,
        tests=_tests(in_force),
        upkeep=_upkeep(settings),
        now=now,
    )


def _tests(in_force: InForce) -> Iterator[Test]:
    for test in in_force.tests.tests:
        if test.schedule is not None:
            yield Test(name=test.name, schedule=test.schedule)


def _upkeep(settings: Settings) -> Iterator[Upkeep]:
    """Yield what is done for the stores: a single one needs no copies, and only buckets have locks."""
    wanted = [(DutyKind.VERIFY, "", settings.upkeep.verify), (DutyKind.PRUNE, "", settings.upkeep.prune)]
    if len(settings.stores) > 1:
        wanted += [(DutyKind.COPY, store, settings.upkeep.copy) for store in settings.stores]
    if any(isinstance(store, S3Store) and store.object_lock for store in settings.stores.values()):
        wanted.append((DutyKind.LOCK, "", settings.upkeep.lock))
    if not settings.stores:
        return
    for kind, subject, text in wanted:
        if text != NEVER:
            yield Upkeep(kind=kind, subject=subject, schedule=parse_schedule(text, settings.time_zone))
