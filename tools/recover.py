#!/usr/bin/env python3
"""Read a drorch repository without drorch, from docs/FORMAT.md alone.

    recover.py DIRECTORY --trust DIGEST list
    recover.py DIRECTORY --trust DIGEST --key FILE restore SNAPSHOT --to DIR [--stream NAME]

DIRECTORY is a repository: a downloaded bucket prefix. DIGEST stands on every key sheet. SNAPSHOT is an id as
``list`` prints it, its first characters, or ``latest:SOURCE``. Needs Python 3.11 and the packages cryptography (50 or
later), blake3 and zstandard. Numbers in brackets, as in [4], are sections of FORMAT.md.

Every stream becomes a file of its own, named in streams.jsonl; what the snapshot says of itself is in facts.json.
Beside this file, and needed by nobody: rebuild.py makes a database of the streams again, salvage.py takes what it can
from packs without a chain, a tree or a list of streams.

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
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

try:
    import zstandard
    from blake3 import blake3
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives import hashes, hpke
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
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


# ---- Keys and sealing [5]


class RunKeys(NamedTuple):
    """What opens one run; ``where`` is repository ‖ lane ‖ run."""

    where: bytes
    key: bytes
    lane_secret: bytes


def derive(secret: bytes, info: str, size: int, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA384(), size, salt, info.encode()).derive(secret)


def unseal(keys: RunKeys, purpose: str, sealed: bytes, what: str) -> bytes:
    """Open ``salt ‖ ciphertext and tag`` of a record or a manifest."""
    if len(sealed) < 48:
        raise Refused(f"{what}: cut off")
    material = derive(keys.key, f"drorch/1 {purpose}", 44, sealed[:32])
    try:
        associated = f"DRORCH {purpose} 1".encode() + keys.where
        return AESGCM(material[:32]).decrypt(material[32:], sealed[32:], associated)
    except InvalidTag as error:
        raise Refused(f"{what}: damaged (the authentication tag is wrong)") from error


class Recipient:
    """A private key; ``seed`` is its 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        stream = hashlib.shake_256(b"drorch/1 recipient" + seed).digest(64 + 48 * 64)
        numbers = (int.from_bytes(stream[at : at + 48], "big") for at in range(64, len(stream), 48))
        lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(stream[:64])
        curve = ec.derive_private_key(next(n for n in numbers if 1 <= n < P384_ORDER), ec.SECP384R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.key_id = sha256(lattice.public_key().public_bytes_raw() + point)
        self._key = hpke.MLKEM1024P384PrivateKey(lattice, curve)
        self._suite = hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)

    def open(self, record: Fields, resealed: Iterable[tuple[bytes, bytes]] = ()) -> RunKeys:
        """Open a run record, by what it or a later bundle (lane ‖ run, sealed) holds for this key [5]."""
        where = record.one(2, 16) + record.one(4, 16) + record.one(16, 16)
        own = [Fields(raw, (1, 2), record.what) for raw in record.many(18)[:MAX_RECIPIENTS]]
        sealed = [item.one(2) for item in own if item.one(1, 32) == self.key_id]
        for blob in sealed + [blob for lane_and_run, blob in resealed if lane_and_run == where[16:]]:
            try:
                plain = self._suite.decrypt(blob, self._key, b"drorch/1 run key" + where + self.key_id)
            except (InvalidTag, ValueError):
                plain = b""
            if hashlib.sha384(b"drorch/1 run commitment" + plain).digest() == record.one(17, 48) and len(plain) == 64:
                return RunKeys(where, plain[:32], plain[32:])
            note(f"{record.what}: what is sealed to this key does not open, or does not fit the commitment")
        raise Refused(f"{record.what}: not readable with this private key")


# ---- Records [6]


class Record(NamedTuple):
    """An opened record; its content is not decoded."""

    kind: int
    codec: int
    plain_length: int
    chunk_id: bytes
    base_id: bytes
    ordinal: int
    offset: int
    content: bytes

    def decode(self, keys: RunKeys, base: Callable[[bytes], bytes], what: str) -> bytes:
        """The plain bytes, checked against the record's own keyed id; ``base`` fetches a delta's base by id."""
        if self.plain_length > (MAX_CHUNK if self.kind == 1 else MAX_NODE) or self.codec > 2:
            raise Refused(f"{what}: an unknown codec, or over the limit")
        dictionary = base(self.base_id) if self.codec == 2 else None
        plain = unzstd(self.content, self.plain_length, what, dictionary) if self.codec else self.content
        key = derive(keys.lane_secret, "drorch/1 chunk id", 32)
        identity = blake3(bytes([self.kind]), key=key).update(plain).digest()
        if len(plain) != self.plain_length or identity != self.chunk_id:
            raise Refused(f"{what}: decodes to other bytes than its id says")
        return plain


def open_record(raw: bytes, keys: RunKeys, what: str) -> Record:
    """Open a record, given without its length field."""
    at = Cursor(unseal(keys, "record", raw, what), what)
    kind, codec, _ = at.number(1), at.number(1), at.take(2)
    return Record(kind, codec, at.number(4), at.take(32), at.take(32), at.number(4), at.number(8), at.take(at.left()))


# ---- Trees and entries [7, 9]


Place = tuple[bytes, int, int, int]  # where a record lies: run, pack ordinal, offset, length


class Child(NamedTuple):
    """What a tree node or reference says of one below; a level of -1 is a chunk, ``bases`` are its own, nearest first."""

    size: int
    chunk_id: bytes
    places: tuple[Place, ...]  # its own, and that of its twin
    level: int
    bases: tuple[Child, ...] = ()


class Entry(NamedTuple):
    """A stream of a snapshot: ``size`` bytes from ``start`` of a tree."""

    ordinal: int
    name: str
    size: int
    digest: bytes
    tree: Child | None
    start: int
    about: dict[str, Any]

    @property
    def file_name(self) -> str:
        """A name that any file system takes: the ordinal makes it unique, the rest is for people."""
        return f"{self.ordinal:05d}-{quote(self.name, safe='')[:150]}"


Pieces = Iterator[tuple[int, bytes | Refused]]  # a length, and so many bytes or why they are lost


def read_places(at: Cursor, run: bytes) -> tuple[Place, ...]:
    places = [(run, at.number(4), at.number(4), at.number(4)) for _ in range(2)]
    return tuple(place for place in places if place[1] != 2**32 - 1)


def read_reference(raw: bytes, what: str) -> Child:
    at = Cursor(raw, what)
    places, chunk_id, level, size = read_places(at, at.take(16)), at.take(32), at.number(1), at.number(8)
    if level > MAX_LEVEL or at.left() or size > MAX_STREAM:
        raise Refused(f"{what}: a reference is malformed")
    return Child(size, chunk_id, places, level)


def read_node(raw: bytes, node: Child) -> list[Child]:
    """The children of a node, which must add up to what its parent says (-1: not known)."""
    at = Cursor(raw, f"tree node {node.chunk_id.hex()[:16]}")
    version, level, runs = at.number(1), at.number(1), [at.take(16) for _ in range(at.number(2))]
    children: list[Child] = []

    def child(size: int) -> Child:
        chunk_id, index = at.take(32), at.number(2)
        return Child(size, chunk_id, read_places(at, runs[index] if index < len(runs) else b""), level - 1)

    for _ in range(at.number(4)):
        bases, size = (0, at.number(8)) if level else (at.number(1), at.number(4))
        if bases > MAX_BASES or (not level and size > MAX_CHUNK):
            raise Refused(f"{at.what}: an entry is over the limit")
        first = child(size)
        children.append(first._replace(bases=tuple(child(-1) for _ in range(bases))))
    if (version, level) != (1, node.level) or at.left() or node.size not in (-1, sum(each.size for each in children)):
        raise Refused(f"{at.what}: is not the node that its parent describes")
    return children


def read_entry(raw: bytes, ordinal: int, containers: list[Child]) -> Entry:
    fields = Fields(raw, range(1, 12), f"entry {ordinal}")
    name, size, digest, start = fields.text(1), fields.number(3, 8), fields.one(6, 32), 0
    tree, inside = fields.maybe(4, 81), fields.maybe(5, 10)
    node = read_reference(tree, fields.what) if tree else None
    if inside:
        index, start = int.from_bytes(inside[:2], "big"), int.from_bytes(inside[2:], "big")
        node = containers[index] if index < len(containers) else None
    fits = (start + size <= node.size if inside else size == node.size) if node else size == 0
    if not fits or (tree and inside) or len(fields.one(1)) > 64 * KIB:
        raise Refused(f"{fields.what}: malformed")
    about = {"kind": fields.number(2, 1), "rows": fields.number(8, 8) if fields.many(8) else None}
    about |= {"row_format": fields.number(7, 1), "attributes": fields.json(11)}
    return Entry(ordinal, name, size, digest, node, start, about)


class Tree:
    """Reads trees; ``fetch`` gives the checked plain bytes of a child."""

    def __init__(self, fetch: Callable[[Child], bytes]) -> None:
        self.fetch = lru_cache(8)(fetch)
        self._children = lru_cache(12)(lambda node: read_node(self.fetch(node), node))

    def pieces(self, node: Child, start: int, stop: int) -> Pieces:
        """The bytes ``start`` to ``stop`` below a node."""
        try:
            children = self._children(node)
        except Refused as error:
            yield stop - start, error
            return
        at = 0
        for child in children:
            first, last = max(start - at, 0), min(stop - at, child.size)
            at += child.size
            if first < last and child.level >= 0:
                yield from self.pieces(child, first, last)
            elif first < last:
                try:
                    yield last - first, self.fetch(child)[first:last]
                except Refused as error:
                    yield last - first, error

    def entries(self, root: Child, containers: list[Child]) -> Iterator[Entry]:
        """The entries that lie below ``root``."""
        pending, ordinal = b"", 0
        for _, piece in self.pieces(root, 0, root.size):
            if isinstance(piece, Refused):
                raise Refused(f"the list of streams is damaged ({piece}); try salvage.py")
            at = Cursor(pending + piece, "list of streams")
            while at.left() >= 4 and at.left() >= 4 + int.from_bytes(at.raw[at.at : at.at + 4], "big"):
                yield read_entry(at.take(at.number(4)), ordinal, containers)
                ordinal += 1
            pending = at.take(at.left())
            if len(pending) > MAX_CHUNK:
                raise Refused("list of streams: an entry is over the limit")
        if pending:
            raise Refused("list of streams: cut off")


# ---- Lanes and snapshots [8]


class Snapshot(NamedTuple):
    """A manifest of a lane, with what its commit says of it."""

    lane: Lane
    number: int
    run: bytes
    state: str
    manifest: Signed
    needs: dict[bytes, bytes]  # run -> digest of its pack list


class Lane:
    """A lane's chain, as far as it can be trusted, and the way to its chunks."""

    def __init__(self, store: Store, trust: Trust, me: Recipient | None, lane: bytes, *, past_damage: bool) -> None:
        self.store, self.trust, self.me, self.lane = store, trust, me, lane
        self.folder, self.tree, self.pairs, self.last_head = f"l/{lane.hex()}", Tree(self._fetch), *trust.writers(lane)
        self.keys_of, self._packs_of = cache(self._open_run), lru_cache(64)(self._read_pack_list)
        self._resealed = cache(lambda key_id: list(self._read_bundles(key_id)))
        self.snapshots: list[Snapshot] = []
        self.problem = "" if self.pairs else f"lane {lane.hex()}: no trusted writer may sign here; nothing in it counts"
        self._spare: dict[tuple[bytes, int], list[Copy]] = {}  # in commits: (run, 2 pack list or 3 run record)
        self._needs: dict[bytes, bytes] = {}  # of the snapshot that is read: run -> digest of its pack list
        self._secret = b""
        if self.pairs:
            self._walk(past_damage=past_damage)

    def _signed(
        self, name: str, kind: int, known: range, spare: Iterable[Copy] = (), digest: bytes | None = None
    ) -> Signed | None:
        """The first genuine copy of a signed object of this lane, with that digest if one is given."""

        def check(raw: bytes) -> Signed:
            found = genuine(raw, kind, name, (self.trust.repository, self.lane), known, self.pairs)
            if digest not in (None, found.digest):
                raise Refused(f"{name}: is not the one that the {'manifest' if kind == 5 else 'commit'} names")
            return found

        return first_good(name, chain(self.store.copies(name), spare), check)

    def _walk(self, *, past_damage: bool) -> None:
        names = (name.partition(".")[0].partition("~")[0] for name in self.store.names(f"{self.folder}/m"))
        expected, previous = 1, bytes(32)
        for number in sorted({int(name) for name in names if name.isdecimal()}):
            if self.last_head and number > self.last_head[0]:
                break
            try:
                if number != expected and not past_damage:
                    raise Refused(f"manifest {expected} is missing, a later one is here")
                self.snapshots.append(self._read_snapshot(number, previous if number == expected else None))
                expected, previous = number + 1, self.snapshots[-1].manifest.digest
            except Refused as error:
                self.problem = f"lane {self.lane.hex()}: the chain is broken: {error}"
                if not past_damage:
                    break
                note(self.problem)
        if self.last_head and (expected - 1, previous) != self.last_head:
            self.problem = f"lane {self.lane.hex()}: does not lead to the head that its writer's revocation names"
            self.snapshots = []

    def _read_commit(self, name: str, number: int) -> tuple[str, bytes | None, dict[int, list[Copy]]]:
        """State, digest of the manifest that counts, second copies."""
        try:
            if commit := self._signed(name, 8, range(16, 19)):
                if commit.fields.number(16, 8) != number:
                    raise Refused(f"{name}: has another number")
                state, second = commit.fields.number(18, 1), Fields(commit.attachment, range(1, 4), name)
                copies: dict[int, list[Copy]] = {
                    part: [(f"the copy in {name}", partial(second.one, part))] for part in second.found
                }
                return {1: "committed", 2: "void"}.get(state, "unknown"), commit.fields.one(17, 32), copies
        except Refused as error:
            note(f"{error}; snapshot {number} does not count without its commit")
        return "undecided", None, {}

    def _read_snapshot(self, number: int, previous: bytes | None) -> Snapshot:
        name = f"{self.folder}/m/{number:012d}"
        state, digest, spare = self._read_commit(f"{name}.c", number)
        found = self._signed(name, 7, MANIFEST, spare.get(1, ()), digest)
        if not found:
            raise Refused(f"{name} is missing")
        if found.fields.number(16, 8) != number or previous not in (None, found.fields.one(17, 32)):
            raise Refused(f"{name}: does not follow the manifest before it")
        run, needs = found.fields.one(18, 16), [Fields(raw, (1, 2, 3), name) for raw in found.fields.many(32)]
        self._spare |= {(run, part): copies for part, copies in spare.items()}
        return Snapshot(self, number, run, state, found, {item.one(1, 16): item.one(2, 32) for item in needs})

    def given_up(self) -> set[bytes]:
        """The runs that retire lists of the maintainer name: their packs may be gone (whether a hold came first is not asked)."""
        runs, pairs, place = set[bytes](), self.trust.maintainers(), (self.trust.repository, self.lane)
        for name in (f"{self.folder}/g/{number}" for number in range(len(self.store.names(f"{self.folder}/g")))):
            check = partial(genuine, kind=9, name=name, place=place, known=range(16, 20), pairs=pairs)
            try:
                one = first_good(name, self.store.copies(name), check)
                runs |= set(one.fields.many(18)) if one else set()
            except Refused as error:
                note(error)
        return runs

    # What opens a run, and where its packs are

    def _open_run(self, run: bytes) -> RunKeys:
        if not self.me:
            raise Refused("this needs the private key of a recipient: give --key")
        name = f"{self.folder}/r/{run_text(run)}"
        record = self._signed(name, 3, RUN_RECORD, self._spare.get((run, 3), ()))
        if not record or record.fields.one(16, 16) != run:
            raise Refused(f"{name} is missing")
        keys = self.me.open(record.fields, self._resealed(self.me.key_id))
        if self._secret not in (b"", keys.lane_secret):
            raise Refused(f"{name}: has another lane secret than the rest of its lane")
        self._secret = keys.lane_secret
        return keys

    def _read_bundles(self, key_id: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Lane ‖ run and sealed bytes of what maintainers sealed to this key later."""
        for number in sorted({name.partition("~")[0] for name in self.store.names("keys")}):
            name, place, pairs = f"keys/{number}", (self.trust.repository, None), self.trust.maintainers()
            check = partial(genuine, kind=2, name=name, place=place, known=range(16, 18), pairs=pairs)
            try:
                bundle = first_good(name, self.store.copies(name), check)
                for item in (Fields(raw, range(1, 5), name) for raw in bundle.fields.many(17)) if bundle else ():
                    if item.one(3, 32) == key_id:
                        yield item.one(1, 16) + item.one(2, 16), item.one(4)
            except Refused as error:
                note(error)

    def _read_pack_list(self, run: bytes, digest: bytes | None) -> list[str]:
        """The names of a run's packs by ordinal, from the pack list with the digest that the snapshot's needs name."""
        name = f"{self.folder}/q/{run_text(run)}"
        found = self._signed(name, 5, range(16, 18), self._spare.get((run, 2), ()), digest)
        if not found or not digest:
            raise Refused(f"{name} is missing, or no need of this snapshot")
        listed = found.fields.one(17)
        digests = [listed[at : at + 32].hex() for at in range(0, len(listed), 36)]
        return [f"{self.folder}/p/{each[:2]}/{each}" for each in digests]

    # Chunks

    def _fetch(self, child: Child) -> bytes:
        """The plain bytes of a chunk or node: from its place or its twin's, or an alternate of either pack."""
        labels = zip(("its place", "its twin"), child.places, strict=False)
        copies = [(label, partial(self._fetch_at, child, place)) for label, place in labels]
        plain = first_good("its place", copies, lambda plain: plain) or b""
        if child.level < 0 <= child.size != len(plain):
            raise Refused(f"chunk {child.chunk_id.hex()[:16]}: another length than the tree says")
        return plain

    def _fetch_at(self, child: Child, place: Place) -> bytes:
        run, ordinal, offset, length = place
        keys, packs = self.keys_of(run), self._packs_of(run, self._needs.get(run))
        if ordinal >= len(packs) or not 52 <= length <= MAX_RECORD + 4:
            raise Refused(f"run {run_text(run)}: no record at {place[1:]}")
        name, what = packs[ordinal], f"{packs[ordinal]} at byte {offset}"

        def base(base_id: bytes) -> bytes:
            if not child.bases or child.bases[0].chunk_id != base_id:
                raise Refused(f"{what}: a delta against another base than the tree names")
            return self.tree.fetch(child.bases[0]._replace(bases=child.bases[1:]))

        def check(raw: bytes) -> bytes:
            if int.from_bytes(raw[:4], "big") != len(raw) - 4:
                raise Refused(f"{what}: the record's length is damaged")
            record = open_record(raw[4:], keys, what)
            if (record.kind, record.chunk_id) != (1 if child.level < 0 else 2, child.chunk_id):
                raise Refused(f"{what}: holds another chunk")
            return record.decode(keys, base, what)

        plain = first_good(name, self.store.copies(name, offset, length), check)
        if plain is None:
            raise Refused(f"{name} is missing")
        return plain

    # A snapshot's content

    def content(self, snapshot: Snapshot) -> tuple[Fields, Iterator[Entry]]:
        """The sealed part of a manifest, and the streams of the snapshot."""
        self._needs = snapshot.needs
        what = f"manifest {snapshot.number}"
        frame = unseal(self.keys_of(snapshot.run), "manifest", snapshot.manifest.attachment, what)
        body = Fields(unzstd(frame, MAX_MANIFEST, what), range(1, 6), what)
        containers, top = [read_reference(raw, what) for raw in body.many(3)], body.maybe(2)
        return body, self.tree.entries(read_reference(top, what), containers) if top else iter(())


# ---- Restoring


def write_stream(tree: Tree, entry: Entry, path: Path, *, keep_damaged: bool) -> list[str]:
    """Write a stream to ``path`` once its digest is right; return what is lost.

    Of a damaged stream nothing is kept, or ``path``.damaged with zeros in place of what is lost.
    """
    unfinished, digest, at, lost = path.with_name(path.name + ".part"), blake3(), 0, list[str]()
    with unfinished.open("wb") as file:
        for length, piece in tree.pieces(entry.tree, entry.start, entry.start + entry.size) if entry.tree else ():
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
    if lost and not keep_damaged:
        unfinished.unlink()
    else:
        unfinished.rename(path.with_name(path.name + ".damaged") if lost else path)
    return lost


def empty_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise Refused(f"{path} is not empty")
    return path


def restore(snapshot: Snapshot, to: Path, only: list[str], *, keep_damaged: bool) -> None:
    """Write every stream (or those named) of a snapshot to a file of its own, with an index and the facts."""
    fields, lane, good, lost, size = snapshot.manifest.fields, snapshot.lane, set[str](), 0, 0
    body, entries = lane.content(snapshot)
    target = empty_directory(to)
    facts = {"snapshot": run_text(snapshot.run), "source": fields.text(23), "restore_point": when(fields, 21)}
    facts |= {"facts": body.json(1), "closing_facts": body.json(4)}
    (target / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with (target / "streams.jsonl").open("x", encoding="utf-8") as index:
        for entry in entries:
            if only and entry.name not in only:
                continue
            problems = write_stream(lane.tree, entry, target / entry.file_name, keep_damaged=keep_damaged)
            for problem in problems:
                print(f"LOST  {shown(entry.name)}: {shown(problem)}")
            lost += bool(problems)
            if not problems:
                good.add(entry.name)
                size += entry.size
                print(f"ok    {entry.size:>14,} bytes  {shown(entry.name)}")
                about = {"name": entry.name, "file": entry.file_name, "bytes": entry.size, "blake3": entry.digest.hex()}
                index.write(json.dumps({**about, **entry.about}, ensure_ascii=False) + "\n")
    print(f"{len(good)} streams, {size:,} bytes, every digest right: {target}")
    if lost or set(only) - good:
        raise Refused(f"{lost} streams could not be restored; {len(good)} are good")


# ---- The command line


def when(fields: Fields, number: int) -> str:
    try:
        return datetime.fromtimestamp(fields.number(number, 8) / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return "?"


def list_snapshots(lanes: list[Lane]) -> None:
    for lane in lanes:
        print(f"lane {lane.lane.hex()}")
        given_up = lane.given_up()
        for snapshot in lane.snapshots:
            fields = snapshot.manifest.fields
            result = {1: "complete", 2: "partial"}.get(fields.number(25, 1), "?")
            state = "given up" if snapshot.run in given_up else snapshot.state
            print(f"  {run_text(snapshot.run)}  {when(fields, 21)}  {state} {result}")
            counts = f"{fields.number(28, 8):,} bytes  {fields.number(30, 8):,} rows"
            print(f"    {snapshot.number}  {shown(fields.text(23))}  {counts}")
        if lane.snapshots:
            print(f"  head {lane.snapshots[-1].number}\n    {lane.snapshots[-1].manifest.digest.hex()}")
    if problems := [lane.problem for lane in lanes if lane.problem]:
        raise Refused("; ".join(problems))


def find_snapshot(lanes: list[Lane], wanted: str, *, past_damage: bool) -> Snapshot:
    every = [snapshot for lane in lanes for snapshot in lane.snapshots]
    found = [each for each in every if run_text(each.run).startswith(wanted.lower())]
    if wanted.startswith("latest:"):
        named = [s for s in every if s.state == "committed" and s.manifest.fields.text(23) == wanted[7:]]
        heads = {id(each.lane): each for each in named}  # within a lane the chain decides, not the clock
        found = sorted(heads.values(), key=lambda each: each.manifest.fields.number(21, 8))[-1:]
    if len(found) != 1:
        problems = "".join(f"; {lane.problem}" for lane in lanes if lane.problem)
        raise Refused(f"{'more than one' if found else 'no'} snapshot {wanted}{problems}")
    if found[0].state != "committed" and not (past_damage and found[0].state == "undecided"):
        raise Refused(f"snapshot {wanted} is {found[0].state}: it has no commit that counts, so it does not exist")
    if found[0].lane.problem:
        note(found[0].lane.problem)
    return found[0]


def read_key_file(path: Path, passphrase_file: Path | None) -> tuple[bytes, bytes]:
    """Seed and trust root (empty if the file does not name it) of a private key file [13]."""
    raw = path.read_bytes()[: 64 * KIB].decode("utf-8", "replace")
    lines = [line.rstrip("\r ") for line in raw.rstrip().split("\n")]
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    try:
        if lines[0] != "drorch private key 1" or fields["kind"] != "recipient" or not lines[-1].startswith("sealed: "):
            raise Refused(f"{path}: is not the private key file of a recipient")
        n, r, p = (int(number) for number in fields["scrypt"].split()[:3])
        salt, sealed = bytes.fromhex(fields["scrypt"].split()[3]), bytes.fromhex(fields["sealed"])
        trust = bytes.fromhex(fields.get("trust", ""))
    except (KeyError, ValueError, IndexError) as error:
        raise Refused(f"{path}: is damaged") from error
    if not (n > 1 and n & (n - 1) == 0 and r > 0 and 0 < p <= 16 and n * r <= 1 << 23 and len(sealed) == 60):
        raise Refused(f"{path}: its numbers are out of bounds")
    if passphrase_file:
        words = passphrase_file.read_text(encoding="utf-8").splitlines()[:1]
    else:
        words = [getpass.getpass(f"Passphrase of the key {shown(fields.get('label', path.name))}: ")]
    passphrase = unicodedata.normalize("NFC", "".join(words)).encode()
    associated = "".join(f"{line}\n" for line in lines[:-1]).encode()
    try:
        return AESGCM(Scrypt(salt, 32, n, r, p).derive(passphrase)).decrypt(sealed[:12], sealed[12:], associated), trust
    except InvalidTag as error:
        raise Refused(f"{path}: the passphrase is wrong, or the file was changed") from error


def read_private_key(args: argparse.Namespace) -> tuple[Recipient | None, bytes]:
    """The recipient's key, if one was given, and the trust root that its file names."""
    seed, trust = read_key_file(args.key, args.passphrase_file) if args.key else (b"", b"")
    if args.seed_hex_file:
        text = args.seed_hex_file.read_text(encoding="ascii").strip()
        if len(text) != 64 or text.strip("0123456789abcdefABCDEF"):
            raise Refused(f"{args.seed_hex_file}: not 64 hexadecimal digits")
        seed = bytes.fromhex(text)
    return Recipient(seed) if seed else None, trust


def trust_digest(text: str | None, of_key_file: bytes) -> bytes:
    """The trust root that the operator gave, or that the private key's file names; both must agree."""
    try:
        digest = bytes.fromhex(text.replace("-", "")) if text is not None else of_key_file
    except ValueError:
        digest = b""
    if len(digest) not in (16, 32):
        raise Refused("give --trust with the 32 or 64 hexadecimal digits that stand on every key sheet")
    if of_key_file and not of_key_file.startswith(digest):
        raise Refused("the key file belongs to another repository than --trust names")
    return digest


def add_key_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, metavar="FILE", help="a recipient's private key file")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its passphrase; asked for otherwise")
    parser.add_argument("--seed-hex-file", type=Path, metavar="FILE", help="instead: the key's 64 hexadecimal digits")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="read a drorch repository without drorch", allow_abbrev=False)
    add = parser.add_argument
    add("directory", type=Path, help="the repository: a downloaded bucket prefix")
    add_key_options(parser)
    add("--trust", metavar="DIGEST", help="the digest of trust/0, from a key sheet; the key file may name it too")
    add("--expect-head", metavar="DIGEST", action="append", default=[], help="refuse unless this manifest is there")
    add("--past-damage", action="store_true", help="go on behind a gap in a chain, and without a commit")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show what is there, with the head of every lane")
    one = commands.add_parser("restore", help="write a snapshot's streams to files")
    one.add_argument("snapshot", help="an id, its first characters, or latest:SOURCE")
    one.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    one.add_argument("--stream", action="append", default=[], metavar="NAME", help="only this stream (repeatable)")
    one.add_argument("--keep-damaged", action="store_true", help="keep a damaged stream as NAME.damaged, with zeros")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    me, trust_of_key = read_private_key(args)
    store = Store(args.directory)
    trust = Trust(store, trust_digest(args.trust, trust_of_key))
    print(f"repository {trust.repository.hex()}: trust root verified, {trust.records} records")
    names = [name for name in store.names("l") if len(name) == 32 and not name.strip("0123456789abcdef")]
    lanes = [Lane(store, trust, me, bytes.fromhex(name), past_damage=args.past_damage) for name in names]
    heads = {snapshot.manifest.digest.hex() for lane in lanes for snapshot in lane.snapshots}
    for head in args.expect_head:
        if head.lower() not in heads:
            raise Refused(f"manifest {head} is not there: newer snapshots are hidden or lost")
    if args.command == "list":
        list_snapshots(lanes)
    else:
        snapshot = find_snapshot(lanes, args.snapshot, past_damage=args.past_damage)
        restore(snapshot, args.to, args.stream, keep_damaged=args.keep_damaged)


def answer(name: str, act: Callable[[], None]) -> int:
    """Do it, and turn what was refused into one line and an exit code."""
    _noted.clear()
    try:
        act()
    except (Refused, OSError) as error:
        print(f"{name}: error: {shown(str(error))}", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return answer("recover", partial(run, arguments(argv)))


if __name__ == "__main__":
    sys.exit(main())
