"""The figures of a month, stated, signed by the machine and kept in the ledger of every store."""

from __future__ import annotations

from typing import Any

from drorch.evidence.envelope import sign_envelope
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.month_rules import encode_month
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.ids import Digest
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.watch.month import Month


def month_document(month: Month) -> dict[str, Any]:
    """Return the figures as they are stated, and shown by ``--json``."""
    return {
        "month": month.period.month,
        "is_over": month.period.is_over,
        "made_at": f"{month.made_at:%Y-%m-%dT%H:%M:%SZ}",
        "host": month.host,
        "kept": month.is_kept,
        "policies": [
            {
                "policy": one.policy,
                "sources": one.sources,
                "rpo_target_s": one.rpo_seconds,
                "rpo_kept": one.rpo_kept,
                "worst_gap_s": None if one.worst_gap_seconds is None else round(one.worst_gap_seconds),
                "drills": one.drills,
                "drills_passed": one.drills_passed,
                "rto_target_s": one.rto_seconds,
                "worst_rto_ms": one.worst_rto_ms,
                "in_every_store": one.in_every_store,
            }
            for one in month.policies
        ],
        "stores": [
            {"store": name, "last_contact": None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"}
            for name, at in month.stores
        ],
        "exceptions": list(month.exceptions),
        "unread": list(month.unread),
    }


def keep_month(month: Month, writer: LedgerWriter) -> Digest:
    """Sign the figures and enter them; return the digest of what was signed. Raises what ``LedgerWriter.append`` raises."""
    figures = month_document(month)
    envelope = sign_envelope(encode_month(figures), (writer.key,))
    digest = digest_of(envelope)
    file = f"month-{month.period.month}-{month.made_at:%Y%m%dt%H%M%S}z.dsse"
    name = names.evidence_document(month.period.start.year, file)
    entry = Entry(
        kind=EntryKind.REPORT_MONTH,
        subject=month.period.month,
        at=writer.clock.now(),
        facts={"month": month.period.month},
        documents=(Document(name, digest),),
    )
    writer.append([entry], {name: envelope})
    return digest
