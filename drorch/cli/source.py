"""``drorch source``: whose a source is and where it stands in its life; take over, begin anew, retire, close, reopen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from drorch.catalog.interface import SourceState
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, local_time, printable, table, utc_time, wrapped
from drorch.cli.private_keys import key_options, read_recipient
from drorch.cli.progress import Silent
from drorch.cli.runner import Runner
from drorch.cli.source_subjects import every_subject, life_of, of_promises, one_promise, prepared, subject_of
from drorch.errors import CaptureFailed, NothingDone
from drorch.operations.back_up import BackupReport
from drorch.operations.estate.closing import hold, prove
from drorch.operations.estate.life import Change, SourceLife, Subject, unknown
from drorch.operations.estate.seen import known_sources
from drorch.operations.interruption import Interruption
from drorch.policy.model import Policy, SourcePromise
from drorch.sandbox.interface import SandboxLimits
from drorch.settings import load_policies
from drorch.sources.interface import Json
from drorch.wiring import Wiring, machine_id

_MOST_ROWS = 40


@click.group(epilog="Example: drorch source list")
def command() -> None:
    """Whose a source is, and where it stands in its life. Nothing stored is deleted by any of these."""


_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the catalog.")
_source = click.argument("source", metavar="POLICY[/NAME]", shell_complete=complete_source)


@command.command(
    "list", epilog="Example: drorch source list district-land", short_help="List sources and their states."
)
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--all", "show_all", is_flag=True, help="Every source, however many there are.")
@common_options
def list_sources(source: str | None, show_all: bool, invocation: Invocation) -> int:
    """List every source that a policy names, a server was seen to have or the catalog knows: its state, and whose it is."""
    settings = invocation.settings()
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        found = [one for one in every_subject(loaded, wiring.catalog()) if source in (None, one.address, one.policy)]
    if source is not None and not found:
        raise unknown(source)
    if invocation.output.as_json:
        invocation.output.document("drorch.source-list/1", {"ok": True, "sources": [_document(one) for one in found]})
        return 0
    zone = str(settings.time_zone)
    rows = [("SOURCE", "STATE", "WHOSE", "FIRST USED", "LAST SEEN")]
    rows += [
        (
            printable(one.address),
            _state(one),
            _whose(one),
            "never" if one.record is None else local_time(one.record.first_used_at, zone)[:10],
            _last_seen(one, zone),
        )
        for one in (found if show_all else found[:_MOST_ROWS])
    ]
    more = [f"and {len(found) - _MOST_ROWS} more: --all"] if len(found) > _MOST_ROWS and not show_all else []
    invocation.output.lines(
        [*table(rows), *more] if found else ["There is no source yet. `drorch policy new NAME` writes a policy."]
    )
    return 0


@command.command(
    epilog='Example: drorch source adopt lamdong-land --reason "backup1 was replaced"', short_help="Take a source over."
)
@_source
@_reason
@common_options
def adopt(source: str, reason: str, invocation: Invocation) -> int:
    """Take a source over from another machine or writer, or all of a policy's.

    Its next backup is the first of a new lane: what was stored before stays restorable, and nothing is shared with it. The
    other machine must stop feeding the source.
    """
    changes = _each(source, invocation, lambda life, subject: life.adopt(subject, reason=reason))
    _tell(changes, invocation.output, "is this machine's from its next backup on; the other one must not go on")
    return 0


@command.command(
    epilog='Example: drorch source reseed lamdong-land --reason "a custodian left"',
    short_help="Begin a source anew, under new keys.",
)
@_source
@_reason
@common_options
def reseed(source: str, reason: str, invocation: Invocation) -> int:
    """Have the next backup of a source, or of all of a policy's, begin a lane that shares nothing with the one before: a full one.

    For when a recipient was removed: data that did not change would else stay where that key opens them. What was stored before stays as long as retention says.
    """
    changes = _each(source, invocation, lambda life, subject: life.reseed(subject, reason=reason))
    _tell(changes, invocation.output, "begins anew with its next backup, which stores everything")
    return 0


def _each(source: str, invocation: Invocation, change: Callable[[SourceLife, Subject], Change]) -> list[Change]:
    """Change every source that is meant and can be; raise why none could."""
    settings, loaded = prepared(invocation, source)
    with invocation.wiring(settings) as wiring:
        life = life_of(wiring)
        _policy, promises = loaded.find(source)
        changes: list[Change] = []
        last = None
        for subject in of_promises(loaded, wiring.catalog(), known_sources(wiring.catalog(), promises, source)):
            try:
                changes.append(change(life, subject))
            except NothingDone as nothing:
                last = nothing
    if not changes:
        raise last or unknown(source)
    return changes


@command.command(
    epilog='Example: drorch source retire district-land/land_d673 --reason "merged into land_d678"',
    short_help="Say that a source is no more.",
)
@_source
@_reason
@common_options
def retire(source: str, reason: str, invocation: Invocation) -> int:
    """Say that a source which is gone, or which no policy names any more, is no more.

    Until then it stays in `drorch status` and its snapshots are exempt from retention. They stay; retention counts them again.
    """
    settings, loaded = prepared(invocation, source)
    with invocation.wiring(settings) as wiring:
        change = life_of(wiring).retire(subject_of(loaded, wiring.catalog(), source), reason=reason)
    _tell([change], invocation.output, "is retired; its snapshots stay as long as retention says")
    return 0


@command.command(
    epilog='Example: drorch source reopen lamdong-land --reason "still written to"',
    short_help="Back a closed source up again.",
)
@_source
@_reason
@common_options
def reopen(source: str, reason: str, invocation: Invocation) -> int:
    """Have a closed or retired source backed up again."""
    settings, loaded = prepared(invocation, source)
    with invocation.wiring(settings) as wiring:
        change = life_of(wiring).reopen(subject_of(loaded, wiring.catalog(), source), reason=reason)
    _tell([change], invocation.output, "is open: its schedule and RPO count again")
    return 0


@command.command(
    epilog='Example: drorch source close phuquy-registry --reason "island commune dissolved" --legal-basis "QD 12/2026" --key custodians.key',
    short_help="End a source, with proof.",
)
@_source
@_reason
@click.option("--legal-basis", required=True, metavar="TEXT", help="By which act it is closed; kept with the hold.")
@key_options
@common_options
def close(
    source: str,
    reason: str,
    legal_basis: str,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Take the final snapshot into every store, restore it to prove it, put it under legal hold, and close the source.

    In this order; if any step fails the source stays open. The restore goes into a throw-away server of this machine and is
    compared with what was captured. A closed source has no schedule and no RPO; its snapshots can be verified and restored.
    """
    settings, loaded = prepared(invocation, source)
    settings.require_role("maintenance", "hold a snapshot")
    with invocation.wiring(settings) as wiring:
        life, catalog = life_of(wiring), wiring.catalog()
        life.require_open(subject_of(loaded, catalog, source))
        policy, promise = one_promise(loaded, catalog, source)
        maintainer = wiring.maintenance_key()
        recipient = read_recipient(key_path, passphrase_file)
        engine: dict[str, Json] = {"engine": promise.source.engine}
        # first: what cannot be proven is refused before anything is stored
        with wiring.sandbox(engine, SandboxLimits()) as place:
            report = _final_snapshot(wiring, policy, promise, invocation.output)
            repository, run = wiring.repository(policy.stores), report.snapshot.run
            proof = prove(repository, run, recipient, place.target, observer=Silent(), clock=wiring.clock)
        held = hold(
            repository,
            report.snapshot.lane,
            run,
            reason=f"{reason} ({legal_basis})",
            key=maintainer,
            clock=wiring.clock,
        )
        evidence = {"snapshot": str(run), "held_in": ", ".join(held), **proof}
        subject = subject_of(loaded, catalog, source)
        change = life.close(subject, reason=reason, legal_basis=legal_basis, proof=evidence)
    told = f"is closed; its final snapshot {run.short} was restored whole and is held in {' and '.join(held)}"
    _tell([change], invocation.output, told)
    return 0


def _final_snapshot(wiring: Wiring, policy: Policy, promise: SourcePromise, output: Output) -> BackupReport:
    """Back up into every store of the policy; raise what kept it from one of them."""
    report = Runner(wiring, Interruption()).alone(policy, promise, output)
    if report.complete:
        return report
    where = " and ".join(report.snapshot.copies)
    error = next(iter(report.dropped.values()), None) or CaptureFailed(
        f"{promise.address}: the final snapshot is not whole", found="; ".join(report.incomplete)
    )
    error.still_good = f"The source stays open; the snapshot {report.snapshot.run.short} is stored in {where}."
    raise error


def _state(one: Subject) -> str:
    if one.record is not None and one.record.state in (SourceState.CLOSED, SourceState.RETIRED):
        return str(one.record.state.value)
    if one.is_gone:
        return "gone"
    if not one.is_named:
        return "open"
    return "active" if one.record is not None else "new"


def _whose(one: Subject) -> str:
    if one.record is None:
        return "nobody's yet"
    return (
        "this machine" if one.record.machine_id == machine_id() else f"machine {one.record.machine_id[:8] or 'unknown'}"
    )


def _last_seen(one: Subject, zone: str) -> str:
    moment = one.seen.last_seen_at if one.seen is not None else None if one.record is None else one.record.last_seen_at
    return "" if moment is None else local_time(moment, zone)[:16]


def _document(one: Subject) -> dict[str, object]:
    record = one.record
    return {
        "source": one.address,
        "policy": one.policy,
        "state": _state(one),
        "lane": None if record is None else record.lane,
        "machine": None if record is None else record.machine_id,
        "is_ours": record is None or record.machine_id == machine_id(),
        "first_used": None if record is None else utc_time(record.first_used_at),
        "last_seen": None if one.seen is None else utc_time(one.seen.last_seen_at),
    }


def _tell(changes: Sequence[Change], output: Output, told: str) -> None:
    if output.as_json:
        sources = [
            {"source": one.address, "before": one.before, "after": one.after, "details": dict(one.details)}
            for one in changes
        ]
        output.document("drorch.source/1", {"ok": True, "sources": sources})
    elif not output.quiet:
        first, more = changes[0].address, len(changes) - 1
        output.lines(wrapped(f"OK  {printable(first)}{f' and {more} more' if more else ''} {told}", 4))
