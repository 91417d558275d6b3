"""Bytes, fields, objects, signatures and trust of a drorch repository, as docs/FORMAT.md has them [2-4]; see recover.py."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

try:
    import zstandard
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
except ImportError as missing:
    sys.exit(f"recover.py: {missing.name} is missing or too old; pip install 'cryptography>=50' blake3 zstandard")

KIB, MIB = 1 << 10, 1 << 20
MAX_OBJECT, MAX_MANIFEST, MAX_RECORD, MAX_CHUNK, MAX_NODE = 64 * MIB, 8 * MIB, 17 * MIB, 16 * MIB, MIB  # [11]
MAX_WINDOW, MAX_LEVEL, MAX_BASES, MAX_RECIPIENTS, MAX_STREAM = 1 << 25, 8, 4, 32, 1 << 62
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
COMMON, TRUST, RUN_RECORD, MANIFEST = range(1, 7), range(16, 25), range(16, 20), range(16, 35)  # known fields
T = TypeVar("T")
Copy = tuple[str, Callable[[], bytes]]  # of an object: where it is, and how to read it


class Refused(Exception):
    """Something is missing, damaged or not genuine; the text is one line for the operator."""


_noted: set[str] = set()


def note(text: object) -> None:
    """Tell the operator, once, about something that was worked around."""
    if str(text) not in _noted:
        _noted.add(str(text))
        print(f"note: {shown(str(text))}", file=sys.stderr)


def shown(text: str) -> str:
    """Text from a repository, safe for a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(number: int, noun: str) -> str:
    """Return ``1 stream``, ``2 streams``."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


# ---- Bytes, fields, objects [3]


class Cursor:
    """Reads bytes from the front and refuses to read past the end."""

    def __init__(self, raw: bytes, what: str) -> None:
        self.raw, self.what, self.at = raw, what, 0

    def left(self) -> int:
        return len(self.raw) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise Refused(f"{self.what}: cut off")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")


class Fields:
    """A list of numbered fields; ``known`` are the numbers that FORMAT.md gives for this structure."""

    def __init__(self, raw: bytes, known: Iterable[int], what: str) -> None:
        self.what, self.found = what, dict[int, list[bytes]]()
        cursor, last, known = Cursor(raw, what), 0, frozenset(known)
        while cursor.left():
            number = cursor.number(2)
            is_critical, number = number >> 15, number & 0x7FFF
            value = cursor.take(cursor.number(4))
            if number < last:
                raise Refused(f"{what}: fields out of order")
            if is_critical and number not in known:
                raise Refused(f"{what}: has field {number}, which only a newer reader knows")
            self.found.setdefault(number, []).append(value)
            last = number

    def many(self, number: int) -> list[bytes]:
        return self.found.get(number, [])

    def maybe(self, number: int, size: int | None = None) -> bytes | None:
        values = self.many(number)
        if len(values) > 1 or (values and size not in (None, len(values[0]))):
            raise Refused(f"{self.what}: field {number} is malformed")
        return values[0] if values else None

    def one(self, number: int, size: int | None = None) -> bytes:
        if (value := self.maybe(number, size)) is None:
            raise Refused(f"{self.what}: field {number} is missing")
        return value

    def number(self, number: int, width: int) -> int:
        return int.from_bytes(self.one(number, width), "big")

    def text(self, number: int) -> str:
        return self.one(number).decode("utf-8", "replace")

    def json(self, number: int) -> Any:
        try:
            return json.loads(self.one(number))
        except (ValueError, RecursionError) as error:
            raise Refused(f"{self.what}: field {number} is not JSON") from error


def unwrap(raw: bytes, kind: int, known: Iterable[int], what: str) -> tuple[Fields, Cursor]:
    """Take an object apart into its header and a cursor at its body."""
    cursor = Cursor(raw, what)
    if cursor.take(6) != b"DRORCH" or cursor.number(1) != kind:
        raise Refused(f"{what}: not an object of type {kind}")
    if (major := cursor.number(1)) != 1:
        raise Refused(f"{what}: format major {major} needs a newer reader")
    cursor.take(1)  # the minor version: fields that a later one added are skipped
    return Fields(cursor.take(cursor.number(4)), known, what), cursor


def unzstd(frame: bytes, limit: int, what: str, dictionary: bytes | None = None) -> bytes:
    """Decode one frame of at most ``limit`` plain bytes; nothing larger is ever allocated."""
    try:
        parameters = zstandard.get_frame_parameters(frame)
        size = parameters.content_size
        if parameters.window_size > MAX_WINDOW or (size != zstandard.CONTENTSIZE_UNKNOWN and size > limit):
            raise Refused(f"{what}: a compressed frame is over the limit")
        base = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT) if dictionary else None
        return zstandard.ZstdDecompressor(dict_data=base).decompress(frame, limit, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(f"{what}: a compressed frame is damaged") from error


def run_text(run: bytes) -> str:
    number = int.from_bytes(run, "big") << 2
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(125, -1, -5))


# ---- The directory [2]


class Store:
    """The objects of a directory, with their alternates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def copies(self, name: str, *place: int) -> list[Copy]:
        """The copies that are present, the object and its alternates: whole, or offset and length of it."""
        names = (name, *(f"{name}~{number}" for number in range(1, 10)))
        return [(each, partial(self.read, each, *place)) for each in names if (self.directory / each).is_file()]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with (self.directory / name).open("rb") as file:
            file.seek(offset)
            raw = file.read(MAX_OBJECT + 1 if length is None else length)
        if len(raw) > MAX_OBJECT or (length is not None and len(raw) != length):
            raise Refused(f"{name}: cut off, or larger than any object")
        return raw

    def names(self, folder: str) -> list[str]:
        path = self.directory / folder
        return sorted(each.name for each in path.iterdir()) if path.is_dir() else []


def first_good(name: str, copies: Iterable[Copy], check: Callable[[bytes], T]) -> T | None:
    """What ``check`` makes of the first copy that it accepts; ``None`` when there is no copy at all."""
    problem = ""
    for label, read in copies:
        try:
            result = check(read())
        except (Refused, OSError) as error:
            problem = problem or str(error)
            continue
        if label != name:
            note(f"{problem or name + ': missing'}; took {label}")
        return result
    if problem:
        raise Refused(problem)
    return None


# ---- Signatures and trust [3.1, 4]


Pair = bytes  # the two public keys of a signer: Ed25519 (32) ‖ ML-DSA-87 (2592); its SHA-256 is the key id


def are_right(signatures: bytes, pair: Pair, message: bytes) -> bool:
    """Whether both signatures are right; one of the two is worth nothing."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(pair[:32]).verify(signatures[:64], message)
        mldsa.MLDSA87PublicKey.from_public_bytes(pair[32:]).verify(signatures[64:], message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Signed(NamedTuple):
    """What a genuine object says, what is attached to it, and the digest of the whole."""

    fields: Fields
    attachment: bytes
    digest: bytes


def split_signed(raw: bytes, kind: int, what: str) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Payload, signatures by key id, attachment; nothing is verified."""
    _, cursor = unwrap(raw, kind, (), what)
    payload = cursor.take(cursor.number(4))
    signatures = {cursor.take(32): cursor.take(64 + 4627) for _ in range(cursor.number(1))}
    return payload, signatures, cursor.take(cursor.left())


def genuine(
    raw: bytes,
    kind: int,
    name: str,
    place: tuple[bytes, bytes | None],
    known: range,
    pairs: Iterable[Pair],
    least: int = 1,
) -> Signed:
    """An object that at least ``least`` of ``pairs`` signed and that is what its name says; ``place`` is repository and lane."""
    payload, signatures, attachment = split_signed(raw, kind, name)
    type_text = f"application/vnd.drorch.{kind}.v1"
    message = f"DSSEv1 {len(type_text)} {type_text} {len(payload)} ".encode() + payload
    good = {p for p in pairs if are_right(signatures.get(sha256(p), b""), p, message)}
    if len(good) < least:
        raise Refused(f"{name}: not signed by a key that the trust root vouches for")
    fields = Fields(payload, {*COMMON, *known}, name)
    found = fields.number(1, 1), fields.one(2, 16), fields.maybe(4, 16), fields.one(3), fields.maybe(5, 32)
    if found != (kind, *place, name.encode(), sha256(attachment) if attachment else None):
        raise Refused(f"{name}: is another object than its name says, or has another attachment")
    return Signed(fields, attachment, sha256(raw))


class Trust:
    """The trust chain of a repository, verified from the digest that the operator gave."""

    def __init__(self, store: Store, root: bytes) -> None:
        self.repository, self.previous, self.threshold = b"", bytes(32), 0
        self.roots: list[Pair] = []
        self.signers: dict[tuple[int, bytes], Pair] = {}  # of all records, by role and key id
        self.in_force: set[tuple[int, bytes]] = set()
        self.revoked: dict[bytes, dict[bytes, tuple[int, bytes]]] = {}  # key id -> lane -> last good head
        self.records = 0
        while copies := store.copies(f"trust/{self.records}"):
            first_good(f"trust/{self.records}", copies, partial(self._read, f"trust/{self.records}", root))
            self.records += 1
        if not self.records:
            raise Refused("trust/0 is missing: this is no repository, or not the whole of it")

    def _read(self, name: str, root: bytes, raw: bytes) -> None:
        digest = sha256(raw)
        if not self.records and not digest.startswith(root):
            text = "-".join(digest.hex()[at : at + 4] for at in range(0, 32, 4))
            raise Refused(f"{name}: this is not the repository that you trust: its digest is {text}")
        fields = Fields(split_signed(raw, 1, name)[0], {*COMMON, *TRUST}, name)
        roots, threshold = [read_pair(item, name)[0] for item in fields.many(18)], fields.number(19, 1)
        place = (self.repository or fields.one(2, 16), None)
        genuine(raw, 1, name, place, TRUST, self.roots or roots, self.threshold or max(threshold, 1))
        if fields.number(16, 4) != self.records or fields.one(17, 32) != self.previous or threshold < 1:
            raise Refused(f"{name}: does not follow the record before it")
        if fields.number(23, 2) > 1:
            raise Refused(f"{name}: this repository needs a newer reader")
        listed = [read_pair(item, name) for item in fields.many(21)]
        signers = {(role, sha256(pair)): pair for pair, role in listed}
        if len({key_id[:6] for _, key_id in signers}) < len(listed):
            raise Refused(f"{name}: two signers share the first 6 bytes of their ids")
        for item in (Fields(raw, (1, 2), name) for raw in fields.many(22)):
            heads = [Cursor(head, name) for head in item.many(2)]
            self.revoked[item.one(1, 32)] = {head.take(16): (head.number(8), head.take(32)) for head in heads}
        self.repository, self.roots, self.threshold, self.previous = place[0], roots, threshold, digest
        self.signers, self.in_force = self.signers | signers, set(signers)

    def maintainers(self) -> list[Pair]:
        return [p for at, p in self.signers.items() if at[0] == 2 and at in self.in_force and at[1] not in self.revoked]

    def writers(self, lane: bytes) -> tuple[list[Pair], tuple[int, bytes] | None]:
        """Whose manifests count in a lane, and up to which head (``None``: all)."""
        own = [(at, pair) for at, pair in self.signers.items() if at[0] == 1 and at[1][:6] == lane[:6]]
        good = [pair for at, pair in own if at in self.in_force and at[1] not in self.revoked]
        heads = [(pair, head) for at, pair in own if (head := self.revoked.get(at[1], {}).get(lane))]
        return (good, None) if good or not heads else ([heads[0][0]], heads[0][1])


def read_pair(raw: bytes, what: str) -> tuple[Pair, int]:
    """A root key or signer, with its role (0 for a root key)."""
    fields = Fields(raw, range(1, 5), what)
    return fields.one(1, 32) + fields.one(2, 2592), int.from_bytes(fields.maybe(3) or b"", "big")
