"""What adds to the ledger: the machine's key, and what it remembers until every store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drorch.wiring.stores import Stores

if TYPE_CHECKING:
    from datetime import datetime

    from drorch.evidence.stamp_rules import ChecksStamp
    from drorch.operations.proof.appending import LedgerWriter
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
        from drorch.timestamping.authority import verify_stamp

        return lambda stamp, content: verify_stamp(stamp, content, certificates)

    def ask_authority(self, authority: str, content: bytes) -> tuple[bytes, datetime]:
        """Return an RFC 3161 authority's answer and its time; raise ``TimestampPending`` or ``TimestampInvalid``."""
        from drorch.timestamping.authority import request_stamp

        return request_stamp(authority, content)
