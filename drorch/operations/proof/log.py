"""What ``evidence log`` answers: is the ledger whole, and does it still hold the head that somebody wrote down?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drorch.errors import PARTIAL, EvidenceBroken, UsageInvalid
from drorch.evidence.ledger import Chain
from drorch.evidence.ledger_segment import SegmentHead
from drorch.operations.proof.reading import Ledger, read_ledger
from drorch.repository.opening import Repository

_LEAST_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """The ledger, the head that was expected, and the stores that do not hold it (``expected`` is ``None``: none was named, or no store does)."""

    ledger: Ledger
    wanted: str
    expected: tuple[Chain, SegmentHead] | None
    lacking: tuple[str, ...]

    @property
    def is_broken(self) -> bool:
        """Whether somebody altered or removed something."""
        return bool(self.ledger.alarms or self.lacking or (self.wanted and self.expected is None))

    @property
    def exit_code(self) -> int:
        """See docs/ERRORS.md: 3 where a store is behind or away and nothing is wrong."""
        if self.is_broken:
            return EvidenceBroken.exit_code
        return PARTIAL if self.ledger.problems or self.ledger.unreadable else 0


def run(repository: Repository, wanted: str | None) -> LogReport:
    """Read all of it; ``wanted`` is a head as it was printed, dashes or not. Raises ``UsageInvalid``, and what the stores raise."""
    digits = "" if wanted is None else _digits(wanted)
    ledger = read_ledger(repository)
    expected = ledger.find_head(digits) if digits else None
    return LogReport(
        ledger=ledger,
        wanted=digits,
        expected=expected,
        lacking=() if expected is None else tuple(_lacking(ledger, *expected)),
    )


def _digits(wanted: str) -> str:
    digits = wanted.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{_LEAST_DIGITS},64}}", digits):
        raise UsageInvalid(
            "not a head of a ledger", expected=f"at least {_LEAST_DIGITS} hexadecimal digits", found=wanted[:80]
        )
    return digits


def _lacking(ledger: Ledger, chain: Chain, head: SegmentHead) -> list[str]:
    """Return the stores that end before that head; one that follows the chain beyond it holds it."""
    return [
        store
        for store, heads in ledger.heads.items()
        if chain.identity not in heads or heads[chain.identity].number < head.number
    ]
