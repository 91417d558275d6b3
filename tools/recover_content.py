"""Keys, sealed records, trees and the entries of a snapshot, as docs/FORMAT.md has them [5-7, 9]; see recover.py."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

try:
    from blake3 import blake3
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import hashes, hpke
    from cryptography.hazmat.primitives.asymmetric import ec, mlkem
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError as missing:
    sys.exit(f"recover.py: {missing.name} is missing or too old; pip install 'cryptography>=50' blake3 zstandard")

if TYPE_CHECKING:
    from tools.recover_format import (
        KIB,
        MAX_BASES,
        MAX_CHUNK,
        MAX_LEVEL,
        MAX_NODE,
        MAX_RECIPIENTS,
        MAX_STREAM,
        P384_ORDER,
        Cursor,
        Fields,
        Refused,
        note,
        sha256,
        unzstd,
    )
else:
    from recover_format import (
        KIB,
        MAX_BASES,
        MAX_CHUNK,
        MAX_LEVEL,
        MAX_NODE,
        MAX_RECIPIENTS,
        MAX_STREAM,
        P384_ORDER,
        Cursor,
        Fields,
        Refused,
        note,
        sha256,
        unzstd,
    )

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
