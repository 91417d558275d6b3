"""Verify drills, or a month of them, out of a dossier, by the reader's keys; changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drorch.errors import EvidenceBroken, EvidenceUnknown, UsageInvalid
from drorch.evidence.dossier import Dossier, OpenedDossier, open_dossier
from drorch.evidence.draw_rules import verify_draw
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.month_rules import month_steps
from drorch.evidence.stamp_rules import ChecksStamp
from drorch.evidence.steps import Step, exit_code_of
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.evidence.verification import VerifiedDrill, common_steps, verify_drill

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_LEAST_CHARACTERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was verified: steps that hold for everything, each drill, and each draw and report of the month."""

    wanted: str
    common: tuple[Step, ...]
    drills: tuple[VerifiedDrill, ...]
    draws: tuple[Step, ...]
    months: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, in order."""
        return (*self.common, *(step for drill in self.drills for step in drill.steps), *self.draws, *self.months)

    @property
    def exit_code(self) -> int:
        """See ``evidence.steps``: 60 broken, 61 signer unknown."""
        return exit_code_of(self.steps)


def run(dossier: Dossier, wanted: str, trusted: TrustedKeys, checks_stamp: ChecksStamp | None = None) -> Verification:
    """Verify the drill whose id begins with ``wanted``, or all of a month (``2026-11``, UTC).

    Raises ``EvidenceUnknown`` when the ledger has none such, ``UsageInvalid`` for a beginning that fits several, and an ``IntegrityError``
    for a trust chain that does not hold by itself.
    """
    opened = open_dossier(dossier, trusted.root)
    entries = wanted_drills(opened, wanted)
    return Verification(
        wanted=wanted,
        common=tuple(common_steps(opened)),
        drills=tuple(verify_drill(opened, entry, trusted, checks_stamp) for entry in entries),
        draws=tuple(step for one in _draws(opened, wanted) for step in verify_draw(opened, one)),
        months=tuple(step for one in month_reports(opened, wanted) for step in month_steps(opened, one, trusted)),
    )


def is_month(wanted: str) -> bool:
    """Say whether a month is meant."""
    return _MONTH.fullmatch(wanted) is not None


def wanted_drills(opened: OpenedDossier, wanted: str) -> list[NumberedEntry]:
    """Return the entries of the drills that are meant; raises what ``run`` raises."""
    if is_month(wanted):
        found = [one for one in opened.drills() if f"{one.entry.at:%Y-%m}" == wanted]
        if not found and not _draws(opened, wanted) and not month_reports(opened, wanted):
            raise EvidenceUnknown(f"the ledger has no drill of {wanted}", expected="a month with drills", found="none")
        return found
    text = wanted.upper()
    found = [one for one in opened.drills() if one.entry.subject.upper().startswith(text)]
    if not found and opened.alarms:
        raise EvidenceBroken(
            f"the ledger was altered, and shows no drill {wanted}: {opened.alarms[0].words}",
            expected="an entry of that drill",
            found="a broken ledger",
        )
    if len(text) < _LEAST_CHARACTERS or not found:
        raise EvidenceUnknown(
            f"the ledger has no drill {wanted}", expected="the first characters of a drill's id", found="none that fits"
        )
    if len({one.entry.subject for one in found}) > 1:
        raise UsageInvalid(
            f"several drills begin with {wanted}",
            expected="more characters",
            found=", ".join(sorted({one.entry.subject for one in found})[:4]),
        )
    return found[:1]


def month_reports(opened: OpenedDossier, wanted: str) -> list[NumberedEntry]:
    """Return the entries of a month's signed reports; none when a drill is wanted."""
    return [one for one in opened.entries if one.entry.kind is EntryKind.REPORT_MONTH and one.entry.subject == wanted]


def _draws(opened: OpenedDossier, wanted: str) -> list[NumberedEntry]:
    if not is_month(wanted):
        return []
    return [one for one in opened.entries if one.entry.kind is EntryKind.DRAWN and f"{one.entry.at:%Y-%m}" == wanted]
