"""Manifests and commits (FORMAT 8): what a snapshot is and needs, and that it counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Self

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format import names
from drorch.format.derivation import KEY_BYTES
from drorch.format.fields import Bytes, Fields, encode_fields, time64, u8, u32, u64
from drorch.format.json_text import decode_json, encode_json
from drorch.format.objects import ObjectType
from drorch.format.record import RecordContext
from drorch.format.sealed import open_body, seal_body
from drorch.format.signing import SigningKey, SigningPublic, VerifiedObject, sign_object, verify_object
from drorch.format.tree import Reference
from drorch.ids import Digest, KeyId, LaneId, RepositoryId, RunId

MANIFEST_LIMIT_BYTES = 8 * 2**20
NO_PREVIOUS = Digest(bytes(32))
_OPTIONAL = (22, 26, 27, 33, 34)
_MANIFEST_FIELDS = range(16, 35)
_COMMIT_FIELDS = range(16, 19)
_INFO = b"drorch/1 manifest"
_LABEL = b"DRORCH manifest 1"


class Result(IntEnum):
    """Whether the snapshot holds all that the policy asked for."""

    COMPLETE = 1
    PARTIAL = 2


class CommitState(IntEnum):
    """Whether the manifest counts."""

    COMMITTED = 1
    VOID = 2


def bitmap_of(ordinals: Iterable[int], count: int) -> bytes:
    """Return the bitmap over ``count`` packs in which ``ordinals`` are set."""
    bits = bytearray((count + 7) // 8)
    for ordinal in ordinals:
        if not 0 <= ordinal < count:
            raise Bug(f"pack {ordinal} of {count}")
        bits[ordinal // 8] |= 0x80 >> ordinal % 8
    return bytes(bits)


def ordinals_of(bitmap: bytes) -> Iterator[int]:
    """Yield the ordinals that are set, ascending."""
    for position, byte in enumerate(bitmap):
        for bit in range(8) if byte else ():
            if byte & (0x80 >> bit):
                yield position * 8 + bit


@dataclass(frozen=True, slots=True)
class Needs:
    """The packs of one run that a snapshot needs."""

    run: RunId
    pack_list_digest: Digest
    bitmap: bytes

    @property
    def ordinals(self) -> Iterator[int]:
        """The ordinals of the needed packs, ascending."""
        return ordinals_of(self.bitmap)

    @property
    def count(self) -> int:
        """How many packs are needed."""
        return int.from_bytes(self.bitmap, "big").bit_count()

    def has(self, ordinal: int) -> bool:
        """Say whether the pack with that ordinal is needed."""
        return ordinal // 8 < len(self.bitmap) and bool(self.bitmap[ordinal // 8] & (0x80 >> ordinal % 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The public part of a manifest. ``digest``, ``signers`` and ``sealed_body`` are set on one that was read."""

    repository: RepositoryId
    lane: LaneId
    sequence: int
    previous: Digest
    run: RunId
    started: datetime
    ended: datetime
    restore_point: datetime
    source: str
    policy_digest: Digest
    result: Result
    bytes_read: int
    bytes_stored: int
    rows: int
    tables: int
    needs: tuple[Needs, ...] = ()
    store_date: datetime | None = None
    retention_class: str | None = None
    slot: datetime | None = None
    group: bytes | None = None
    engine: str | None = None
    made_at: datetime | None = None
    digest: Digest | None = None
    signers: frozenset[KeyId] = frozenset()
    sealed_body: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """The name of the object."""
        return names.manifest(self.lane, self.sequence)

    def sign(self, sealed_body: bytes, key: SigningKey, made_at: datetime) -> bytes:
        """Return the object ``m/<seq>`` with ``sealed_body`` as its attachment."""
        raw = sign_object(
            ObjectType.MANIFEST,
            self._fields(),
            name=self.name,
            repository=self.repository,
            lane=self.lane,
            made_at=made_at,
            keys=(key,),
            attachment=sealed_body,
            optional=_OPTIONAL,
        )
        if len(raw) > MANIFEST_LIMIT_BYTES:
            raise Bug(f"a manifest of {len(raw)} bytes")
        return raw

    @classmethod
    def verify(
        cls,
        raw: Bytes,
        *,
        repository: RepositoryId,
        lane: LaneId,
        sequence: int,
        allowed: Mapping[KeyId, SigningPublic],
    ) -> Self:
        """Return manifest ``sequence`` of ``lane``; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``.

        The caller still owes the comparison of ``previous`` with the digest of the manifest before it.
        """
        _check_size(raw)
        verified = verify_object(
            raw,
            expected_type=ObjectType.MANIFEST,
            name=names.manifest(lane, sequence),
            repository=repository,
            lane=lane,
            allowed=allowed,
        )
        manifest = cls._decode(verified, repository, lane)
        if manifest.sequence != sequence:
            raise ObjectCorrupt("a manifest has another number", expected=f"{sequence}", found=f"{manifest.sequence}")
        return manifest

    @classmethod
    def _decode(cls, verified: VerifiedObject, repository: RepositoryId, lane: LaneId) -> Self:
        fields = verified.fields("a manifest", _MANIFEST_FIELDS, repeated=(32,))
        result = fields.number(25, 1)
        if result not in set(Result):
            raise FormatUnsupported("a manifest with an unknown result", expected="1 or 2", found=str(result))
        return cls(
            repository=repository,
            lane=lane,
            sequence=fields.number(16, 8),
            previous=Digest(fields.exactly(17, 32)),
            run=RunId(fields.exactly(18, 16)),
            started=fields.time(19),
            ended=fields.time(20),
            restore_point=fields.time(21),
            source=fields.text(23),
            policy_digest=Digest(fields.exactly(24, 32)),
            result=Result(result),
            bytes_read=fields.number(28, 8),
            bytes_stored=fields.number(29, 8),
            rows=fields.number(30, 8),
            tables=fields.number(31, 4),
            needs=tuple(_decode_needs(one) for one in fields.many(32)),
            store_date=None if fields.maybe(22) is None else fields.time(22),
            retention_class=None if fields.maybe(26) is None else fields.text(26),
            slot=None if fields.maybe(27) is None else fields.time(27),
            group=None if fields.maybe(33) is None else fields.exactly(33, 16),
            engine=None if fields.maybe(34) is None else fields.text(34),
            made_at=verified.made_at,
            digest=verified.digest,
            signers=verified.signers,
            sealed_body=verified.attachment,
        )

    def _fields(self) -> list[tuple[int, Bytes]]:
        found: list[tuple[int, Bytes | None]] = [
            (16, u64(self.sequence)),
            (17, self.previous.raw),
            (18, self.run.raw),
            (19, time64(self.started)),
            (20, time64(self.ended)),
            (21, time64(self.restore_point)),
            (22, None if self.store_date is None else time64(self.store_date)),
            (23, self.source.encode()),
            (24, self.policy_digest.raw),
            (25, u8(self.result)),
            (26, None if self.retention_class is None else self.retention_class.encode()),
            (27, None if self.slot is None else time64(self.slot)),
            (28, u64(self.bytes_read)),
            (29, u64(self.bytes_stored)),
            (30, u64(self.rows)),
            (31, u32(self.tables)),
            *((32, _encode_needs(one)) for one in self.needs),
            (33, self.group),
            (34, None if self.engine is None else self.engine.encode()),
        ]
        return [(number, value) for number, value in found if value is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBody:
    """What only recipients read of a manifest. ``entries`` is ``None`` for a snapshot without streams."""

    facts: Mapping[str, Any]
    entries: Reference | None
    containers: tuple[Reference, ...] = ()
    closing_facts: Mapping[str, Any] = field(default_factory=dict)
    entries_size: int = 0

    def seal(self, run_key: bytes, salt: bytes, context: RecordContext) -> bytes:
        """Return the sealed body; ``salt`` is 32 fresh random bytes."""
        fields: list[tuple[int, Bytes]] = [(1, encode_json(self.facts))]
        if self.entries is not None:
            fields.append((2, self.entries.encode()))
        fields += [(3, container.encode()) for container in self.containers]
        fields += [(4, encode_json(self.closing_facts)), (5, u64(self.entries_size))]
        return seal_body(run_key, _INFO, salt, context.associated(_LABEL), encode_fields(fields))

    @classmethod
    def open(cls, run_key: bytes, context: RecordContext, sealed: Bytes) -> Self:
        """Return the body that was sealed under the run's key; raise ``ObjectCorrupt`` or ``FormatUnsupported``."""
        if len(run_key) != KEY_BYTES:
            raise Bug("a run key of a wrong size")
        plain = open_body(
            run_key, _INFO, sealed, context.associated(_LABEL), what="a manifest's body", limit=MANIFEST_LIMIT_BYTES
        )
        fields = Fields.parse(plain, what="a manifest's body", known=range(1, 6), repeated=(3,))
        entries = fields.maybe(2)
        return cls(
            facts=decode_json(fields.one(1), "a manifest's facts"),
            entries=None if entries is None else Reference.decode(entries),
            containers=tuple(Reference.decode(one) for one in fields.many(3)),
            closing_facts=decode_json(fields.one(4), "a manifest's closing facts"),
            entries_size=fields.number(5, 8),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The decision on a manifest. A committed one carries second copies of manifest, pack list and run record."""

    sequence: int
    manifest_digest: Digest
    state: CommitState
    manifest: bytes = field(default=b"", repr=False)
    pack_list: bytes = field(default=b"", repr=False)
    run_record: bytes = field(default=b"", repr=False)
    made_at: datetime | None = None
    digest: Digest | None = None
    signers: frozenset[KeyId] = frozenset()

    def sign(self, *, repository: RepositoryId, lane: LaneId, made_at: datetime, key: SigningKey) -> bytes:
        """Return the object ``m/<seq>.c``; an empty ``pack_list`` (a run without packs) is left out."""
        copies = [(1, self.manifest), (2, self.pack_list), (3, self.run_record)]
        return sign_object(
            ObjectType.COMMIT,
            [(16, u64(self.sequence)), (17, self.manifest_digest.raw), (18, u8(self.state))],
            name=names.commit(lane, self.sequence),
            repository=repository,
            lane=lane,
            made_at=made_at,
            keys=(key,),
            attachment=encode_fields([(number, copy) for number, copy in copies if copy]),
        )

    @classmethod
    def verify(
        cls,
        raw: Bytes,
        *,
        repository: RepositoryId,
        lane: LaneId,
        sequence: int,
        allowed: Mapping[KeyId, SigningPublic],
    ) -> Self:
        """Return the commit of manifest ``sequence``; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``.

        The caller still owes the comparison of ``manifest_digest`` with the manifest that it has.
        """
        verified = verify_object(
            raw,
            expected_type=ObjectType.COMMIT,
            name=names.commit(lane, sequence),
            repository=repository,
            lane=lane,
            allowed=allowed,
        )
        fields = verified.fields("a commit", _COMMIT_FIELDS)
        state = fields.number(18, 1)
        if fields.number(16, 8) != sequence:
            raise ObjectCorrupt("a commit has another number", expected=f"{sequence}", found=f"{fields.number(16, 8)}")
        if state not in set(CommitState):
            raise FormatUnsupported("a commit with an unknown state", expected="1 or 2", found=str(state))
        copies = Fields.parse(verified.attachment, what="a commit's copies", known=(1, 2, 3))
        return cls(
            sequence=sequence,
            manifest_digest=Digest(fields.exactly(17, 32)),
            state=CommitState(state),
            manifest=copies.maybe(1) or b"",
            pack_list=copies.maybe(2) or b"",
            run_record=copies.maybe(3) or b"",
            made_at=verified.made_at,
            digest=verified.digest,
            signers=verified.signers,
        )


def _check_size(raw: Bytes) -> None:
    if len(raw) > MANIFEST_LIMIT_BYTES:
        raise ObjectCorrupt("a manifest is too long", expected=f"{MANIFEST_LIMIT_BYTES} bytes", found=f"{len(raw)}")


def _encode_needs(needs: Needs) -> bytes:
    return encode_fields([(1, needs.run.raw), (2, needs.pack_list_digest.raw), (3, needs.bitmap)])


def _decode_needs(raw: bytes) -> Needs:
    fields = Fields.parse(raw, what="a manifest's needs", known=(1, 2, 3))
    return Needs(RunId(fields.exactly(1, 16)), Digest(fields.exactly(2, 32)), fields.one(3))
