"""A segment of the ledger (FORMAT 19, type 11): entries that were added together, bound to everything before.

Each signer has a chain of its own, numbered without gaps from 1; a chain's id is the beginning of the signer's key id. A segment holds
the digest of the whole segment before it, and the heads of the other chains as its signer saw them: so one signature
at the head of a chain covers everything below, and what others have added, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import FormatUnsupported, LedgerBroken, ObjectCorrupt
from drorch.evidence.ledger_entry import Entry, entry_of
from drorch.format import names
from drorch.format.fields import Bytes, Fields, u64
from drorch.format.json_text import read_json
from drorch.format.objects import MINOR, ObjectType, digest_of
from drorch.format.signing import SigningKey, SigningPublic, sign_object, unverified_payload, verify_object
from drorch.ids import Digest, KeyId, LaneId, RepositoryId

NO_SEGMENT = Digest(bytes(32))
CHAIN_BYTES = 16
SEGMENT_LIMIT_BYTES = 8 * 2**20
_MINOR_AT = 8
_NUMBERS = 10**12
_KNOWN = frozenset({*range(1, 7), 16, 17, 18, 19, 20})
_REPEATED = frozenset({19, 20})
_SEEN_BYTES = CHAIN_BYTES + 8 + 32


def chain_of(key_id: KeyId) -> LaneId:
    """Return the id of the chain that a signer writes."""
    return LaneId(key_id.raw[:CHAIN_BYTES])


@dataclass(frozen=True, slots=True, order=True)
class SegmentHead:
    """A segment by its number in its chain and its digest."""

    number: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What one segment says. ``first_entry`` counts the entries of its chain from 1; ``seen`` are heads of chains, its own lost branches among them."""

    chain: LaneId
    number: int
    previous: Digest
    first_entry: int
    entries: tuple[Entry, ...]
    seen: tuple[tuple[LaneId, SegmentHead], ...]
    made_at: datetime
    digest: Digest

    @property
    def head(self) -> SegmentHead:
        """The segment by number and digest."""
        return SegmentHead(self.number, self.digest)

    @property
    def next_entry(self) -> int:
        """The number of the first entry after it."""
        return self.first_entry + len(self.entries)


def sign_segment(
    entries: Sequence[Entry],
    *,
    after: Segment | None,
    seen: Mapping[LaneId, SegmentHead],
    lost: Sequence[SegmentHead] = (),
    repository: RepositoryId,
    made_at: datetime,
    key: SigningKey,
) -> bytes:
    """Return the segment that adds ``entries`` behind ``after`` (``None``: the first). ``lost`` are heads of forked branches of its own."""
    chain = chain_of(key.key_id)
    number = 1 if after is None else after.number + 1
    heads = [*sorted(seen.items()), *((chain, one) for one in sorted(lost))]
    return sign_object(
        ObjectType.LEDGER_SEGMENT,
        [
            (16, u64(number)),
            (17, NO_SEGMENT.raw if after is None else after.digest.raw),
            (18, u64(1 if after is None else after.next_entry)),
            *((19, entry.encode()) for entry in entries),
            *((20, one.raw + u64(head.number) + head.digest.raw) for one, head in heads),
        ],
        name=names.ledger_segment(chain, number),
        repository=repository,
        lane=chain,
        made_at=made_at,
        keys=(key,),
    )


def read_segment(raw: Bytes, chain: LaneId, digest: Digest | None = None) -> Segment:
    """Return what a segment says; raise ``LedgerBroken``. Nothing is authenticated: its digest must be pinned, or its signature verified.

    ``digest`` is that of these very bytes, from a caller who has it already.
    """
    try:
        payload = unverified_payload(raw, ObjectType.LEDGER_SEGMENT)
        _check_minor(raw)
        fields = Fields.parse(payload, what="a ledger segment", known=_KNOWN, repeated=_REPEATED)
        segment = Segment(
            chain=chain,
            number=fields.number(16, 8),
            previous=Digest(fields.exactly(17, 32)),
            first_entry=fields.number(18, 8),
            entries=tuple(entry_of(_json(one)) for one in fields.many(19)),
            seen=tuple(_seen(one) for one in fields.many(20)),
            made_at=fields.time(6),
            digest=digest or digest_of(raw),
        )
    except (ObjectCorrupt, FormatUnsupported) as error:
        raise LedgerBroken(
            f"a segment of the ledger cannot be read: {error.message}", expected=error.expected, found=error.found
        ) from error
    if fields.maybe(4) != chain.raw or not segment.entries or not 1 <= segment.number < _NUMBERS:
        raise LedgerBroken("a segment of the ledger is damaged", expected=f"entries of chain {chain}", found="others")
    return segment


def verify_segment(
    raw: Bytes, segment: Segment, *, repository: RepositoryId, allowed: Mapping[KeyId, SigningPublic]
) -> None:
    """Raise ``SignatureInvalid`` or ``ObjectCorrupt`` unless the chain's own signer signed it; see ``verify_object``."""
    own = {key_id: public for key_id, public in allowed.items() if chain_of(key_id) == segment.chain}
    verify_object(
        raw,
        expected_type=ObjectType.LEDGER_SEGMENT,
        name=names.ledger_segment(segment.chain, segment.number),
        repository=repository,
        lane=segment.chain,
        allowed=own,
    )


def _check_minor(raw: Bytes) -> None:
    """Refuse another minor version: it is the one byte of the frame that no signature covers."""
    if memoryview(raw)[_MINOR_AT] != MINOR:
        raise FormatUnsupported(
            "a ledger segment of another minor version", expected=str(MINOR), found=str(memoryview(raw)[_MINOR_AT])
        )


def _json(raw: bytes) -> object:
    try:
        return read_json(raw)
    except ValueError as error:
        raise LedgerBroken("a ledger entry cannot be read", expected="a JSON object", found="other text") from error


def _seen(raw: bytes) -> tuple[LaneId, SegmentHead]:
    if len(raw) != _SEEN_BYTES:
        raise LedgerBroken("a head in the ledger is damaged", expected=f"{_SEEN_BYTES} bytes", found=f"{len(raw)}")
    number = int.from_bytes(raw[CHAIN_BYTES : CHAIN_BYTES + 8], "big")
    return LaneId(raw[:CHAIN_BYTES]), SegmentHead(number, Digest(raw[CHAIN_BYTES + 8 :]))
