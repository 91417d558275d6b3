"""The maintainer's record of a lane (FORMAT 8, type 9): packs that are going to be deleted, snapshots given up, and holds.

Lists are numbered without gaps and put if absent, so their order is the same for everybody: of a hold and a retirement the earlier counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format import names
from drorch.format.fields import Bytes, Fields, encode_fields, time64, u8, u32
from drorch.format.objects import ObjectType
from drorch.format.packsets import united
from drorch.format.signing import SigningKey, SigningPublic, sign_object, verify_object
from drorch.ids import KeyId, LaneId, RepositoryId, RunId

_FIELDS = (16, 17, 18, 19, 20)
_OPTIONAL = frozenset({18, 19, 20})


class HoldKind(IntEnum):
    """Who wants a snapshot to stay: an operator for his own purposes, or somebody with a duty, such as a court's."""

    PIN = 1
    HOLD = 2

    @property
    def words(self) -> str:
        """What a snapshot is."""
        return "pinned" if self is HoldKind.PIN else "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldWord:
    """What was said of one snapshot: it is held (``until`` then, or until that is taken back), or is so no longer."""

    run: RunId
    kind: HoldKind
    stands: bool
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What the store had by ``covers`` (its own date), and no list retires, it locks ``until`` then."""

    covers: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireList:
    """One list. ``given_up`` are snapshots that are retired by it, ``packs`` what is going to be deleted, by run.

    ``extensions`` say how long the store locks what no list retires.
    """

    number: int
    made_at: datetime
    packs: Mapping[RunId, bytes] = field(default_factory=dict)
    given_up: frozenset[RunId] = frozenset()
    holds: tuple[HoldWord, ...] = ()
    extensions: tuple[Extension, ...] = ()

    def sign(self, *, repository: RepositoryId, lane: LaneId, key: SigningKey) -> bytes:
        """Return the object ``g/<number>``."""
        if not (self.packs or self.given_up or self.holds or self.extensions):
            raise Bug("a retire list that says nothing")
        return sign_object(
            ObjectType.RETIRE_LIST,
            [
                (16, u32(self.number)),
                *((17, encode_fields([(1, run.raw), (2, bits)])) for run, bits in sorted(self.packs.items())),
                *((18, run.raw) for run in sorted(self.given_up)),
                *((19, _encode_hold(one)) for one in self.holds),
                *((20, encode_fields([(1, time64(one.covers)), (2, time64(one.until))])) for one in self.extensions),
            ],
            name=names.retire_list(lane, self.number),
            repository=repository,
            lane=lane,
            made_at=self.made_at,
            keys=(key,),
            optional=_OPTIONAL,
        )

    @classmethod
    def verify(
        cls,
        raw: Bytes,
        *,
        repository: RepositoryId,
        lane: LaneId,
        number: int,
        allowed: Mapping[KeyId, SigningPublic],
    ) -> RetireList:
        """Return list ``number`` of ``lane``; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
        verified = verify_object(
            raw,
            expected_type=ObjectType.RETIRE_LIST,
            name=names.retire_list(lane, number),
            repository=repository,
            lane=lane,
            allowed=allowed,
        )
        fields = verified.fields("a retire list", _FIELDS, repeated=_FIELDS[1:])
        if fields.number(16, 4) != number:
            raise ObjectCorrupt(
                "a retire list has another number", expected=f"{number}", found=f"{fields.number(16, 4)}"
            )
        return cls(
            number=number,
            made_at=verified.made_at,
            packs=_packs(fields.many(17)),
            given_up=frozenset(_run(one) for one in fields.many(18)),
            holds=tuple(_decode_hold(one) for one in fields.many(19)),
            extensions=tuple(_decode_extension(one) for one in fields.many(20)),
        )


def _packs(raw_sets: Iterable[bytes]) -> dict[RunId, bytes]:
    found: dict[RunId, bytes] = {}
    for raw in raw_sets:
        one = Fields.parse(raw, what="a set of packs", known=(1, 2))
        run = RunId(one.exactly(1, 16))
        found[run] = united(found.get(run, b""), one.one(2))
    return found


def _run(raw: bytes) -> RunId:
    if len(raw) != 16:
        raise ObjectCorrupt("a snapshot that is given up has no id", expected="16 bytes", found=f"{len(raw)}")
    return RunId(raw)


def _decode_extension(raw: bytes) -> Extension:
    fields = Fields.parse(raw, what="an extension of locks", known=(1, 2))
    return Extension(covers=fields.time(1), until=fields.time(2))


def _encode_hold(one: HoldWord) -> bytes:
    fields = [(1, one.run.raw), (2, u8(one.kind)), (3, u8(one.stands)), (4, one.reason.encode())]
    return encode_fields(fields + ([] if one.until is None else [(5, time64(one.until))]))


def _decode_hold(raw: bytes) -> HoldWord:
    fields = Fields.parse(raw, what="a hold", known=(1, 2, 3, 4, 5))
    kind, stands = fields.number(2, 1), fields.number(3, 1)
    if kind not in set(HoldKind) or stands > 1:
        raise FormatUnsupported("a hold of an unknown kind", expected="1 or 2", found=f"{kind}")
    return HoldWord(
        run=RunId(fields.exactly(1, 16)),
        kind=HoldKind(kind),
        stands=bool(stands),
        reason=fields.text(4),
        until=None if fields.maybe(5) is None else fields.time(5),
    )
