"""Find the text of a policy that was in force at a moment: from the catalog, or as far as snapshots tell it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from drorch.catalog.interface import Catalog
from drorch.errors import PolicyUnknown
from drorch.ids import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInForce:
    """``is_remembered``: the catalog saw it come into force; else a snapshot names its digest, and the text was found elsewhere."""

    digest: str
    text: str
    is_remembered: bool


def text_at(catalog: Catalog, policy: str, moment: datetime, *, text_now: str | None) -> TextInForce:
    """Return the text of ``policy`` that was in force at ``moment``.

    A catalog that was made again from the stores knows only the digests that snapshots name. Then the text is one that it came to
    know since, or ``text_now``, that of the policy file, if the digest is the same. Raises ``PolicyUnknown``, with the digest if it is known.
    """
    remembered = catalog.policy_at(policy, moment)
    if remembered is not None:
        return TextInForce(digest=remembered.digest, text=remembered.text, is_remembered=True)
    earlier = [record for record in catalog.snapshots(policy=policy) if record.ended_at <= moment]
    if not earlier:
        raise PolicyUnknown(
            f"the catalog has no text of {policy} for that time",
            expected="a time after its first backup",
            found=f"{moment:%Y-%m-%d %H:%M} UTC",
            hint="texts are kept from the first backup under them",
        )
    newest = max(earlier, key=lambda record: record.ended_at)
    digest = newest.policy_digest
    known = catalog.policy_text(digest)
    text = text_now if known is None else known.text
    if text is not None and str(digest_of_text(text)) == digest:
        return TextInForce(digest=digest, text=text, is_remembered=False)
    raise PolicyUnknown(
        f"of that text of {policy} only the digest is known",
        expected="a catalog that saw the backup, or the same text in the policy file",
        found=f"sha256 {digest}, named by snapshot {newest.snapshot[:8]}",
        hint="the text itself is in no store; look for a policy file of that time, with the versions of /etc or its backups",
    )


def digest_of_text(text: str) -> Digest:
    """Return the digest by which a policy's text is known in snapshots and in the catalog."""
    return Digest(hashlib.sha256(text.encode()).digest())
