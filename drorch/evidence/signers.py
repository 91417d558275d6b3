"""Which machine signed, and whether the reader knows it: by the root that it hangs from, or by its own key."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.steps import Step, StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.format.signing import SigningPublic
from drorch.ids import KeyId, grouped


def machine_keys(opened: OpenedDossier) -> Mapping[KeyId, tuple[SigningPublic, str]]:
    """Return every machine's key that a trust record lists, with its label."""
    return {
        signer.public.key_id: (signer.public, signer.label)
        for record in opened.trust.records
        for signer in record.signers
    }


def signer_step(opened: OpenedDossier, key_id: KeyId, label: str, trusted: TrustedKeys, entry: NumberedEntry) -> Step:
    """Return the step that says whose signature it is: the machine is known by the reader's root, or by its own key in the reader's file."""
    words = f"Ed25519 and ML-DSA-87 of {label} {grouped(key_id.raw[:8])}"
    revoked = trusted.revoked.get(key_id)
    if revoked is not None and entry.entry.at >= revoked.since:
        return Step("signature", StepOutcome.FAIL, f"{words}, revoked since {revoked.since:%d/%m/%Y}: {revoked.reason}")
    if opened.is_rooted or key_id in trusted.machines:
        return Step("signature", StepOutcome.OK, words)
    return Step("signature", StepOutcome.UNKNOWN, f"{words} fit, and nobody whom you trust vouches for that key")
