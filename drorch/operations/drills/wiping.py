"""The end of a sandbox: wiped, looked at again, and told how far it was cut off."""

from __future__ import annotations

from dataclasses import replace

from drorch.clock import Clock
from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome
from drorch.evidence.drill_report import SandboxUsed
from drorch.operations.drills.checking import timed
from drorch.quantities import counted, format_size
from drorch.sandbox.interface import Isolation, Sandbox, WipeProof

TITLE = "sandbox wiped"
_SHOWN = 20
_NAMED = 5


def wipe(sandbox: Sandbox, clock: Clock) -> tuple[SandboxUsed, CheckResult]:
    """Wipe it; return what the report says of it, and the result of the check."""
    isolation, used = sandbox.isolation, _used(sandbox)
    proofs: list[WipeProof] = []

    def carry_out() -> CheckResult:
        proofs.append(sandbox.wipe())
        return _result(proofs[0])

    result = timed(clock, Check.WIPED, TITLE, carry_out)
    if proofs:
        used = replace(used, wiped=(_counted(proofs[0]), *proofs[0].left))
    if result.outcome is Outcome.OK and isolation.account and not isolation.has_no_network:
        told = ("the sandbox was not cut off from every network",)
        result = replace(result, outcome=Outcome.FINDING, told=told)
    return used, result


def _counted(proof: WipeProof) -> str:
    databases = f"{counted(proof.databases, 'database')} dropped, " if proof.databases else ""
    size = format_size(proof.bytes)
    return f"{databases}{counted(proof.processes, 'process')} ended, {counted(proof.files, 'file')} ({size}) deleted"


def _result(proof: WipeProof) -> CheckResult:
    return CheckResult(
        check=Check.WIPED,
        title=TITLE,
        outcome=Outcome.OK if proof.is_clean else Outcome.FAIL,
        expected="nothing left",
        found="nothing left" if proof.is_clean else f"left: {', '.join(proof.left[:_NAMED])}",
        differences=tuple(Difference(name=one, expected="gone", found="there") for one in proof.left[:_SHOWN]),
        told=tuple(f"left over: {one}" for one in proof.left[:_SHOWN]),
    )


def _used(sandbox: Sandbox) -> SandboxUsed:
    isolation: Isolation = sandbox.isolation
    account = f"runs as {isolation.account}" if isolation.account else "no program of its own"
    network = "no network" if isolation.has_no_network else "not cut off from the network"
    return SandboxUsed(
        kind=sandbox.description.partition(",")[0],
        engine_version=sandbox.version,
        is_throw_away=sandbox.is_throw_away,
        isolation=(network, account, *isolation.means),
        wiped=(),
    )
