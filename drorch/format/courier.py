"""What a medium carries between stores that never see each other: a signed list (FORMAT, type 12), and what the other side has.

The list seals the medium: every object on it with size and SHA-256. Who carries it needs no key and learns no more than whoever holds a bucket. What the other
side has is a plain page of names, a wish and no proof: a wrong one makes a medium that does not suffice, never a wrong store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import ObjectCorrupt
from drorch.format.fields import Bytes, Fields, encode_fields, u64
from drorch.format.objects import ObjectType
from drorch.format.signing import SigningKey, SigningPublic, sign_object, verify_object
from drorch.ids import Digest, KeyId, RepositoryId

LIST_NAME = "courier/list"
HAVE_NAME = "courier/have"
_HAVE_HEAD = "drorch courier have 1"
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Carried:
    """One object on the medium."""

    name: str
    size_bytes: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierList:
    """All that a medium carries, as it was when it was sealed."""

    made_at: datetime
    objects: tuple[Carried, ...]

    def sign(self, *, repository: RepositoryId, key: SigningKey) -> bytes:
        """Return the object ``courier/list``."""
        return sign_object(
            ObjectType.COURIER_LIST,
            ((16, _encode(one)) for one in self.objects),
            name=LIST_NAME,
            repository=repository,
            lane=None,
            made_at=self.made_at,
            keys=(key,),
        )

    @classmethod
    def verify(cls, raw: Bytes, *, repository: RepositoryId, allowed: Mapping[KeyId, SigningPublic]) -> CourierList:
        """Return the list; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
        verified = verify_object(
            raw,
            expected_type=ObjectType.COURIER_LIST,
            name=LIST_NAME,
            repository=repository,
            lane=None,
            allowed=allowed,
        )
        fields = verified.fields("a courier list", (16,), repeated=(16,))
        return cls(made_at=verified.made_at, objects=tuple(_decode(one) for one in fields.many(16)))


def _encode(one: Carried) -> bytes:
    return encode_fields([(1, one.name.encode()), (2, u64(one.size_bytes)), (3, one.digest.raw)])


def _decode(raw: bytes) -> Carried:
    fields = Fields.parse(raw, what="an object of a courier list", known=(1, 2, 3))
    return Carried(fields.text(1), fields.number(2, 8), Digest(fields.exactly(3, 32)))


def encode_have(repository: RepositoryId, object_names: Iterable[str]) -> bytes:
    """Return the page of what a store has."""
    return "\n".join((f"{_HAVE_HEAD} {repository.raw.hex()}", *sorted(object_names), "")).encode()


def decode_have(raw: bytes, repository: RepositoryId) -> frozenset[str]:
    """Return the names on the page; raise ``ObjectCorrupt`` when it is none, or one of another repository."""
    try:
        head, *rest = raw.decode("ascii").splitlines()
    except (UnicodeDecodeError, ValueError) as error:
        raise ObjectCorrupt("not a page of what a store has", expected=_HAVE_HEAD, found="other bytes") from error
    if head != f"{_HAVE_HEAD} {repository.raw.hex()}":
        raise ObjectCorrupt(
            "the page of what the other side has is of another repository",
            expected=f"{_HAVE_HEAD} {repository.raw.hex()}",
            found=head[:80],
        )
    if any(len(name) > _LONGEST_NAME for name in rest):
        raise ObjectCorrupt("the page of what the other side has is damaged", expected="names", found="a longer line")
    return frozenset(rest)
