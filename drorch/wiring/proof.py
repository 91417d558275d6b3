"""What adds to the ledger: the machine's key, and what it remembers until every store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drorch.errors import EvidenceError
from drorch.wiring.stores import Stores

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from drorch.evidence.stamp_rules import ChecksStamp
    from drorch.operations.proof.appending import LedgerWriter
    from drorch.operations.proof.stamping import AsksAuthority
    from drorch.repository.opening import Repository


class Proof(Stores):
    """Evidence, on top of stores and keys."""

    def ledger_writer(self, repository: Repository | None = None) -> LedgerWriter:
        """Return what adds to this machine's chain of the ledger, signed by its host key whatever its role.

        Raises what opening the repository or reading the key raises; ``LedgerWriter.append`` refuses a key that may not sign there.
        """
        from drorch.operations.proof.appending import LedgerWriter

        return LedgerWriter(
            repository=repository or self.repository(),
            key=self.host_key().key.signing_key(),
            clock=self.clock,
            memory=self.settings.state_directory / "ledger",
        )

    def stamp_checker(self, certificates: bytes) -> ChecksStamp:
        """Return what checks time-stamps by the reader's certificates (PEM)."""
        verify_stamp = _time_stamping().verify_stamp
        return lambda stamp, content: verify_stamp(stamp, content, certificates)

    def authority_asker(self) -> AsksAuthority:
        """Return what asks an RFC 3161 authority; raise ``EvidenceError`` where the library for it is missing."""
        ask: AsksAuthority = _time_stamping().request_stamp
        return ask

    @property
    def owed_stamps(self) -> Path:
        """The file that is there while some drill of this machine has no time-stamp that it should have."""
        return self.settings.state_directory / "time-stamps-owed"


def _time_stamping() -> ModuleType:
    try:
        from drorch.timestamping import authority
    except ImportError as error:
        raise EvidenceError(
            "this installation knows no time-stamps",
            expected="the package rfc3161-client",
            found="none",
            hint="install drorch with the extra `drills`",
        ) from error
    return authority
