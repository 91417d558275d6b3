"""Sign the next trust record and put it into every store, the same one everywhere.

All holders of root keys put into the store first whose name comes first: of two at once one finds the number taken there, and puts it nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, KeyMissing, KeyWrong, ObjectConflict, StoreError
from drorch.format import names
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.format.trust_record import TrustRecord
from drorch.ids import KeyId, grouped
from drorch.repository.carrier import Carrier
from drorch.repository.opening import Replica, Repository, read_trust
from drorch.repository.replicas import put_or_compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where something was put. ``missing`` says which stores lack it and why: `copy`, or the next call, brings them up."""

    stores: tuple[str, ...]
    missing: dict[str, DrorchError] = field(default_factory=dict)


def require_root(trust: TrustChain, key_id: KeyId) -> None:
    """Raise ``KeyWrong`` unless that is a root key of the record in force."""
    roots = {root.public.key_id: root.label for root in trust.last.roots}
    if key_id not in roots:
        raise KeyWrong(
            "that is no root key of this repository",
            expected="one of " + ", ".join(f"{label} {grouped(one.raw[:8])}" for one, label in roots.items()),
            found=grouped(key_id.raw[:8]),
            hint="the root key went to the safe when the repository was made, as keys/root.key",
        )


def publish(repository: Repository, record: TrustRecord, keys: Sequence[SigningKey], *, clock: Clock) -> Published:
    """Sign ``record`` with root keys and put it into every store that answers; see ``sign`` and ``put``."""
    return put(repository, record.number, sign(repository.trust, record, keys, clock=clock))


def sign(trust: TrustChain, record: TrustRecord, keys: Sequence[SigningKey], *, clock: Clock) -> bytes:
    """Return ``record`` signed by root keys; raise ``KeyWrong`` for one that may not sign, ``KeyMissing`` for too few."""
    distinct = {key.key_id: key for key in keys}
    for key_id in distinct:
        require_root(trust, key_id)
    if len(distinct) < trust.last.threshold:
        raise KeyMissing(
            "too few root keys sign",
            expected=f"{trust.last.threshold} of {len(trust.last.roots)} root keys",
            found=str(len(distinct)),
            hint="give --root-key once for each; their holders type the passphrases one after the other",
        )
    return record.sign(tuple(distinct.values()), clock.now())


def put(repository: Repository, number: int, raw: bytes) -> Published:
    """Put a signed record into every store that answers; stores that were behind get what they lack first.

    Raises ``SignatureInvalid`` for a record that no reader would take, ``ObjectConflict`` when another holder was quicker, and
    what the first store raises; then nothing was changed.
    """
    missing = {**repository.unusable, **bring_up(repository)}
    name = names.trust(number)
    first, *others = in_order(repository, missing)
    _require_good(first, repository.trust, number, raw)
    _put_first(first, name, raw)
    done = [first.name]
    for replica in others:
        try:
            put_or_compare(replica, name, raw)
        except (StoreError, IntegrityError) as error:
            missing[replica.name] = error
        else:
            done.append(replica.name)
    return Published(stores=tuple(done), missing=missing)


def bring_up(repository: Repository) -> dict[str, DrorchError]:
    """Put the trust records and key bundles that a store lacks and another has; return what went wrong, by store."""
    failed: dict[str, DrorchError] = {}
    answering: list[Replica] = []
    for replica in repository.replicas:
        try:
            read_trust(replica.store)
        except StoreError as error:
            failed[replica.name] = error
        else:
            answering.append(replica)
    for replica in answering:
        sources = [other for other in answering if other.name != replica.name]
        try:
            if sources:
                Carrier(sources, replica, repository.trust, lambda _count: None).trust_records()
        except (StoreError, IntegrityError) as error:
            failed[replica.name] = error
    return failed


def in_order(repository: Repository, failed: dict[str, DrorchError]) -> list[Replica]:
    """Return the stores in the order in which everybody puts; raise what is wrong when none is left."""
    usable = sorted((one for one in repository.replicas if one.name not in failed), key=lambda one: one.name)
    if not usable:
        raise next(iter(failed.values()))
    return usable


def _require_good(replica: Replica, trust: TrustChain, number: int, raw: bytes) -> None:
    """Do what every reader will do: it must not fail for the first time when the record can no longer be taken back."""
    TrustChain.verify((*read_trust(replica.store)[:number], raw), trust.root_digest.raw)


def _put_first(replica: Replica, name: str, raw: bytes) -> None:
    try:
        put_or_compare(replica, name, raw)
    except ObjectConflict as error:
        raise ObjectConflict(
            f"{name} is there already: another holder of root keys was quicker",
            expected="the number to be free",
            found=f"another record in {replica.name}",
            hint="`drorch keys show` says what it changed; then do yours again",
            still_good="Nothing of yours was put.",
        ) from error
