"""``drorch catalog``: make the catalog again from the stores, or bring it up to this version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from drorch import __version__
from drorch.cli.drill.told_by_stores import DENIED, recalled
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.errors import PARTIAL, DrorchError
from drorch.operations import explain_stores
from drorch.operations.estate.ownership import Ownership
from drorch.operations.explain_stores import Explained, HelpState
from drorch.operations.initialise import help_objects
from drorch.operations.listing import RepositoryListing, rebuild_catalog
from drorch.quantities import counted
from drorch.wiring import Wiring, help_files, machine_id


@click.group(epilog="Example: drorch catalog rebuild")
def command() -> None:
    """Rebuild or upgrade the catalog. It is never the only copy of anything that a restore needs."""


@command.command(epilog="Example: drorch catalog rebuild", short_help="Make the catalog again from the stores.")
@common_options
def rebuild(invocation: Invocation) -> int:
    """Read every snapshot's manifest from the stores and list just those, and the drills that the ledger tells; the history of runs stays.

    Needs no private key. Exit 3 when a store could not be read; what is recorded of it stays.
    """
    with invocation.wiring() as wiring:
        repository, catalog = wiring.repository(), wiring.catalog()
        listing = rebuild_catalog(repository, catalog)
        _remember_own_sources(wiring, listing)
        drills, untold = recalled(wiring, repository)
    problems = [
        {"store": problem.store, "lane": problem.lane, "error": problem.error.message} for problem in listing.problems
    ]
    problems += [{"store": "", "lane": "ledger", "error": text} for text in untold]
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.catalog-rebuild/1",
            {"ok": not problems, "snapshots": len(listing.snapshots), "drills": drills, "problems": problems},
        )
    elif not invocation.output.quiet or problems:
        word = "PARTIAL" if problems else "OK"
        known = DENIED if drills is None else counted(drills, "drill")
        lines = wrapped(f"{word}  {counted(len(listing.snapshots), 'snapshot')} listed, {known}", 4)
        for problem in problems:
            lines += wrapped(f"  {problem['store'] or problem['lane']}: {problem['error']}", 4)
        invocation.output.lines(lines)
    return PARTIAL if problems else 0


def _remember_own_sources(wiring: Wiring, listing: RepositoryListing) -> None:
    """Know again which sources this machine feeds; one without a writer's key feeds none."""
    try:
        key = wiring.writing_key()
    except DrorchError:
        return
    ownership = Ownership(
        repository=wiring.repository(), host_key=key, catalog=wiring.catalog(), machine_id=machine_id()
    )
    ownership.remember_own([one.record for one in listing.snapshots], wiring.clock.now())


@command.command(epilog="Example: drorch catalog upgrade", short_help="Bring the catalog up to this version.")
@common_options
def upgrade(invocation: Invocation) -> int:
    """Bring the catalog up to this version; a SQLite file is copied aside first.

    A machine with the role maintenance also puts the pages of this version into the stores (help/VERSION/), which
    explain a repository to somebody who has nothing else. A store that takes them not now is a note, no failure.
    """
    settings = invocation.settings()
    with invocation.wiring(settings) as wiring:
        address = wiring.catalog().address
        explained = _explain_stores(wiring) if "maintenance" in settings.roles else ()
    if invocation.output.as_json:
        stores = [{"store": one.store, "help": one.state.value} for one in explained]
        invocation.output.document("drorch.catalog-upgrade/1", {"ok": True, "catalog": address, "stores": stores})
    elif not invocation.output.quiet:
        invocation.output.lines([*wrapped(f"OK  {address} is of this version", 4), *_pages_lines(explained)])
    return 0


def _explain_stores(wiring: Wiring) -> tuple[Explained, ...]:
    try:
        opened = wiring.repository()
    except DrorchError as error:
        return tuple(Explained(store=name, state=HelpState.MISSING, error=error) for name in wiring.settings.stores)
    left_out = [Explained(store=name, state=HelpState.MISSING, error=error) for name, error in opened.unusable.items()]
    return (*explain_stores.run(opened.replicas, help_objects(help_files(), __version__)), *left_out)


def _pages_lines(explained: Sequence[Explained]) -> Iterator[str]:
    for one in explained:
        if one.error is not None:
            text = f"  note  {one.store} has no help/{__version__.lower()}/ yet: {one.error.message}; what it had stays"
            yield from wrapped(text, 8)
            yield from wrapped("        run this again where the credential may put (STORES.md, maintainer)", 8)
        elif one.state is HelpState.PUT:
            yield f"  {one.store} now explains itself as of drorch {__version__}"
