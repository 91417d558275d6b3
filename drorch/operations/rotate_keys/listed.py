"""The keys that the trust record in force lists, as people name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.errors import UsageInvalid
from drorch.format.keyfile import KIND_OF_ROLE, KeyKind
from drorch.format.trust import TrustChain
from drorch.format.trust_record import TrustRecord
from drorch.ids import KeyId, grouped

_FEWEST_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key of the record in force; ``since`` is the number of the first record that listed it."""

    kind: KeyKind
    label: str
    key_id: KeyId
    since: int

    @property
    def shown(self) -> str:
        """Kind, label and the beginning of the id, for people."""
        return f"{self.kind.value} {self.label or 'without a name'} {grouped(self.key_id.raw[:8])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedKey:
    """A key that signs no more; ``since`` is the number of the record that revoked it, ``chains`` how many lanes and ledger chains count on."""

    kind: KeyKind
    label: str
    key_id: KeyId
    since: int
    chains: int


def listed_keys(trust: TrustChain) -> tuple[ListedKey, ...]:
    """Return root keys, recipients and signers of the record in force, in its order."""
    since: dict[KeyId, int] = {}
    for record in trust.records:
        for _, _, key_id in _keys_of(record):
            since.setdefault(key_id, record.number)
    return tuple(
        ListedKey(kind=kind, label=label, key_id=key_id, since=since[key_id])
        for kind, label, key_id in _keys_of(trust.last)
    )


def revoked_keys(trust: TrustChain) -> tuple[RevokedKey, ...]:
    """Return the keys that were revoked, with what an earlier record called them."""
    called = {key_id: (kind, label) for record in trust.records for kind, label, key_id in _keys_of(record)}
    since: dict[KeyId, int] = {}
    for record in trust.records:
        for revocation in record.revocations:
            since.setdefault(revocation.key_id, record.number)
    return tuple(
        RevokedKey(
            kind=called.get(one.key_id, (KeyKind.WRITER, ""))[0],
            label=called.get(one.key_id, (KeyKind.WRITER, ""))[1],
            key_id=one.key_id,
            since=since[one.key_id],
            chains=len(one.last_good),
        )
        for one in trust.last.revocations
    )


def find_key(trust: TrustChain, which: str) -> ListedKey:
    """Return the key whose label ``which`` is, or with whose digits its id begins (at least 8); raise ``UsageInvalid``."""
    keys = listed_keys(trust)
    digits = which.lower().replace("-", "")
    found = [key for key in keys if key.label == which]
    if not found and len(digits) >= _FEWEST_DIGITS:
        found = [key for key in keys if str(key.key_id).startswith(digits)]
    if len(found) == 1:
        return found[0]
    raise UsageInvalid(
        f"{'several keys are' if found else 'no key is'} called {which}",
        expected="one of " + ", ".join(key.shown for key in found or keys),
        found=which[:80],
        hint="the digits of its id name one key: `drorch keys show`",
    )


def _keys_of(record: TrustRecord) -> Iterator[tuple[KeyKind, str, KeyId]]:
    for root in record.roots:
        yield KeyKind.ROOT, root.label, root.public.key_id
    for recipient in record.recipients:
        yield KeyKind.RECIPIENT, recipient.label, recipient.recipient_id
    for signer in record.signers:
        yield KIND_OF_ROLE[signer.role], signer.label, signer.public.key_id
