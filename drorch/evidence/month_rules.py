"""A month on one page: the figures that a machine stated, signed and entered are still those, and by a key that the reader knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drorch.errors import DrorchError, EvidenceBroken
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.envelope import check_signature, open_envelope
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.signers import machine_keys, signer_step
from drorch.evidence.statement_text import STATEMENT_TYPE, decode_text, encode_text, require_same
from drorch.evidence.steps import Step, StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys

PREDICATE_TYPE = "urn:drorch:month:v1"
_WHAT = "a month's report"


def encode_month(figures: dict[str, Any]) -> bytes:
    """Return the statement that is signed; ``figures`` holds ``month``, ``made_at``, ``host`` and ``kept`` at least."""
    return encode_text({"_type": STATEMENT_TYPE, "subject": [], "predicateType": PREDICATE_TYPE, "predicate": figures})


def month_steps(opened: OpenedDossier, entry: NumberedEntry, trusted: TrustedKeys) -> Iterator[Step]:
    """Yield who signed the report of an entry, and whether it is the one that the ledger names."""
    try:
        (document,) = entry.entry.documents
        raw = opened.content(document)
        if raw is None:
            raise EvidenceBroken(f"{document.name} is missing or altered")
        envelope = open_envelope(raw)
        key_id = opened.chains[entry.chain].key_id
        public, label = machine_keys(opened)[key_id]
        check_signature(envelope, public)
        figures = _figures(envelope.payload, entry)
    except ValueError:
        yield Step("month", StepOutcome.FAIL, f"{_WHAT} is not named by its entry")
        return
    except DrorchError as error:
        yield Step("month", StepOutcome.FAIL, f"{error.message}: {error.found}".removesuffix(": "))
        return
    yield signer_step(opened, key_id, label, trusted, entry)
    kept = "everything was kept" if figures["kept"] else "not everything was kept"
    whole = "" if figures["is_over"] else ", the month was not over"
    yield Step(
        "month", StepOutcome.OK, f"{figures['month']} of {figures['host']}, made {figures['made_at']}: {kept}{whole}"
    )


def _figures(payload: bytes, entry: NumberedEntry) -> dict[str, Any]:
    value = decode_text(payload, _WHAT)
    figures = value.get("predicate")
    if not isinstance(figures, dict) or not {"month", "made_at", "host", "kept", "is_over"} <= figures.keys():
        raise EvidenceBroken(f"{_WHAT} holds no figures")
    require_same(payload, encode_month(figures), _WHAT)
    if not figures["month"] == entry.entry.subject == entry.entry.facts["month"]:
        raise EvidenceBroken(
            "the ledger says something else of a month", expected=entry.entry.subject, found=str(figures["month"])[:40]
        )
    return figures
