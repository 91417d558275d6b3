"""``drorch evidence verify``: check a drill, a month or a bundle, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from drorch.cli.evidence.places import dossier_of
from drorch.cli.evidence.trust import trusted_keys
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.named_files import bytes_of, is_file
from drorch.cli.output import local_time, printable, wrapped
from drorch.evidence.bundle import BUNDLE_LIMIT_BYTES, read_bundle
from drorch.evidence.steps import Step
from drorch.evidence.verification import VerifiedDrill
from drorch.ids import grouped
from drorch.operations.proof import verifying
from drorch.operations.proof.verifying import Verification
from drorch.quantities import counted

_PEM_LIMIT_BYTES = 2**20


@click.command(
    epilog="Example: drorch evidence verify 01KB3W0T --trust auditor.txt",
    short_help="Check a drill, a month, a bundle.",
)
@click.argument("wanted", metavar="ID|FILE|YYYY-MM")
@click.option(
    "--trust",
    metavar="FILE|DIGEST",
    help="Whom you trust: a file of signers, or a trust root; by default drorch.yaml.",
)
@click.option(
    "--tsa-certificate",
    "authority",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="PEM certificate of the time-stamping authority that you trust.",
)
@click.option("--store", metavar="URL|NAME", help="Read the evidence of an id or month from this store.")
@common_options
def command(wanted: str, trust: str | None, authority: Path | None, store: str | None, invocation: Invocation) -> int:
    """Verify evidence by keys that you got from the people themselves, never by those that travel with it.

    It ends with 0 when everything holds, 60 when something was altered, is missing or contradicts itself, and 61 when it is consistent and signed
    by somebody whom you were not told to trust.
    """
    settings = invocation.settings_or_bare()
    trusted = trusted_keys(settings, trust)
    certificates = (
        None if authority is None else bytes_of(authority, "the certificate of an authority, as PEM", _PEM_LIMIT_BYTES)
    )
    with invocation.wiring(settings) as wiring:
        checks = None if certificates is None else wiring.stamp_checker(certificates)
        if _is_named_as_file(wanted):
            bundle = read_bundle(bytes_of(Path(wanted), "a bundle of `drorch evidence export`", BUNDLE_LIMIT_BYTES))
            verification = verifying.run(bundle.dossier(), bundle.wanted, trusted, checks)
        else:
            verification = verifying.run(dossier_of(wiring, store), wanted, trusted, checks)
    if invocation.output.as_json:
        invocation.output.document("drorch.evidence-verify/1", _document(verification))
    elif not invocation.output.quiet or verification.exit_code:
        invocation.output.lines(_lines(verification, str(settings.time_zone)))
    return verification.exit_code


def _is_named_as_file(wanted: str) -> bool:
    """Whether a bundle is meant: also one that is not there, so that nobody is asked for a store because of a slip of the pen."""
    return is_file(wanted) or "/" in wanted or wanted.endswith(".zip")


def _lines(verification: Verification, zone: str) -> Iterator[str]:
    number = 0
    for step in verification.common:
        number += 1
        yield from _step_lines(number, step)
    for drill in verification.drills:
        yield from wrapped(f"Drill {drill.entry.entry.subject}  {_about(drill, zone)}", 2)
        for step in drill.steps:
            number += 1
            yield from _step_lines(number, step)
    if verification.draws:
        yield "Draws"
    for step in verification.draws:
        number += 1
        yield from _step_lines(number, step)
    if verification.months:
        yield f"Reports of {verification.wanted}"
    for step in verification.months:
        number += 1
        yield from _step_lines(number, step)
    yield from wrapped(_verdict(verification), 4)


def _step_lines(number: int, step: Step) -> list[str]:
    return wrapped(printable(f"  {number:>3}  {step.outcome.value:<7}  {step.name:<10}  {step.found}"), 28)


def _about(drill: VerifiedDrill, zone: str) -> str:
    facts = drill.entry.entry.facts
    when = (
        local_time(drill.entry.entry.at, zone) if drill.report is None else local_time(drill.report.declared_at, zone)
    )
    return printable(f"{facts['source']}  {facts['verdict']}  {when}  statement {grouped(drill.digest.raw[:8])}")


def _verdict(verification: Verification) -> str:
    count = counted(len(verification.drills), "drill")
    if verification.months and not verification.drills:
        count = f"the report of {verification.wanted}"
    if verification.exit_code == 0:
        verdicts = sorted({drill.entry.entry.facts["verdict"] for drill in verification.drills})
        told = f" ({', '.join(verdicts)})" if verdicts else ""
        return f"OK  the evidence of {count} holds{told}, by signers whom you trust"
    if verification.exit_code == 61:
        return f"UNKNOWN  the evidence of {count} is consistent, signer unknown: nobody whom you trust vouches for it"
    failed = sum(step.outcome.value == "FAIL" for step in verification.steps)
    return f"FAIL  {failed} of {len(verification.steps)} steps failed: do not rely on this evidence"


def _document(verification: Verification) -> dict[str, object]:
    return {
        "ok": verification.exit_code == 0,
        "wanted": verification.wanted,
        "result": {0: "holds", 61: "signer_unknown"}.get(verification.exit_code, "broken"),
        "common": [_plain(step) for step in verification.common],
        "drills": [
            {
                "drill": drill.entry.entry.subject,
                "source": drill.entry.entry.facts["source"],
                "verdict": drill.entry.entry.facts["verdict"],
                "statement": str(drill.digest),
                "steps": [_plain(step) for step in drill.steps],
            }
            for drill in verification.drills
        ],
        "draws": [_plain(step) for step in verification.draws],
        "months": [_plain(step) for step in verification.months],
    }


def _plain(step: Step) -> dict[str, str]:
    return {"name": step.name, "outcome": step.outcome.value.lower(), "found": step.found}
