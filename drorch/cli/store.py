"""``drorch store``: does a store keep the promises that drorch relies on?"""

from __future__ import annotations

from collections.abc import Sequence

import click

from drorch.cli.addresses import complete_store
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.errors import StoreUnfit
from drorch.storage.interface import Finding


@click.group(epilog="Example: drorch store validate hanoi")
def command() -> None:
    """Try a store, and print the bucket policies that part the roles."""


@command.command(
    epilog="Example: drorch store validate hanoi --as writer", short_help="Try every promise that drorch relies on."
)
@click.argument("name", shell_complete=complete_store)
@click.option(
    "--as", "role", type=click.Choice(["maintainer", "writer"]), default="maintainer", help="Whose credential this is."
)
@common_options
def validate(name: str, role: str, invocation: Invocation) -> int:
    """Try every promise that drorch relies on, with objects below validate/ that are deleted again.

    --as writer tries every call that a writer's credential must not be able to make; one that works is a failure.
    """
    with invocation.wiring() as wiring:
        if role == "writer":
            findings: Sequence[Finding] = wiring.validate_as_writer(name)
        else:
            findings = wiring.validate_store(name)
    failed = [finding for finding in findings if not finding.passed]
    if invocation.output.as_json:
        listed = [
            {"name": one.name, "passed": one.passed, "expected": one.expected, "found": one.found} for one in findings
        ]
        invocation.output.document("drorch.store-validate/1", {"ok": not failed, "store": name, "findings": listed})
    elif failed or not invocation.output.quiet:
        invocation.output.lines(_lines(name, findings, failed))
    return StoreUnfit.exit_code if failed else 0


def _lines(name: str, findings: Sequence[Finding], failed: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        lines += wrapped(f"  {'ok  ' if finding.passed else 'FAIL'}  {finding.name}: {finding.expected}", 8)
        lines += [] if finding.passed else wrapped(f"        found: {finding.found}", 8)
    if failed:
        return [*lines, f"FAIL  {name}: {len(failed)} of {len(findings)} promises are not kept"]
    return [*lines, f"OK  {name} keeps all {len(findings)} promises"]


@command.command(
    "bucket-policy",
    epilog="Example: drorch store bucket-policy writer",
    short_help="Print the policy of one role, to be filled in.",
)
@click.argument("role", type=click.Choice(["writer", "maintainer", "drill", "auditor", "bucket"]))
@common_options
def bucket_policy(role: str, invocation: Invocation) -> int:
    """Print the policy of one role, with BUCKET, PREFIX and WRITER to be filled in."""
    from drorch.wiring import bucket_policy as policy_text

    text = policy_text(role)
    if invocation.output.as_json:
        invocation.output.document("drorch.bucket-policy/1", {"ok": True, "role": role, "policy": text})
    else:
        invocation.output.lines(text.splitlines())
    return 0
