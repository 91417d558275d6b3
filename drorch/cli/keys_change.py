"""``drorch keys add``, ``remove``, ``revoke``: change who may read and write, by a trust record that root keys sign."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.cli.addresses import complete_store
from drorch.cli.change_words import Told, change_document, change_lines
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.private_keys import text_of
from drorch.cli.root_keys import Signing, signing_options
from drorch.cli.times import parse_time
from drorch.errors import PARTIAL, UsageInvalid
from drorch.format.keyfile import KeyKind, read_public
from drorch.ids import Digest, LaneId
from drorch.operations.rotate_keys.changes import Change, next_record
from drorch.operations.rotate_keys.last_good import Vouching, lane_ends, ledger_end, revocation
from drorch.operations.rotate_keys.listed import find_key
from drorch.operations.rotate_keys.open_to import open_to
from drorch.operations.rotate_keys.publishing import publish
from drorch.policy.model import Retention
from drorch.repository.opening import Repository
from drorch.settings import Settings, load_policies
from drorch.wiring import Wiring

_PURPOSE = "change who may read and write"

_threshold = click.option(
    "--threshold", type=click.IntRange(1, 255), metavar="N", help="How many root keys must sign from then on."
)


@click.command(
    epilog="Example: drorch keys add province.pub --root-key root.key",
    short_help="Let a recipient read, or a host write, from now on.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE.pub...", type=click.Path(path_type=Path))
@_threshold
@signing_options
@common_options
def add(files: tuple[Path, ...], threshold: int | None, signing: Signing, invocation: Invocation) -> int:
    """Add public keys to the repository, each for what its file says: recipient, writer, maintainer, drill-host or root.

    A recipient reads what is backed up from then on; `drorch keys reseal` opens what is there already. A writer gets lanes of its own.
    Every store gets the record; one that is away is named (exit 3), and gets it by `drorch copy` or by the next of these commands.
    """
    added = tuple(read_public(text_of(path)) for path in files)
    settings = invocation.settings()
    settings.require_role("maintenance", _PURPOSE)
    with invocation.wiring(settings) as wiring:
        return _carry_out(wiring, Change(added=added, threshold=threshold), Told(), signing, invocation)


@click.command(
    epilog="Example: drorch keys remove province --root-key root.key",
    short_help="Close what is backed up from now on to a recipient.",
)
@click.argument("which", nargs=-1, required=True, metavar="KEY...")
@_threshold
@signing_options
@common_options
def remove(which: tuple[str, ...], threshold: int | None, signing: Signing, invocation: Invocation) -> int:
    """Remove recipients or root keys, by label or by the first digits of their ids.

    What is backed up from then on is closed to a recipient that was removed. What was sealed to it stays open to whoever kept the key: the command says how many
    snapshots those are, and until when retention keeps them. `drorch source reseed` puts data that did not change under new keys.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", _PURPOSE)
    with invocation.wiring(settings) as wiring:
        repository = wiring.repository()
        keys = tuple(find_key(repository.trust, one) for one in which)
        change = Change(removed=keys, threshold=threshold)
        next_record(repository.trust, change)  # a change that cannot be is told before every run is asked for
        stays = [one for key in keys if key.kind is KeyKind.RECIPIENT for one in open_to(repository, key.key_id)]
        told = Told(stays_open=tuple(stays), stays=_stays(settings))
        return _carry_out(wiring, change, told, signing, invocation)


@click.command(
    epilog='Example: drorch keys revoke backup1 --before "22/11/2026 08:00" --root-key root.key',
    short_help="End what a host's key may sign.",
)
@click.argument("key", metavar="KEY")
@click.option(
    "--last-good",
    "named",
    multiple=True,
    metavar="SNAPSHOT",
    help="The last good snapshot of a source (repeatable): its id or the beginning of it.",
)
@click.option(
    "--before", "before_text", metavar="TIME", help="What the stores had by then is good, by their own dates."
)
@click.option(
    "--without",
    multiple=True,
    metavar="STORE",
    shell_complete=complete_store,
    help="Go on though this store is away: snapshots that only it holds count no more.",
)
@signing_options
@common_options
def revoke(
    key: str,
    named: tuple[str, ...],
    before_text: str | None,
    without: tuple[str, ...],
    signing: Signing,
    invocation: Invocation,
) -> int:
    """Revoke the key of a host, by label or by the first digits of its id: whatever it signs from now on counts for nothing.

    What it signed counts up to the last good snapshot of each source: the one that is named, what the stores had --before a time, or
    else the newest that the catalog saw or that is in two stores. --plan shows which that is; it cannot be taken back.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", _PURPOSE)
    before = None if before_text is None else parse_time(before_text, settings.time_zone)
    with invocation.wiring(settings) as wiring:
        repository = wiring.repository()
        found = find_key(repository.trust, key)
        if found.kind in (KeyKind.ROOT, KeyKind.RECIPIENT):
            raise UsageInvalid(
                f"{found.label} is no host's key",
                expected="the key of a writer, a maintainer or a drill host",
                found=f"that of a {found.kind.value}",
                hint="`drorch keys remove` takes it out",
            )
        _require_stores(repository, without)
        vouching = Vouching(named=named, before=before, seen=_seen(wiring))
        ends = lane_ends(repository, found, vouching)
        revoked = revocation(found, ends, ledger_end(repository, found, before))
        return _carry_out(wiring, Change(revocations=(revoked,)), Told(revoked=found, ends=ends), signing, invocation)


def _carry_out(wiring: Wiring, change: Change, told: Told, signing: Signing, invocation: Invocation) -> int:
    repository, output, zone = wiring.repository(), invocation.output, str(wiring.settings.time_zone)
    record = next_record(repository.trust, change)
    if signing.plan_only:
        published = None
    else:
        if len(signing.passphrase_files) < len(signing.keys):  # somebody is asked, and sees what it is for
            output.message("\n".join(change_lines(repository, record, change, told, None, zone)))
        published = publish(repository, record, signing.opened(repository.trust), clock=wiring.clock)
    if output.as_json:
        output.document("drorch.keys-change/1", change_document(repository, record, change, told, published))
    elif published is None or published.missing or not output.quiet:
        output.lines(change_lines(repository, record, change, told, published, zone))
    return PARTIAL if published is not None and published.missing else 0


def _require_stores(repository: Repository, without: tuple[str, ...]) -> None:
    """Raise what is wrong with a store that is away, unless it is to be done without."""
    for name, error in repository.unusable.items():
        if name not in without:
            error.hint = f"bring it back first; --without {name} gives up the snapshots that only it holds"
            raise error


def _seen(wiring: Wiring) -> dict[LaneId, set[Digest]]:
    """Return the heads that the catalog saw."""
    seen: dict[LaneId, set[Digest]] = {}
    for head in wiring.catalog().heads():
        seen.setdefault(LaneId.parse(head.lane), set()).add(Digest.parse(head.manifest_digest))
    return seen


def _stays(settings: Settings) -> dict[str, Retention]:
    return {policy.name: policy.retention for policy in load_policies(settings).policies}
