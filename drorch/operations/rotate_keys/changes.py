"""Decide the next trust record from the last one and what is to change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.errors import UsageInvalid
from drorch.format.keyfile import ROLE_OF_KIND, KeyKind, PublicKey
from drorch.format.signing import SigningPublic
from drorch.format.trust import TrustChain
from drorch.format.trust_record import (
    LANE_PREFIX_BYTES,
    MOST_RECIPIENTS,
    Recipient,
    Revocation,
    RootKey,
    Signer,
    TrustRecord,
)
from drorch.ids import KeyId, grouped
from drorch.operations.rotate_keys.listed import ListedKey, listed_keys
from drorch.quantities import counted

_PEOPLE = (KeyKind.OPERATOR, KeyKind.VERIFIER)
_UNREVOKED = (KeyKind.ROOT, KeyKind.RECIPIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the next record says otherwise. ``threshold`` is how many root keys must sign from then on; ``None``: as many as now."""

    added: tuple[PublicKey, ...] = ()
    removed: tuple[ListedKey, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    threshold: int | None = None


def next_record(trust: TrustChain, change: Change) -> TrustRecord:
    """Return the record that follows the last one; raise ``UsageInvalid`` for a change that cannot be or that would close the repository."""
    _refuse_additions(trust, change)
    _refuse_removals(change)
    last, gone = trust.last, {key.key_id for key in change.removed} | {one.key_id for one in change.revocations}
    roots = (*(one for one in last.roots if one.public.key_id not in gone), *_new_roots(change))
    recipients = (*(one for one in last.recipients if one.recipient_id not in gone), *_new_recipients(change))
    signers = (*(one for one in last.signers if one.public.key_id not in gone), *_new_signers(change))
    threshold = last.threshold if change.threshold is None else change.threshold
    _refuse_result(roots, threshold, recipients, signers)
    return TrustRecord(
        number=last.number + 1,
        previous=trust.last_digest,
        repository=last.repository,
        roots=roots,
        threshold=threshold,
        recipients=recipients,
        signers=signers,
        revocations=(*last.revocations, *change.revocations),
        min_reader=last.min_reader,
        min_writer=last.min_writer,
    )


def _new_roots(change: Change) -> Iterator[RootKey]:
    for key in change.added:
        if key.kind is KeyKind.ROOT and isinstance(key.public, SigningPublic):
            yield RootKey(key.public, key.label)


def _new_recipients(change: Change) -> Iterator[Recipient]:
    for key in change.added:
        if isinstance(key.public, Recipient):
            yield key.public


def _new_signers(change: Change) -> Iterator[Signer]:
    for key in change.added:
        if key.kind in ROLE_OF_KIND and isinstance(key.public, SigningPublic):
            yield Signer(key.public, ROLE_OF_KIND[key.kind], key.label)


def _refuse_additions(trust: TrustChain, change: Change) -> None:
    listed = {key.key_id: key for key in listed_keys(trust)}
    seen: set[KeyId] = set()
    for key in change.added:
        name = f"{key.label} {grouped(key.key_id.raw[:8])}"
        if key.kind in _PEOPLE:
            raise UsageInvalid(
                f"{name} is the key of a person, who signs drills",
                expected="the key of a recipient, a host or a root key",
                found=key.kind.value,
                hint="people stand in `people:` of drorch.yaml, and in the auditor's file: `drorch keys trust add FILE.pub`",
            )
        if key.key_id in listed or key.key_id in seen:
            known = listed[key.key_id].shown if key.key_id in listed else "twice on the command line"
            hint = "nothing is to be done for it: `drorch keys show` lists what every key may do"
            raise UsageInvalid(f"{name} is listed already", expected="a new key", found=known, hint=hint)
        if trust.is_revoked(key.key_id):
            raise UsageInvalid(
                f"{name} was revoked",
                expected="a new key",
                found="one that somebody else may have",
                hint="`drorch keys generate NAME --role writer` makes another",
            )
        seen.add(key.key_id)


def _refuse_removals(change: Change) -> None:
    for key in change.removed:
        if key.kind not in _UNREVOKED:
            raise UsageInvalid(
                f"{key.label} signed things that are to count on",
                expected="the key of a recipient, or a root key",
                found=f"that of a {key.kind.value}",
                hint="`drorch keys revoke` says up to where they count",
            )


def _refuse_result(
    roots: tuple[RootKey, ...], threshold: int, recipients: tuple[Recipient, ...], signers: tuple[Signer, ...]
) -> None:
    if not 1 <= threshold <= len(roots):
        raise UsageInvalid(
            "nobody could change anything any more",
            expected=f"{counted(threshold, 'root key')}, as many as must sign"
            if threshold
            else "at least one that must sign",
            found=f"{len(roots)}",
            hint="add the new root key first, or lower --threshold",
        )
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise UsageInvalid(
            "nobody could read a backup" if not recipients else "too many recipients",
            expected=f"1 to {MOST_RECIPIENTS} recipients",
            found=str(len(recipients)),
            hint="add the new recipient first" if not recipients else "remove those who left first",
        )
    if len({one.public.key_id.raw[:LANE_PREFIX_BYTES] for one in signers}) < len(signers):
        raise UsageInvalid(
            "two signers share the first bytes of their ids, and would share lanes",
            expected="a key of its own for each",
            hint="make another key",
        )
