"""The trust chain (FORMAT 4): who may read, who may sign, vouched for by offline root keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from drorch.errors import Bug, FormatUnsupported, SignatureInvalid, TrustMismatch
from drorch.format import names
from drorch.format.fields import Bytes
from drorch.format.objects import MAJOR, ObjectType, digest_of
from drorch.format.signing import SigningPublic, VerifiedObject, unverified_payload, verify_object
from drorch.format.trust_record import LANE_PREFIX_BYTES, NO_PREVIOUS, Head, Recipient, Role, Signer, TrustRecord
from drorch.ids import Digest, KeyId, LaneId, RepositoryId, grouped

ROOT_PREFIX_BYTES = 16
_TYPES_OF_ROLE: Mapping[Role, frozenset[ObjectType]] = {
    Role.WRITER: frozenset(
        {
            ObjectType.RUN_RECORD,
            ObjectType.PACK_LIST,
            ObjectType.MANIFEST,
            ObjectType.COMMIT,
            ObjectType.LEDGER_SEGMENT,
        }
    ),
    Role.MAINTAINER: frozenset(
        {
            ObjectType.KEY_BUNDLE,
            ObjectType.RETIRE_LIST,
            ObjectType.DAMAGE_LIST,
            ObjectType.LEDGER_SEGMENT,
            ObjectType.COURIER_LIST,
        }
    ),
    Role.DRILL_HOST: frozenset({ObjectType.LEDGER_SEGMENT}),
}


@dataclass(frozen=True, slots=True)
class TrustChain:
    """A verified chain. ``root_digest`` is the trust root that it hangs from; ``last`` holds the keys in force."""

    records: tuple[TrustRecord, ...]
    root_digest: Digest
    last_digest: Digest

    @classmethod
    def verify(cls, objects: Sequence[Bytes], expected_root: bytes | None) -> Self:
        """Return the chain that ``trust/0``, ``trust/1``, ... make, if it hangs from ``expected_root``.

        ``expected_root`` is the digest of ``trust/0``, whole or its first 16 bytes; ``None`` takes whatever is there: the caller shows the
        digest and marks everything that follows as unauthenticated. Raises ``TrustMismatch``, ``SignatureInvalid``,
        ``ObjectCorrupt`` or ``FormatUnsupported``.
        """
        if not objects:
            raise TrustMismatch("there is no trust record", expected="trust/0", found="none")
        # 1. The root is pinned by its digest: this is what makes reading its payload before its signatures sound.
        root_digest = digest_of(objects[0])
        _check_root(root_digest, expected_root)
        first = TrustRecord.decode(unverified_payload(objects[0], ObjectType.TRUST))
        records, digests = [first], [NO_PREVIOUS]
        for number, raw in enumerate(objects):
            # 2. At least the threshold of the root keys that the record before names (record 0: its own).
            record = first if number == 0 else TrustRecord.decode(_verified(raw, number, records[-1]).payload)
            if number == 0:
                _verified(raw, 0, first)
            else:
                records.append(record)
            # 3. Its place in the chain.
            _check_link(record, number, first.repository, digests[-1])
            digests.append(digest_of(raw))
        # 4. A repository that needs a newer reader says so in its last record.
        if records[-1].min_reader > MAJOR:
            raise FormatUnsupported(
                "the repository wants a newer drorch",
                expected=f"a reader of format {records[-1].min_reader}",
                found=f"format {MAJOR}",
                hint="use a newer drorch",
            )
        return cls(records=tuple(records), root_digest=root_digest, last_digest=digests[-1])

    @property
    def last(self) -> TrustRecord:
        """The record in force."""
        return self.records[-1]

    @property
    def number(self) -> int:
        """The number of the record in force: what a run record names."""
        return self.last.number

    @property
    def repository(self) -> RepositoryId:
        """The repository's id."""
        return self.last.repository

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Those who may read runs from now on."""
        return self.last.recipients

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Those who may sign."""
        return self.last.signers

    @property
    def min_writer(self) -> int:
        """The least format that may write."""
        return self.last.min_writer

    def allowed(self, object_type: ObjectType, lane: LaneId | None) -> Mapping[KeyId, SigningPublic]:
        """Return the key pairs that may sign an object of that type in that lane.

        A revoked writer is among them only in lanes for which its revocation names a head: see ``last_good``.
        """
        return {
            signer.public.key_id: signer.public
            for signer in self._listed()
            if object_type in _TYPES_OF_ROLE[signer.role]
            and _may_use(signer, lane)
            and (not self.is_revoked(signer.public.key_id) or self._counts_on(signer, lane))
        }

    def revoked_signers(self, role: Role) -> Mapping[KeyId, SigningPublic]:
        """Return the key pairs of that role that were revoked: to tell what they signed from what is damaged."""
        return {
            signer.public.key_id: signer.public
            for signer in self._listed()
            if signer.role is role and self.is_revoked(signer.public.key_id)
        }

    def is_revoked(self, key_id: KeyId) -> bool:
        """Say whether the key was revoked."""
        return any(revocation.key_id == key_id for revocation in self.last.revocations)

    def last_good(self, key_id: KeyId, lane: LaneId) -> Head | None:
        """Return up to where a **revoked** writer's chain counts in ``lane``.

        ``None`` for a key that is in force (no end) and for a revoked one without a head there, which ``allowed`` leaves out.
        """
        for revocation in self.last.revocations:
            if revocation.key_id == key_id:
                return revocation.last_good.get(lane)
        return None

    def _listed(self) -> list[Signer]:
        revoked = {revocation.key_id for revocation in self.last.revocations}
        earlier = {
            signer.public.key_id: signer
            for record in self.records
            for signer in record.signers
            if signer.public.key_id in revoked
        }
        return [*self.last.signers, *earlier.values()]

    def _counts_on(self, signer: Signer, lane: LaneId | None) -> bool:
        return lane is not None and self.last_good(signer.public.key_id, lane) is not None


def _may_use(signer: Signer, lane: LaneId | None) -> bool:
    if signer.role is not Role.WRITER:
        return True
    return lane is not None and lane.raw[:LANE_PREFIX_BYTES] == signer.public.key_id.raw[:LANE_PREFIX_BYTES]


def _check_root(found: Digest, expected: bytes | None) -> None:
    if expected is None:
        return
    if len(expected) not in {ROOT_PREFIX_BYTES, 32}:
        raise Bug(f"a trust root of {len(expected)} bytes")
    if not found.raw.startswith(expected):
        raise TrustMismatch(
            "this repository hangs from another trust root",
            expected=grouped(expected[:ROOT_PREFIX_BYTES]),
            found=grouped(found.raw[:ROOT_PREFIX_BYTES]),
            hint="compare with the recovery sheet; a repository made by somebody else looks like this",
        )


def _verified(raw: Bytes, number: int, before: TrustRecord) -> VerifiedObject:
    return verify_object(
        raw,
        expected_type=ObjectType.TRUST,
        name=names.trust(number),
        repository=before.repository,
        lane=None,
        allowed={root.public.key_id: root.public for root in before.roots},
        threshold=before.threshold,
    )


def _check_link(record: TrustRecord, number: int, repository: RepositoryId, previous: Digest) -> None:
    found = (record.number, record.repository, record.previous)
    if found != (number, repository, previous):
        raise SignatureInvalid(
            f"{names.trust(number)} does not follow the record before it",
            expected=f"number {number}, previous {str(previous)[:16]}",
            found=f"number {record.number}, previous {str(record.previous)[:16]}",
        )
