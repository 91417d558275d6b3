#!/usr/bin/env python3
"""Read a drorch repository without drorch, from docs/FORMAT.md alone.

    recover.py DIRECTORY --trust DIGEST list
    recover.py DIRECTORY --key FILE --trust DIGEST restore SNAPSHOT --to DIR [--stream NAME]
    recover.py DIRECTORY --key FILE salvage --to DIR

DIRECTORY is a repository: a downloaded bucket prefix. DIGEST stands on every key sheet. SNAPSHOT is an id as
``list`` prints it, its first characters, or ``latest:SOURCE``. Needs Python 3.11 and the packages cryptography (50 or
later), blake3 and zstandard. Numbers in brackets, as in [4], are sections of FORMAT.md.

What is checked before a byte is written: the trust chain from the digest you gave [4], both signatures of everything
signed [3.1], the chain of manifests and its commits [8], the run's commitment [5], the tag and the keyed id of every
chunk [6], and the digest of every stream [9]. What cannot be checked: whether somebody hides the newest snapshots;
compare the heads that ``list`` prints with what you know, or give one with --expect-head.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MIB = 1 << 20
MAX_OBJECT, MAX_MANIFEST, MAX_RECORD, MAX_CHUNK, MAX_NODE = 64 * MIB, 8 * MIB, 17 * MIB, 16 * MIB, MIB  # [11]
MAX_WINDOW, MAX_LEVEL, MAX_BASES, MAX_RECIPIENTS, MAX_ENTRY = 1 << 25, 8, 4, 32, 16 * MIB
ENTRIES_ORDINAL, CONTAINER_ORDINAL = 2**32 - 1, 2**31
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
ROLES = {"writer": 1, "maintainer": 2}
T = TypeVar("T")
Copy = tuple[str, Callable[[], bytes]]  # of an object: where it is, and how to read it


class Refused(Exception):
    """Something is missing, damaged or not genuine; the text is one line for the operator."""


_noted: set[str] = set()


def note(text: str) -> None:
    """Tell the operator once about something that was worked around."""
    if text not in _noted:
        _noted.add(text)
        print(f"note: {shown(text)}", file=sys.stderr)


def shown(text: str) -> str:
    """Text from a repository, safe for a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


# Bytes and fields [3]


class Cursor:
    """Reads bytes from the front and refuses to read past the end."""

    def __init__(self, raw: bytes, what: str) -> None:
        self.raw, self.what, self.at = raw, what, 0

    def take(self, count: int) -> bytes:
        if count > len(self.raw) - self.at:
            raise Refused(f"{self.what}: cut off")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def left(self) -> int:
        return len(self.raw) - self.at


class Fields:
    """A list of numbered fields; ``known`` are the numbers that FORMAT.md gives for this structure."""

    def __init__(self, raw: bytes, known: Iterable[int], what: str) -> None:
        self.what, self.found = what, dict[int, list[bytes]]()
        cursor, last, known = Cursor(raw, what), 0, frozenset(known)
        while cursor.left():
            number = cursor.number(2)
            critical, number = number >> 15, number & 0x7FFF
            value = cursor.take(cursor.number(4))
            if number < last:
                raise Refused(f"{what}: fields out of order")
            if number in known:
                self.found.setdefault(number, []).append(value)
            elif critical:
                raise Refused(f"{what}: has field {number}, which only a newer reader knows")
            last = number

    def many(self, number: int) -> list[bytes]:
        return self.found.get(number, [])

    def maybe(self, number: int, size: int | None = None) -> bytes | None:
        values = self.many(number)
        if len(values) > 1 or (values and size is not None and len(values[0]) != size):
            raise Refused(f"{self.what}: field {number} is malformed")
        return values[0] if values else None

    def one(self, number: int, size: int | None = None) -> bytes:
        value = self.maybe(number, size)
        if value is None:
            raise Refused(f"{self.what}: field {number} is missing")
        return value

    def number(self, number: int, width: int) -> int:
        return int.from_bytes(self.one(number, width), "big")

    def text(self, number: int) -> str:
        return (self.maybe(number) or b"").decode("utf-8", "replace")


def unwrap(raw: bytes, kind: int, known: Iterable[int], what: str) -> tuple[Fields, Cursor]:
    """Take an object apart into its header and a cursor at its body."""
    cursor = Cursor(raw, what)
    if cursor.take(6) != b"DRORCH" or cursor.number(1) != kind:
        raise Refused(f"{what}: not an object of type {kind}")
    major = cursor.number(1)
    if major != 1:
        raise Refused(f"{what}: format major {major} needs a newer reader")
    cursor.take(1)
    return Fields(cursor.take(cursor.number(4)), known, what), cursor


def parse_json(raw: bytes, what: str) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{what}: not JSON") from error


def run_text(run: bytes) -> str:
    number = int.from_bytes(run, "big") << 2
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(125, -1, -5))


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


# Keys and sealing [5]


def derive(secret: bytes, info: str, size: int, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA384(), size, salt, info.encode()).derive(secret)


def unseal(secret: bytes, info: str, sealed: bytes, associated: bytes, what: str) -> bytes:
    """Open ``salt ‖ ciphertext and tag``."""
    if len(sealed) < 48:
        raise Refused(f"{what}: cut off")
    material = derive(secret, info, 44, sealed[:32])
    try:
        return AESGCM(material[:32]).decrypt(material[32:], sealed[32:], associated)
    except InvalidTag as error:
        raise Refused(f"{what}: damaged (the authentication tag is wrong)") from error


class Recipient:
    """A private key; ``seed`` is its 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        stream = hashlib.shake_256(b"drorch/1 recipient" + seed).digest(64 + 48 * 64)
        candidates = (int.from_bytes(stream[at : at + 48], "big") for at in range(64, len(stream), 48))
        scalar = next(number for number in candidates if 1 <= number < P384_ORDER)
        lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(stream[:64])
        curve = ec.derive_private_key(scalar, ec.SECP384R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.key_id = sha256(lattice.public_key().public_bytes_raw() + point)
        self._key = hpke.MLKEM1024P384PrivateKey(lattice, curve)
        self._suite = hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)

    def open(self, sealed: bytes, where: bytes, what: str) -> bytes:
        """Open a sealed run key ‖ lane secret; ``where`` is repository ‖ lane ‖ run."""
        try:
            plain = self._suite.decrypt(sealed, self._key, b"drorch/1 run key" + where + self.key_id)
        except Exception as error:  # the library states no list of what it raises for malformed input
            raise Refused(f"{what}: what is sealed to this key does not open") from error
        if len(plain) != 64:
            raise Refused(f"{what}: what is sealed to this key has a wrong length")
        return plain


@dataclass(frozen=True)
class RunKeys:
    """What opens one run."""

    repository: bytes
    lane: bytes
    run: bytes
    key: bytes
    lane_secret: bytes

    @property
    def where(self) -> bytes:
        return self.repository + self.lane + self.run


RUN_RECORD = {1, 2, 3, 4, 5, 6, 16, 17, 18, 19}


def open_run_record(record: Fields, me: Recipient, resealed: Iterable[tuple[bytes, bytes, bytes]]) -> RunKeys:
    """Open a run record, by its own sealed fields or by those of ``keys/``, and check the commitment."""
    repository, lane, run = record.one(2, 16), record.one(4, 16), record.one(16, 16)
    if len(record.many(18)) > MAX_RECIPIENTS:
        raise Refused(f"{record.what}: too many recipients")
    own = (Fields(raw, {1, 2}, record.what) for raw in record.many(18))
    sealed = [item.one(2) for item in own if item.one(1, 32) == me.key_id]
    sealed += [blob for its_lane, its_run, blob in resealed if (its_lane, its_run) == (lane, run)]
    for blob in sealed:
        plain = me.open(blob, repository + lane + run, record.what)
        if hashlib.sha384(b"drorch/1 run commitment" + plain).digest() == record.one(17, 48):
            return RunKeys(repository, lane, run, plain[:32], plain[32:])
        note(f"{record.what}: what was sealed does not fit the commitment")
    raise Refused(f"{record.what}: not readable with this private key")


# The directory


class Store:
    """The objects of a directory, with their alternates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def copies(self, name: str, limit: int = MAX_OBJECT) -> list[Copy]:
        """The copies of an object that are present: its name or an alternate's, and how to read it."""
        names = [name, *(f"{name}~{number}" for number in range(1, 10))]
        return [(each, partial(self.read, each, limit)) for each in names if (self.directory / each).is_file()]

    def read(self, name: str, limit: int) -> bytes:
        path = self.directory / name
        if path.stat().st_size > limit:
            raise Refused(f"{name}: larger than {limit} bytes")
        return path.read_bytes()

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        with (self.directory / name).open("rb") as file:
            file.seek(offset)
            raw = file.read(length)
        if len(raw) != length:
            raise Refused(f"{name}: cut off")
        return raw

    def names(self, folder: str) -> list[str]:
        path = self.directory / folder
        return sorted(each.name for each in path.iterdir()) if path.is_dir() else []


def first_good(name: str, copies: Iterable[Copy], check: Callable[[bytes], T]) -> T | None:
    """What ``check`` makes of the first copy that it accepts; ``None`` when there is no copy at all."""
    problems: list[str] = []
    for label, load in copies:
        try:
            result = check(load())
        except (Refused, OSError) as error:
            problems.append(f"{label}: {error}".replace(f"{label}: {label}: ", f"{label}: "))
            continue
        if label != name:
            note(f"{problems[0] if problems else name + ': missing'}; took {label}")
        return result
    if problems:
        raise Refused(problems[0])
    return None


# Signatures and trust [3.1, 4]


@dataclass(frozen=True)
class Pair:
    """The two public keys of a signer."""

    ed25519: bytes
    ml_dsa: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.ed25519 + self.ml_dsa)

    def verify(self, signatures: bytes, message: bytes) -> bool:
        """Whether both signatures are right; one of them is worth nothing."""
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.ed25519).verify(signatures[:64], message)
            mldsa.MLDSA87PublicKey.from_public_bytes(self.ml_dsa).verify(signatures[64:], message)
        except (InvalidSignature, ValueError):
            return False
        return True


def split_signed(raw: bytes, kind: int, what: str) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Payload, signatures by key id, attachment; nothing is verified."""
    _, cursor = unwrap(raw, kind, (), what)
    payload = cursor.take(cursor.number(4))
    signatures = {cursor.take(32): cursor.take(64 + 4627) for _ in range(cursor.number(1))}
    return payload, signatures, cursor.take(cursor.left())


def verified(raw: bytes, kind: int, what: str, pairs: Iterable[Pair], threshold: int = 1) -> tuple[bytes, bytes]:
    """Payload and attachment of an object that at least ``threshold`` of ``pairs`` signed."""
    payload, signatures, attachment = split_signed(raw, kind, what)
    type_text = f"application/vnd.drorch.{kind}.v1"
    message = f"DSSEv1 {len(type_text)} {type_text} {len(payload)} ".encode() + payload
    good = {p.key_id for p in pairs if p.key_id in signatures and p.verify(signatures[p.key_id], message)}
    if len(good) < threshold:
        raise Refused(f"{what}: not signed by a key that the trust root vouches for")
    return payload, attachment


def common(
    payload: bytes, attachment: bytes, kind: int, name: str, place: tuple[bytes, bytes | None], known: set[int]
) -> Fields:
    """The fields of a verified payload, compared with what was asked for; ``place`` is repository and lane."""
    fields = Fields(payload, known | {1, 2, 3, 4, 5, 6}, name)
    digest = sha256(attachment) if attachment else None
    found = (fields.number(1, 1), fields.one(2, 16), fields.one(3), fields.maybe(4, 16), fields.maybe(5, 32))
    if found != (kind, place[0], name.encode(), place[1], digest):
        raise Refused(f"{name}: is another object than its name says, or has another attachment")
    return fields


class Trust:
    """The trust chain of a repository, verified from the digest that the operator gave."""

    def __init__(self, store: Store, root: bytes) -> None:
        self.repository, self.previous, self.threshold = b"", bytes(32), 0
        self.roots: list[Pair] = []
        self.signers: dict[tuple[int, bytes], Pair] = {}  # of all records, by role and key id
        self.in_force: set[tuple[int, bytes]] = set()
        self.revoked: dict[bytes, dict[bytes, tuple[int, bytes]]] = {}  # key id -> lane -> last good head
        number = 0
        while copies := store.copies(f"trust/{number}", MAX_MANIFEST):
            first_good(f"trust/{number}", copies, partial(self._read, number, root))
            number += 1
        if not number:
            raise Refused("trust/0 is missing: this is no repository, or not the whole of it")
        self.number = number - 1

    def _read(self, number: int, root: bytes, raw: bytes) -> None:
        name = f"trust/{number}"
        if number == 0 and not sha256(raw).startswith(root):
            raise Refused(
                f"{name}: this is not the repository that you trust: its digest is {grouped(sha256(raw)[:16])}"
            )
        payload, _, attachment = split_signed(raw, 1, name)
        fields = Fields(payload, set(range(1, 7)) | set(range(16, 25)), name)
        self.repository = self.repository or fields.one(2, 16)
        roots = [read_pair(item, {1, 2, 3}, name) for item in fields.many(18)]
        threshold = fields.number(19, 1)
        verified(raw, 1, name, self.roots or roots, self.threshold or max(threshold, 1))
        common(payload, attachment, 1, name, (self.repository, None), set(range(16, 25)))
        if fields.number(16, 4) != number or fields.one(17, 32) != self.previous or threshold < 1:
            raise Refused(f"{name}: does not follow the record before it")
        if fields.number(23, 2) > 1:
            raise Refused(f"{name}: this repository needs a newer reader")
        signers = {
            (read_role(item), pair.key_id): pair
            for item in fields.many(21)
            for pair in [read_pair(item, {1, 2, 3, 4}, name)]
        }
        if len({key_id[:6] for _, key_id in signers}) < len(signers):
            raise Refused(f"{name}: two signers share the first 6 bytes of their ids")
        self.revoked |= dict(self._read_revoked(item, name) for item in fields.many(22))
        self.roots, self.threshold, self.previous = roots, threshold, sha256(raw)
        self.signers, self.in_force = self.signers | signers, set(signers)

    @staticmethod
    def _read_revoked(raw: bytes, name: str) -> tuple[bytes, dict[bytes, tuple[int, bytes]]]:
        fields = Fields(raw, {1, 2}, name)
        heads: dict[bytes, tuple[int, bytes]] = {}
        for head in fields.many(2):
            cursor = Cursor(head, name)
            heads[cursor.take(16)] = (cursor.number(8), cursor.take(32))
        return fields.one(1, 32), heads

    def maintainers(self) -> list[Pair]:
        return [p for at, p in self.signers.items() if at[0] == 2 and at in self.in_force and at[1] not in self.revoked]

    def writers(self, lane: bytes) -> tuple[list[Pair], tuple[int, bytes] | None]:
        """Whose manifests count in a lane, and up to which head (``None``: all)."""
        own = [(at, pair) for at, pair in self.signers.items() if at[0] == 1 and at[1][:6] == lane[:6]]
        for at, pair in own:
            if at in self.in_force and at[1] not in self.revoked:
                return [pair], None
        for at, pair in own:
            if head := self.revoked.get(at[1], {}).get(lane):
                return [pair], head
        return [], None


def read_pair(raw: bytes, known: set[int], what: str) -> Pair:
    fields = Fields(raw, known, what)
    return Pair(fields.one(1, 32), fields.one(2, 2592))


def read_role(raw: bytes) -> int:
    return Fields(raw, {1, 2, 3, 4}, "signer").number(3, 1)


def grouped(raw: bytes) -> str:
    return "-".join(raw.hex()[at : at + 4] for at in range(0, 2 * len(raw), 4))


# Records [6]


class Place(NamedTuple):
    """Where a record lies: run, pack ordinal, offset, length."""

    run: bytes
    ordinal: int
    offset: int
    length: int


@dataclass(frozen=True)
class Record:
    """An opened record; its content is not decoded."""

    kind: int
    codec: int
    plain_length: int
    chunk_id: bytes
    base_id: bytes
    ordinal: int
    offset: int
    content: bytes

    @classmethod
    def open(cls, raw: bytes, keys: RunKeys, what: str) -> Record:
        plain = unseal(keys.key, "drorch/1 record", raw, b"DRORCH record 1" + keys.where, what)
        cursor = Cursor(plain, what)
        kind, codec, _, length = cursor.number(1), cursor.number(1), cursor.take(2), cursor.number(4)
        ids = cursor.take(32), cursor.take(32)
        return cls(kind, codec, length, *ids, cursor.number(4), cursor.number(8), cursor.take(cursor.left()))

    def decode(self, keys: RunKeys, base: Callable[[bytes], bytes], what: str) -> bytes:
        """The plain bytes, checked against the record's own keyed id; ``base`` fetches a delta's base by id."""
        if self.plain_length > (MAX_CHUNK if self.kind == 1 else MAX_NODE) or self.codec > 2:
            raise Refused(f"{what}: an unknown codec, or over the limit")
        plain = self.content
        if self.codec:
            dictionary = base(self.base_id) if self.codec == 2 else None
            plain = unzstd(self.content, self.plain_length, what, dictionary)
        key = derive(keys.lane_secret, "drorch/1 chunk id", 32)
        identity = blake3(bytes([self.kind]), key=key).update(plain).digest()
        if len(plain) != self.plain_length or identity != self.chunk_id:
            raise Refused(f"{what}: decodes to other bytes than its id says")
        return plain


def records_of(raw: bytes, start: int, what: str) -> Iterator[tuple[int, bytes]]:
    """Offset and sealed bytes of every record of a pack; stops with a note where the pack is cut off."""
    at = start
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        if length > MAX_RECORD or at + 4 + length > len(raw):
            return note(f"{what}: cut off or damaged at byte {at}")
        yield at, raw[at + 4 : at + 4 + length]
        at += 4 + length


class Heap:
    """Every record of some packs by chunk id: the last resort, and what salvage works on."""

    def __init__(self, paths: Iterable[Path], opened: Callable[[bytes, str], RunKeys]) -> None:
        self.index: dict[tuple[bytes, bytes], list[tuple[Path, int, int, RunKeys]]] = {}  # (lane, chunk id)
        self.seen: list[tuple[RunKeys, int, int, int, bytes, int]] = []  # keys, kind, ordinal, offset, id, length
        for path in paths:
            try:
                self._add(path, opened)
            except (Refused, OSError) as error:
                note(f"{path.name}: skipped: {error}")

    def _add(self, path: Path, opened: Callable[[bytes, str], RunKeys]) -> None:
        if path.stat().st_size > MAX_OBJECT:
            raise Refused("larger than any object")
        raw = path.read_bytes()
        header, body = unwrap(raw, 4, {1, 2, 3, 4, 5}, path.name)
        keys = opened(header.one(4), path.name)
        if keys.where != header.one(1, 16) + header.one(2, 16) + header.one(3, 16):
            raise Refused("its run record belongs to another run")
        for offset, sealed in records_of(raw, body.at, path.name):
            try:
                record = Record.open(sealed, keys, f"{path.name} at byte {offset}")
            except Refused as error:
                note(str(error))
                continue
            if record.kind in (1, 2):
                where = (path, offset + 4, len(sealed), keys)
                self.index.setdefault((keys.lane, record.chunk_id), []).append(where)
                self.seen.append(
                    (keys, record.kind, record.ordinal, record.offset, record.chunk_id, record.plain_length)
                )

    def chunk(self, lane: bytes, kind: int, chunk_id: bytes, depth: int = 0) -> bytes:
        """The plain bytes of a chunk, from any record that holds it."""
        what = f"chunk {chunk_id.hex()[:16]}"
        for path, offset, length, keys in self.index.get((lane, chunk_id), []) if depth <= MAX_BASES else []:
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    record = Record.open(file.read(length), keys, what)
                if record.kind == kind:
                    return record.decode(keys, lambda base: self.chunk(lane, 1, base, depth + 1), what)
            except (Refused, OSError) as error:
                note(str(error))
        raise Refused(f"{what} is in no pack that is here")


# Trees [7]


class Child(NamedTuple):
    """One entry of a tree node; ``bases`` are the chunk's own bases, nearest first."""

    size: int
    chunk_id: bytes
    places: tuple[Place, ...]
    level: int  # -1 for a chunk
    bases: tuple[Child, ...] = ()


def read_place(cursor: Cursor, run: bytes) -> Place:
    return Place(run, cursor.number(4), cursor.number(4), cursor.number(4))


def read_twins(cursor: Cursor, run: bytes) -> tuple[Place, ...]:
    both = read_place(cursor, run), read_place(cursor, run)
    return both if both[1] != (run, *[2**32 - 1] * 3) else both[:1]


def read_reference(raw: bytes, what: str) -> Child:
    cursor = Cursor(raw, what)
    places = read_twins(cursor, cursor.take(16))
    chunk_id, level, size = cursor.take(32), cursor.number(1), cursor.number(8)
    if level > MAX_LEVEL or cursor.left() or size >= 2**62:
        raise Refused(f"{what}: a reference is malformed")
    return Child(size, chunk_id, places, level)


def read_node(raw: bytes, node: Child, what: str) -> list[Child]:
    """The children of a node, which must add up to what its parent says (-1: not known)."""
    cursor = Cursor(raw, what)
    if cursor.take(2) != bytes([1, node.level]):
        raise Refused(f"{what}: a tree node of another version or level")
    runs = [cursor.take(16) for _ in range(cursor.number(2))]

    def run() -> bytes:
        index = cursor.number(2)
        if index >= len(runs):
            raise Refused(f"{what}: a tree node names a run that it does not list")
        return runs[index]

    def chunk(size: int) -> Child:
        return Child(size, cursor.take(32), (read_place(cursor, run()),), -1)

    def leaf_entry() -> Child:
        bases, size = cursor.number(1), cursor.number(4)
        if bases > MAX_BASES or size > MAX_CHUNK:
            raise Refused(f"{what}: a tree entry is over the limit")
        first, *rest = [chunk(size) for _ in range(1 + bases)]
        return first._replace(bases=tuple(rest))

    def inner_entry() -> Child:
        return Child(cursor.number(8), cursor.take(32), read_twins(cursor, run()), node.level - 1)

    children = [inner_entry() if node.level else leaf_entry() for _ in range(cursor.number(4))]
    if cursor.left() or node.size not in (-1, sum(child.size for child in children)):
        raise Refused(f"{what}: a tree node does not add up")
    return children


class Tree:
    """Walks trees; ``fetch`` gives the plain bytes of a child."""

    def __init__(self, fetch: Callable[[Child], bytes]) -> None:
        self._fetch = fetch
        self._nodes: OrderedDict[bytes, list[Child]] = OrderedDict()

    def _children(self, node: Child) -> list[Child]:
        if node.chunk_id not in self._nodes:
            raw = self._fetch(node)
            self._nodes[node.chunk_id] = read_node(raw, node, f"tree node {node.chunk_id.hex()[:16]}")
            if len(self._nodes) > 12:
                self._nodes.popitem(last=False)
        return self._nodes[node.chunk_id]

    def pieces(self, node: Child, start: int, stop: int) -> Iterator[tuple[int, bytes | Refused]]:
        """The bytes ``start`` to ``stop`` below a node: length and bytes, or length and why they are lost."""
        try:
            children = self._children(node)
        except Refused as error:
            yield stop - start, error
            return
        at = 0
        for child in children:
            first, last = max(start - at, 0), min(stop - at, child.size)
            at += child.size
            if first >= last:
                continue
            if child.level >= 0:
                yield from self.pieces(child, first, last)
                continue
            try:
                plain = self._fetch(child)
                if len(plain) != child.size:
                    raise Refused(f"chunk {child.chunk_id.hex()[:16]}: another length than the tree says")
                yield last - first, plain[first:last]
            except Refused as error:
                yield last - first, error


# Lanes and snapshots [8, 9]


@dataclass(frozen=True)
class Entry:
    """A stream of a snapshot."""

    ordinal: int
    name: str
    kind: int
    size: int
    digest: bytes
    tree: Child | None
    start: int
    attributes: object
    rows: int | None

    def description(self) -> dict[str, object]:
        own = {"name": self.name, "file": self.file_name, "kind": self.kind, "bytes": self.size, "rows": self.rows}
        return own | {"blake3": self.digest.hex(), "attributes": self.attributes}

    @property
    def file_name(self) -> str:
        """A name that any file system takes: the ordinal makes it unique, the rest is for people."""
        return f"{self.ordinal:05d}-{quote(self.name, safe='')[:150]}"


@dataclass(frozen=True)
class Snapshot:
    """A manifest of a lane."""

    lane: Lane
    number: int
    digest: bytes
    run: bytes
    state: str
    fields: Fields = field(repr=False)
    attachment: bytes = field(repr=False)
    needs: dict[bytes, bytes] = field(repr=False)


class Signed(NamedTuple):
    """What a genuine signed object says, what is attached, and the digest of the whole."""

    fields: Fields
    attachment: bytes
    digest: bytes


class Lane:
    """A lane's chain, as far as it can be trusted, and the way to its chunks."""

    def __init__(self, store: Store, trust: Trust, me: Recipient | None, lane: bytes, *, past_damage: bool) -> None:
        self.store, self.trust, self.me, self.lane = store, trust, me, lane
        self.folder, self.place = f"l/{lane.hex()}", (trust.repository, lane)
        self.pairs, self.last_head = trust.writers(lane)
        self._spare: dict[tuple[bytes, int], list[Copy]] = {}  # in commits: (run, 2 pack list or 3 run record)
        self._bundles: list[tuple[bytes, bytes, bytes]] | None = None
        self.snapshots: list[Snapshot] = []
        self.problem = "" if self.pairs else f"lane {lane.hex()}: no trusted writer may sign here; nothing in it counts"
        self._keys: dict[bytes, RunKeys] = {}
        self._packs: dict[bytes, list[str]] = {}
        self._heap: Heap | None = None
        self._chunks: OrderedDict[bytes, bytes] = OrderedDict()
        self.tree = Tree(self._fetch)
        self._needs: dict[bytes, bytes] = {}
        if self.pairs:
            self._walk(past_damage)

    def _signed(self, name: str, kind: int, known: set[int], spare: Iterable[Copy] = ()) -> Signed | None:
        """The first genuine copy of a signed object."""
        copies = chain(self.store.copies(name), spare)

        def check(raw: bytes) -> Signed:
            payload, attachment = verified(raw, kind, name, self.pairs)
            return Signed(common(payload, attachment, kind, name, self.place, known), attachment, sha256(raw))

        return first_good(name, copies, check)

    def _walk(self, past_damage: bool) -> None:
        names = (name.partition(".")[0].partition("~")[0] for name in self.store.names(f"{self.folder}/m"))
        expected, previous = 1, bytes(32)
        for number in sorted({int(name) for name in names if name.isdecimal()}):
            if self.last_head and number > self.last_head[0]:
                break
            try:
                if number != expected and not past_damage:
                    raise Refused(f"manifest {expected} is missing, a later one is here")
                self.snapshots.append(self._read_snapshot(number, previous if number == expected else None))
                expected, previous = number + 1, self.snapshots[-1].digest
            except Refused as error:
                self.problem = f"lane {self.lane.hex()}: the chain is broken: {error}"
                if not past_damage:
                    break
                note(self.problem)
        if self.last_head and (expected - 1, previous) != self.last_head:
            self.problem = f"lane {self.lane.hex()}: does not lead to the head that its writer's revocation names"
            self.snapshots = []

    def _read_commit(self, name: str, number: int) -> tuple[str, bytes | None, Fields]:
        """State, digest of the manifest, second copies."""
        commit = self._signed(name, 8, {16, 17, 18})
        if not commit:
            return "undecided", None, Fields(b"", (), name)
        if commit.fields.number(16, 8) != number:
            raise Refused(f"{name}: has another number")
        state = {1: "committed", 2: "void"}.get(commit.fields.number(18, 1), "unknown")
        return state, commit.fields.one(17, 32), Fields(commit.attachment, {1, 2, 3}, name)

    def _read_snapshot(self, number: int, previous: bytes | None) -> Snapshot:
        name = f"{self.folder}/m/{number:012d}"
        try:
            state, wanted, second = self._read_commit(f"{name}.c", number)
        except Refused as error:
            note(f"{error}; snapshot {number} does not count without its commit")
            state, wanted, second = "undecided", None, Fields(b"", (), name)
        spare = {part: [(f"the copy in {name}.c", partial(second.one, part))] for part in second.found}
        found = self._signed(name, 7, set(range(16, 35)), spare.get(1, ()))
        if not found:
            raise Refused(f"{name} is missing")
        fields, attachment, digest = found
        if fields.number(16, 8) != number or previous not in (None, fields.one(17, 32)):
            raise Refused(f"{name}: does not follow the manifest before it")
        if wanted not in (None, digest):
            raise Refused(f"{name}: is not the manifest that its commit names")
        run = fields.one(18, 16)
        self._spare |= {(run, part): copies for part, copies in spare.items() if state == "committed"}
        items = [Fields(raw, {1, 2, 3}, name) for raw in fields.many(32)]
        needs = {item.one(1, 16): item.one(2, 32) for item in items}
        return Snapshot(self, number, digest, run, state, fields, attachment, needs)

    # What opens and where it lies

    def _resealed(self, me: Recipient) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Lane, run and sealed bytes of what maintainers sealed to this key later."""
        for number in sorted({name.partition("~")[0] for name in self.store.names("keys")}):
            name = f"keys/{number}"

            def check(raw: bytes, name: str = name) -> Fields:
                payload, attachment = verified(raw, 2, name, self.trust.maintainers())
                return common(payload, attachment, 2, name, (self.trust.repository, None), {16, 17})

            try:
                bundle = first_good(name, self.store.copies(name), check)
                for raw in bundle.many(17) if bundle else []:
                    item = Fields(raw, {1, 2, 3, 4}, name)
                    if item.one(3, 32) == me.key_id:
                        yield item.one(1, 16), item.one(2, 16), item.one(4)
            except Refused as error:
                note(str(error))

    def keys_of(self, run: bytes) -> RunKeys:
        if run not in self._keys:
            self._keys[run] = self._open_run(run)
            if self._keys[run].lane_secret != next(iter(self._keys.values())).lane_secret:
                raise Refused(f"run {run_text(run)}: has another lane secret than the rest of its lane")
        return self._keys[run]

    def _open_run(self, run: bytes) -> RunKeys:
        if not self.me:
            raise Refused("this needs the private key of a recipient: give --key")
        name = f"{self.folder}/r/{run_text(run)}"
        spare = chain(self._spare.get((run, 3), ()), self._run_records_in_packs(run))
        found = self._signed(name, 3, RUN_RECORD, spare)
        if not found or found.fields.one(16, 16) != run:
            raise Refused(f"{name} is missing, and no pack of that run is here")
        if self._bundles is None:
            self._bundles = list(self._resealed(self.me))
        return open_run_record(found.fields, self.me, self._bundles)

    def _run_records_in_packs(self, run: bytes) -> Iterator[Copy]:
        for path in sorted((self.store.directory / self.folder / "p").glob("*/*")):
            try:
                with path.open("rb") as file:
                    header, _ = unwrap(file.read(MIB), 4, {1, 2, 3, 4, 5}, path.name)
                if header.one(3, 16) == run:
                    yield f"the copy in pack {path.name[:16]}", partial(header.one, 4)
            except (Refused, OSError):
                continue  # a damaged pack is reported when something is read from it

    def _packs_of(self, run: bytes) -> list[str]:
        """The names of a run's packs by ordinal, from the pack list that the snapshot's needs name."""
        if run not in self._packs:
            name = f"{self.folder}/q/{run_text(run)}"
            found = self._signed(name, 5, {16, 17}, self._spare.get((run, 2), ()))
            if not found:
                raise Refused(f"{name} is missing")
            if found.fields.one(16, 16) != run or self._needs.get(run, found.digest) != found.digest:
                raise Refused(f"{name}: is not the pack list that the manifest names")
            raw = found.fields.one(17)
            digests = [raw[at : at + 32].hex() for at in range(0, len(raw), 36)]
            self._packs[run] = [f"{self.folder}/p/{digest[:2]}/{digest}" for digest in digests]
        return self._packs[run]

    # Chunks

    def _fetch(self, child: Child) -> bytes:
        """The plain bytes of a chunk or node: from its place, its twin's, an alternate, or any pack that holds it."""
        if child.chunk_id in self._chunks:
            return self._chunks[child.chunk_id]
        problems: list[str] = []
        for place in child.places:
            try:
                plain = self._fetch_at(child, place)
                break
            except Refused as error:
                problems.append(str(error))
        else:
            try:
                plain = self._search().chunk(self.lane, 1 if child.level < 0 else 2, child.chunk_id)
            except Refused as error:
                raise Refused(f"{problems[0]}; {error}") from error
            note(f"{problems[0]}; found the same chunk elsewhere")
        if len(problems) < len(child.places):
            for problem in problems:
                note(f"{problem}; took the twin")
        self._chunks[child.chunk_id] = plain
        if len(self._chunks) > 8:
            self._chunks.popitem(last=False)
        return plain

    def _fetch_at(self, child: Child, place: Place) -> bytes:
        keys, packs = self.keys_of(place.run), self._packs_of(place.run)
        if place.ordinal >= len(packs) or not 52 <= place.length <= MAX_RECORD + 4:
            raise Refused(f"run {run_text(place.run)}: no record at {tuple(place[1:])}")
        name = packs[place.ordinal]
        what = f"{name} at byte {place.offset}"
        copies = self.store.copies(name)
        reads = [(label, partial(self.store.read_range, label, place.offset, place.length)) for label, _ in copies]

        def base(base_id: bytes) -> bytes:
            if not child.bases or child.bases[0].chunk_id != base_id:
                raise Refused(f"{what}: a delta against another base than the tree names")
            return self._fetch(child.bases[0]._replace(bases=child.bases[1:]))

        def check(raw: bytes) -> bytes:
            if int.from_bytes(raw[:4], "big") != len(raw) - 4:
                raise Refused(f"{what}: the record's length is damaged")
            record = Record.open(raw[4:], keys, what)
            if (record.kind, record.chunk_id) != (1 if child.level < 0 else 2, child.chunk_id):
                raise Refused(f"{what}: holds another chunk")
            return record.decode(keys, base, what)

        plain = first_good(name, reads, check)
        if plain is None:
            raise Refused(f"{name} is missing")
        return plain

    def _search(self) -> Heap:
        if self._heap is None:
            note(f"lane {self.lane.hex()}: looking through all packs for what is missing")
            packs = sorted((self.store.directory / self.folder / "p").glob("*/*"))
            self._heap = Heap(packs, lambda raw, what: self._keys_for_heap(raw, what))
        return self._heap

    def _keys_for_heap(self, raw: bytes, what: str) -> RunKeys:
        payload, attachment = verified(raw, 3, what, self.pairs)
        run = Fields(payload, RUN_RECORD, what).one(16, 16)
        common(payload, attachment, 3, f"{self.folder}/r/{run_text(run)}", self.place, RUN_RECORD)
        return self.keys_of(run)

    # A snapshot's content

    def body(self, snapshot: Snapshot) -> Fields:
        """The sealed part of a manifest."""
        self._needs = snapshot.needs
        keys, what = self.keys_of(snapshot.run), f"manifest {snapshot.number}"
        plain = unseal(keys.key, "drorch/1 manifest", snapshot.attachment, b"DRORCH manifest 1" + keys.where, what)
        return Fields(unzstd(plain, MAX_MANIFEST, what), {1, 2, 3, 4, 5}, what)

    def entries(self, body: Fields) -> Iterator[Entry]:
        """The streams of a snapshot."""
        containers = [read_reference(raw, body.what) for raw in body.many(3)]
        top = body.maybe(2)
        return read_entries(self.tree, read_reference(top, body.what), containers) if top else iter(())


def read_entries(tree: Tree, root: Child, containers: list[Child]) -> Iterator[Entry]:
    """The entries that lie below ``root``."""
    pending, ordinal = b"", 0
    for _, piece in tree.pieces(root, 0, root.size):
        if isinstance(piece, Refused):
            raise Refused(f"the list of streams is damaged ({piece}); try salvage")
        pending += piece
        while len(pending) >= 4 and len(pending) >= 4 + (length := int.from_bytes(pending[:4], "big")):
            yield read_entry(pending[4 : 4 + length], ordinal, containers)
            pending, ordinal = pending[4 + length :], ordinal + 1
        if len(pending) >= 4 and int.from_bytes(pending[:4], "big") > MAX_ENTRY:
            raise Refused("an entry is over the limit")
    if pending:
        raise Refused("the list of streams is cut off")


def read_entry(raw: bytes, ordinal: int, containers: list[Child]) -> Entry:
    fields = Fields(raw, set(range(1, 12)), f"entry {ordinal}")
    size, tree, inside = fields.number(3, 8), fields.maybe(4), fields.maybe(5, 10)
    node, start = (read_reference(tree, fields.what), 0) if tree else (None, 0)
    if inside:
        index, start = int.from_bytes(inside[:2], "big"), int.from_bytes(inside[2:], "big")
        node = containers[index] if index < len(containers) else None
    if (
        bool(size) != bool(node)
        or (tree and inside)
        or (node and start + size > node.size)
        or (tree and size != node.size)
    ):
        raise Refused(f"{fields.what}: its place is malformed")
    attributes = parse_json(fields.maybe(11) or b"null", fields.what)
    rows = int.from_bytes(fields.one(8, 8), "big") if fields.many(8) else None
    return Entry(ordinal, fields.text(1), fields.number(2, 1), size, fields.one(6, 32), node, start, attributes, rows)


# Restoring


def write_stream(
    pieces: Iterable[tuple[int, bytes | Refused]], entry: Entry, path: Path, *, keep_damaged: bool
) -> list[str]:
    """Write a stream to ``path`` once its digest is right; otherwise return what is lost, and keep only
    ``path``.damaged, with zeros in place of what is lost, if that was asked for."""
    partial_path, digest, at, lost = path.with_name(path.name + ".part"), blake3(), 0, list[str]()
    with partial_path.open("xb") as file:
        for length, piece in pieces:
            if isinstance(piece, Refused):
                lost.append(f"bytes {at} to {at + length - 1}: {piece}")
                file.seek(length, 1)
            else:
                file.write(piece)
                digest.update(piece)
            at += length
        file.truncate(at)
    if not lost and (at, digest.digest()) != (entry.size, entry.digest):
        lost.append("the digest of the whole stream is wrong")
    if not lost:
        partial_path.rename(path)
    elif keep_damaged:
        partial_path.rename(path.with_name(path.name + ".damaged"))
    else:
        partial_path.unlink()
    return lost


def empty_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise Refused(f"{path} is not empty")
    return path


def restore(snapshot: Snapshot, to: Path, only: list[str], *, keep_damaged: bool) -> None:
    """Write every stream (or those named) of a snapshot to a file of its own."""
    lane, body = snapshot.lane, snapshot.lane.body(snapshot)
    target = empty_directory(to)
    facts = {
        key: parse_json(body.maybe(number) or b"null", "facts") for key, number in (("facts", 1), ("closing_facts", 4))
    }
    facts |= {
        "snapshot": run_text(snapshot.run),
        "source": snapshot.fields.text(23),
        "restore_point": when(snapshot.fields, 21),
    }
    written, lost, missing = list[Entry](), 0, set(only)
    with (target / "streams.jsonl").open("x", encoding="utf-8") as index:
        for entry in lane.entries(body):
            if only and entry.name not in only:
                continue
            missing.discard(entry.name)
            problems = write_stream(
                content(lane.tree, entry), entry, target / entry.file_name, keep_damaged=keep_damaged
            )
            for problem in problems:
                print(f"LOST  {shown(entry.name)}: {problem}")
            if problems:
                lost += 1
                continue
            written.append(entry)
            print(f"ok    {entry.size:>14,} bytes  {shown(entry.name)}")
            index.write(json.dumps(entry.description(), ensure_ascii=False) + "\n")
    (target / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    total = sum(entry.size for entry in written)
    print(f"{len(written)} streams, {total:,} bytes, every digest right: {target}")
    if lost or missing:
        raise Refused(f"{lost} streams could not be restored, {len(missing)} names are not in the snapshot")


def content(tree: Tree, entry: Entry) -> Iterator[tuple[int, bytes | Refused]]:
    return tree.pieces(entry.tree, entry.start, entry.start + entry.size) if entry.tree else iter(())


# Salvage


class Salvage:
    """Makes what it can of a heap of packs: whole streams where their trees are here, else loose chunks."""

    def __init__(self, directory: Path, me: Recipient) -> None:
        self._me, self._opened = me, dict[bytes, RunKeys]()
        self.heap = Heap((path for path in sorted(directory.rglob("*")) if is_pack(path)), self._open)
        self.runs = {keys.run: keys for keys, *_ in self.heap.seen}

    def _open(self, raw: bytes, what: str) -> RunKeys:
        if raw not in self._opened:
            payload, _, _ = split_signed(raw, 3, what)
            self._opened[raw] = open_run_record(Fields(payload, RUN_RECORD, what), self._me, ())
        return self._opened[raw]

    def tree(self, lane: bytes) -> Tree:
        return Tree(lambda child: self.heap.chunk(lane, 1 if child.level < 0 else 2, child.chunk_id))

    def tops(self, keys: RunKeys) -> dict[int, Child]:
        """The top node of each tree that the run wrote, by ordinal."""
        tops: dict[int, Child] = {}
        for its_keys, kind, ordinal, offset, chunk_id, _ in self.heap.seen:
            if (its_keys.run, kind, offset) == (keys.run, 2, 0):
                try:
                    raw = self.heap.chunk(keys.lane, 2, chunk_id)
                    node = Child(-1, chunk_id, (), raw[1])
                    node = node._replace(size=sum(child.size for child in read_node(raw, node, "tree node")))
                    tops[ordinal] = max(tops.get(ordinal, node), node, key=lambda each: each.level)
                except (Refused, IndexError) as error:
                    note(str(error))
        return tops

    def streams(self, keys: RunKeys, target: Path) -> set[int]:
        """Write every stream that the run's list of entries names and that is whole; return their ordinals."""
        tops, tree, done = (
            {run: self.tops(each) for run, each in self.runs.items() if each.lane == keys.lane},
            self.tree(keys.lane),
            set[int](),
        )
        root = tops[keys.run].get(ENTRIES_ORDINAL)
        for run in [keys.run, *(run for run in tops if run != keys.run)] if root else []:
            last = max(
                (o for o in tops[run] if CONTAINER_ORDINAL <= o < ENTRIES_ORDINAL), default=CONTAINER_ORDINAL - 1
            )
            nothing = Child(2**62, b"", (), -1)
            containers = [tops[run].get(o, nothing) for o in range(CONTAINER_ORDINAL, last + 1)]
            try:
                for entry in read_entries(tree, root, containers):
                    if entry.ordinal not in done and not write_stream(
                        content(tree, entry), entry, target / entry.file_name, keep_damaged=False
                    ):
                        done.add(entry.ordinal)
                        print(f"ok    {entry.size:>14,} bytes  {shown(entry.name)}")
            except Refused as error:
                note(str(error))
        return done

    def loose(self, keys: RunKeys, target: Path, done: set[int]) -> None:
        """Write the run's chunks of all other streams to one file each, at the offset where they were seen."""
        for _, kind, ordinal, offset, chunk_id, length in sorted(
            (row for row in self.heap.seen if row[0].run == keys.run), key=lambda row: row[2:4]
        ):
            if kind == 1 and ordinal not in done and not (done and ordinal >= CONTAINER_ORDINAL):
                try:
                    plain = self.heap.chunk(keys.lane, 1, chunk_id)
                except Refused as error:
                    note(str(error))
                    continue
                with (target / f"ordinal-{ordinal:010d}.loose").open("ab") as file:
                    file.seek(offset)
                    file.write(plain)
                print(f"loose {length:>14,} bytes  ordinal {ordinal} at {offset}")


def is_pack(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(7) == b"DRORCH\x04"


def salvage(directory: Path, me: Recipient, to: Path) -> None:
    """Decode a heap of packs with nothing but a private key."""
    target, work = empty_directory(to), Salvage(directory, me)
    print("salvage: nothing tells who wrote these packs; compare what comes out with what you know")
    for keys in work.runs.values():
        folder = target / f"{keys.lane.hex()[:12]}-{run_text(keys.run)}"
        folder.mkdir()
        print(f"run {run_text(keys.run)} of lane {keys.lane.hex()}")
        work.loose(keys, folder, work.streams(keys, folder))
    if not work.runs:
        raise Refused("no pack here opens with this private key")


# The command line


def when(fields: Fields, number: int) -> str:
    raw = fields.maybe(number, 8)
    try:
        return (
            datetime.fromtimestamp(int.from_bytes(raw, "big") / 1000, UTC).isoformat(timespec="seconds") if raw else "-"
        )
    except (OverflowError, ValueError, OSError):
        return "?"


def list_snapshots(lanes: list[Lane]) -> None:
    for lane in lanes:
        print(f"lane {lane.lane.hex()}")
        for snapshot in lane.snapshots:
            fields = snapshot.fields
            result = {1: "complete", 2: "partial"}.get(fields.number(25, 1), "?")
            print(f"  {run_text(snapshot.run)}  {when(fields, 21)}  {snapshot.state} {result}")
            print(
                f"    {snapshot.number}  {shown(fields.text(23))}  {fields.number(28, 8):,} bytes  {fields.number(30, 8):,} rows"
            )
        if lane.snapshots:
            print(f"  head {lane.snapshots[-1].number}\n    {lane.snapshots[-1].digest.hex()}")
    if problems := [lane.problem for lane in lanes if lane.problem]:
        raise Refused("; ".join(problems))


def find_snapshot(lanes: list[Lane], wanted: str, *, past_damage: bool) -> Snapshot:
    every = [snapshot for lane in lanes for snapshot in lane.snapshots]
    if wanted.startswith("latest:"):
        found = [s for s in every if s.state == "committed" and s.fields.text(23) == wanted[7:]]
        found = [max(found, key=lambda s: s.fields.number(21, 8))] if found else []
    else:
        found = [s for s in every if run_text(s.run).startswith(wanted.lower())]
    if len(found) != 1:
        problems = "".join(f"; {lane.problem}" for lane in lanes if lane.problem)
        raise Refused(f"{'no' if not found else 'more than one'} snapshot {wanted}{problems}")
    if found[0].state != "committed" and not (past_damage and found[0].state == "undecided"):
        raise Refused(f"snapshot {wanted} is {found[0].state}: it has no commit that counts, so it does not exist")
    if found[0].lane.problem:
        note(found[0].lane.problem)
    return found[0]


def read_private_key(args: argparse.Namespace) -> Recipient | None:
    if args.seed_hex_file:
        try:
            return Recipient(bytes.fromhex(args.seed_hex_file.read_text().strip()))
        except ValueError as error:
            raise Refused(f"{args.seed_hex_file}: not 64 hexadecimal digits") from error
    return None


def trust_digest(text: str | None) -> bytes:
    try:
        digest = bytes.fromhex((text or "").replace("-", ""))
    except ValueError:
        digest = b""
    if len(digest) not in (16, 32):
        raise Refused("give --trust with the 32 or 64 hexadecimal digits that stand on every key sheet")
    return digest


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="read a drorch repository without drorch", allow_abbrev=False)
    parser.add_argument("directory", type=Path, help="the repository: a downloaded bucket prefix")
    parser.add_argument("--key", type=Path, metavar="FILE", help="a recipient's private key file")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its passphrase; asked for otherwise")
    parser.add_argument("--seed-hex-file", type=Path, metavar="FILE", help="instead: the key's 64 hexadecimal digits")
    parser.add_argument("--trust", metavar="DIGEST", help="the digest of trust/0, from a key sheet")
    parser.add_argument(
        "--expect-head", metavar="DIGEST", action="append", default=[], help="refuse unless this manifest is there"
    )
    parser.add_argument(
        "--past-damage", action="store_true", help="go on behind a gap in a chain, and without a commit"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show what is there, with the head of every lane")
    one = commands.add_parser("restore", help="write a snapshot's streams to files")
    one.add_argument("snapshot", help="an id, its first characters, or latest:SOURCE")
    one.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    one.add_argument("--stream", action="append", default=[], metavar="NAME", help="only this stream (repeatable)")
    one.add_argument("--keep-damaged", action="store_true", help="keep a damaged stream as NAME.damaged, with zeros")
    heap = commands.add_parser("salvage", help="decode a heap of packs with only the private key")
    heap.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    me = read_private_key(args)
    if args.command == "salvage":
        if not me:
            raise Refused("salvage needs the private key of a recipient: give --key")
        return salvage(args.directory, me, args.to)
    store = Store(args.directory)
    trust = Trust(store, trust_digest(args.trust))
    print(f"trust root verified; {trust.number + 1} trust records; repository {trust.repository.hex()}")
    names = [name for name in store.names("l") if len(name) == 32]
    lanes = [Lane(store, trust, me, bytes.fromhex(name), past_damage=args.past_damage) for name in names]
    heads = {snapshot.digest.hex() for lane in lanes for snapshot in lane.snapshots}
    for head in args.expect_head:
        if head.lower() not in heads:
            raise Refused(f"manifest {head} is not there: newer snapshots are hidden or lost")
    if args.command == "list":
        return list_snapshots(lanes)
    snapshot = find_snapshot(lanes, args.snapshot, past_damage=args.past_damage)
    restore(snapshot, args.to, args.stream, keep_damaged=args.keep_damaged)


def main(argv: list[str] | None = None) -> int:
    _noted.clear()
    try:
        run(arguments(argv))
    except (Refused, OSError) as error:
        print(f"recover: error: {shown(str(error))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
