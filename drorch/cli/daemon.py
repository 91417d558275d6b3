"""``drorch daemon``: keep the schedules of all policies."""

from __future__ import annotations

import sys

import click

from drorch.cli.evidence.trust import known_people
from drorch.cli.finite import FiniteRange
from drorch.cli.invocation import Invocation, common_options
from drorch.daemon.configuration import InForce
from drorch.daemon.journal import Journal
from drorch.daemon.observing import Observer
from drorch.daemon.service import DRAIN_SECONDS
from drorch.daemon.starting import keep_schedules, stamp_keepers, store_users
from drorch.daemon.watcher import Watcher
from drorch.environment import process_environment
from drorch.settings import Settings, load_settings
from drorch.wiring import Wiring


@click.command(epilog="Example: drorch daemon")
@click.option(
    "--drain",
    "drain_seconds",
    type=FiniteRange(0),
    default=DRAIN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long runs may go on after SIGTERM.",
)
@common_options
def command(drain_seconds: float, invocation: Invocation) -> int:
    """Run every policy and restore test when it is due, as far as this machine's roles go; until it is told to end.

    Each run is a process of its own. SIGHUP, or a changed file, reads the configuration again: what is invalid stays as it was.
    SIGTERM starts nothing more and lets runs end; what then still runs is ended, and goes on after the next start.
    What became of every occurrence: `drorch history --occurrences`. What it does is written to stderr, a line of JSON for each run.
    """
    environment = process_environment()

    def current() -> Settings:
        return load_settings(invocation.config, environment)

    def observers(_in_force: InForce, wiring: Wiring) -> list[Observer]:
        journal = Journal(sys.stderr, wiring.clock)
        watcher = Watcher(wiring, current, journal.troubled)
        return [
            journal,
            watcher,
            *store_users(wiring, current, lambda now: known_people(now)[0]),
            *stamp_keepers(wiring),
        ]

    keep_schedules(invocation.config, environment, drain_seconds=drain_seconds, observers=observers)
    return 0
