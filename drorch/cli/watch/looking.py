"""One look at everything, for every command that shows or tells what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drorch.catalog.interface import Severity
from drorch.cli.invocation import Invocation
from drorch.errors import DrorchError
from drorch.operations.overview import Overview, overview
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.delivery import ping_switch
from drorch.operations.watch.facts import Facts, gather
from drorch.operations.watch.round import Watched, keep_watch
from drorch.operations.watch.telling import Notice
from drorch.policy.assembly import LoadedPolicies
from drorch.settings import Settings, load_policies
from drorch.wiring import Wiring, claim_lives, host_name, liveness


def look(wiring: Wiring, loaded: LoadedPolicies) -> tuple[Overview, Facts]:
    """Return how every source stands and what else is judged, of this moment; asks no store and no server."""
    catalog, now, settings = wiring.catalog(), wiring.clock.now(), wiring.settings
    found = overview(loaded.policies, loaded.problems, catalog, now=now, is_running=claim_lives())
    facts = gather(
        catalog,
        now=now,
        host=host_name(),
        is_alive=liveness(),
        directories=settings.own_directories(),
        keep_free_percent=settings.limits.keep_free_percent,
    )
    return found, facts


def tell(wiring: Wiring, loaded: LoadedPolicies, notices: Sequence[Notice] = ()) -> Watched:
    """Look, record what is new and what is over, and send what waits."""
    found, facts = look(wiring, loaded)
    return keep_watch(
        found,
        loaded.policies,
        facts,
        catalog=wiring.catalog(),
        targets=wiring.settings.notifications,
        post=wiring.post(),
        zone=wiring.settings.time_zone,
        notices=tuple(notices),
    )


def alert_fields(alert: Alert) -> dict[str, object]:
    """Return an alert the way ``--json`` shows it."""
    return {
        "code": alert.code.value,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "policy": alert.policy,
        "owner": alert.owner,
        "text": alert.text,
        "details": alert.details,
        "try": alert.remedy,
    }


@dataclass(slots=True)
class Ended:
    """How a command ended."""

    code: int = 0


@contextmanager
def told_afterwards(
    invocation: Invocation, settings: Settings, command: str, subjects: Sequence[str]
) -> Iterator[Ended]:
    """Tell people when the command in the block has ended, however it ends; ping the heartbeat when it ended well."""
    ended = Ended()
    notices: list[Notice] = []
    try:
        yield ended
    except DrorchError as error:
        ended.code = error.exit_code
        subject = subjects[0] if len(subjects) == 1 else ""
        notices.append(Notice(severity=Severity.ERROR, text=f"{command}: {error.message}", subject=subject))
        raise
    finally:
        with Wiring(settings) as wiring:
            watched = tell(wiring, load_policies(settings), notices)
            if ended.code == 0 and settings.heartbeat is not None:
                ping_switch(wiring.catalog(), settings.heartbeat, wiring.switch(), wiring.post())
            for delivery in watched.deliveries:
                if delivery.trouble:
                    invocation.output.message(f"{delivery.message.target} could not be told: {delivery.trouble}")
