"""Start a daemon: one for each state directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from drorch.clock import Clock
from drorch.daemon.configuration import Configuration, InForce
from drorch.daemon.drill_reader import DrillReader
from drorch.daemon.ledger_keeper import LedgerKeeper
from drorch.daemon.observing import Observer
from drorch.daemon.service import Service
from drorch.daemon.stamp_keeper import StampKeeper
from drorch.daemon.store_reader import StoreReader
from drorch.daemon.wishes import Wishes
from drorch.errors import NothingDone
from drorch.evidence.sign_off import TrustedPerson
from drorch.operations.proof import stamping
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.printed import FOLDER, print_again
from drorch.operations.room import private_directory
from drorch.repository.opening import Repository
from drorch.settings import Settings
from drorch.wiring import Wiring, liveness, this_machine

MakesObservers = Callable[[InForce, Wiring], Sequence[Observer]]


def keep_schedules(
    settings_file: Path | None,
    environment: Mapping[str, str],
    *,
    drain_seconds: float,
    clock: Clock | None = None,
    observers: MakesObservers = lambda _in_force, _wiring: (),
) -> None:
    """Keep the schedules of the configuration until SIGTERM; raises ``NothingDone`` when another daemon does, or what is wrong with it."""
    wishes = Wishes()
    wishes.hear_hangups()
    configuration = Configuration(settings_file, environment)
    settings = configuration.in_force.settings
    with _alone(private_directory(settings.state_directory, "state")), Wiring(settings, clock) as wiring:
        Service(
            configuration,
            wiring.catalog(),
            machine=this_machine(),
            is_alive=liveness(),
            clock=wiring.clock,
            wishes=wishes,
            observers=observers(configuration.in_force, wiring),
            drain_seconds=drain_seconds,
        ).run()


def store_users(
    wiring: Wiring,
    settings: Callable[[], Settings],
    people: Callable[[Settings], Sequence[TrustedPerson]] = lambda _settings: (),
) -> tuple[Observer, ...]:
    """Return what writes the ledger and reads what other machines backed up and drilled; ``people`` are those whose words on drills count.

    The stores are opened anew each time, as ``settings`` says then: a wiring remembers for good which of them were away.
    """
    catalog = wiring.catalog()

    def opened() -> Wiring:
        return Wiring(settings(), wiring.clock)

    return (
        LedgerKeeper(catalog, this_machine().host, lambda: _ledger(opened)),
        StoreReader(catalog, wiring.clock, lambda: _stores_of_others(opened)),
        DrillReader(catalog, lambda: _stores(opened), lambda: people(settings())),
    )


@contextmanager
def _ledger(opened: Callable[[], Wiring]) -> Iterator[LedgerWriter | None]:
    """Yield the ledger; ``None`` where this machine has no key or no store."""
    with opened() as wiring:
        settings = wiring.settings
        yield wiring.ledger_writer() if settings.keys.host_key is not None and settings.stores else None


@contextmanager
def _stores_of_others(opened: Callable[[], Wiring]) -> Iterator[Repository | None]:
    """Yield what holds the backups of other machines; ``None`` on one that backs up itself, or has no store."""
    with opened() as wiring:
        settings = wiring.settings
        yield None if "backup" in settings.roles or not settings.stores else wiring.repository()


@contextmanager
def _stores(opened: Callable[[], Wiring]) -> Iterator[Repository | None]:
    """Yield the repository; ``None`` where there is no store."""
    with opened() as wiring:
        yield wiring.repository() if wiring.settings.stores else None


def stamp_keepers(wiring: Wiring) -> tuple[Observer, ...]:
    """Return what asks again for owed time-stamps: nothing where no authority is configured or this machine has no key."""
    settings, owed = wiring.settings, wiring.owed_stamps
    authority = settings.timestamp_authority
    if authority is None or settings.keys.host_key is None or not settings.stores:
        return ()

    def ask_again() -> None:
        with Wiring(settings, wiring.clock) as fresh:
            report = stamping.ask_again(fresh.ledger_writer(), authority, fresh.authority_asker(), owed)
            print_again(settings.state_directory / FOLDER, report.stamps, fresh.repository(), settings.time_zone)
        for problem in report.problems.values():
            raise problem  # the daemon shows what its listeners could not do

    return (StampKeeper(owed, ask_again),)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Let one daemon at a time use a state directory; raise ``NothingDone`` for the second."""
    descriptor = os.open(state / "daemon.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise NothingDone(
            "another daemon uses this configuration",
            expected=f"nobody else with {state}",
            found="a daemon that runs",
            hint="`drorch status` shows it; stop it first, or give this one its own `directories: {state: ...}`",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
