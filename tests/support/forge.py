"""Build a complete repository from docs/FORMAT.md alone: no drorch import, no line shared with a reader.

It serves three ends: readers are tested against bytes that their own writer did not make; the golden repositories
come from it; and it is the forger of the threat model, who has everything but the genuine signing keys.

    forge = Forge(directory, seed=b"any")
    forge.trust()
    first = forge.snapshot({"schema": b"...", "table/public.parcel": rows})
    forge.trust_root, forge.recipient.seed, first.run_text

Randomness comes from ``seed``, so names and sizes repeat; HPKE and ML-DSA are randomised by the library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P384_ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)
NO_TWIN = b"\xff" * 12
ENTRIES_ORDINAL = 2**32 - 1
CONTAINER_ORDINAL = 2**31
WRITER, MAINTAINER, DRILL_HOST = 1, 2, 3
COMMITTED, VOID = 1, 2


def unsigned(number: int, bits: int) -> bytes:
    return number.to_bytes(bits // 8, "big")


def one(number: int, value: bytes | int, bits: int = 0, *, critical: bool = True) -> bytes:
    """One field: u16 number, u32 length, value (a number of ``bits`` bits, or bytes)."""
    raw = unsigned(value, bits) if isinstance(value, int) else value
    return unsigned(number | (0x8000 if critical else 0), 16) + unsigned(len(raw), 32) + raw


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def wrap(kind: int, header: bytes, body: bytes, *, major: int = 1) -> bytes:
    return b"DRORCH" + bytes([kind, major, 0]) + unsigned(len(header), 32) + header + body


def derive(secret: bytes, info: str, length: int, salt: bytes | None = None) -> bytes:
    return HKDF(algorithm=hashes.SHA384(), length=length, salt=salt, info=info.encode()).derive(secret)


def base32(run: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in run) + "00"
    digits = (int(bits[at : at + 5], 2) for at in range(0, 130, 5))
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[digit] for digit in digits)


class SigningKey:
    """A signing key of section 5, made from its seed."""

    def __init__(self, seed: bytes, label: str = "") -> None:
        self.seed, self.label = seed, label
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(derive(seed, "drorch/1 signing ed25519", 32))
        self._ml_dsa = mldsa.MLDSA87PrivateKey.from_seed_bytes(derive(seed, "drorch/1 signing ml-dsa-87", 32))
        self.public = (self._ed25519.public_key().public_bytes_raw(), self._ml_dsa.public_key().public_bytes_raw())
        self.key_id = sha256(b"".join(self.public))

    def signature(self, kind: int, payload: bytes) -> bytes:
        name = f"application/vnd.drorch.{kind}.v1".encode()
        message = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
        return self.key_id + self._ed25519.sign(message) + self._ml_dsa.sign(message)

    def listed(self, role: int | None = None) -> bytes:
        role_field = one(3, role, 8) if role else b""
        return one(1, self.public[0]) + one(2, self.public[1]) + role_field


class RecipientKey:
    """A recipient of section 5, made from its seed."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        stream = hashlib.shake_256(b"drorch/1 recipient" + seed).digest(4096)
        lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(stream[:64])
        at = 64
        while not 1 <= (scalar := int.from_bytes(stream[at : at + 48], "big")) < P384_ORDER:
            at += 48
        curve = ec.derive_private_key(scalar, ec.SECP384R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = (lattice.public_key().public_bytes_raw(), point)
        self.key_id = sha256(b"".join(self.public))
        self._sealing_key = hpke.MLKEM1024P384PublicKey(lattice.public_key(), curve.public_key())

    def seal(self, plain: bytes, repository: bytes, lane: bytes, run: bytes) -> bytes:
        suite = hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)
        info = b"drorch/1 run key" + repository + lane + run + self.key_id
        return suite.encrypt(plain, self._sealing_key, info)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What a snapshot holds under one name."""

    content: bytes
    kind: int = 2
    row_format: int = 0
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A chunk that is stored: where, and against which bases (nearest first)."""

    chunk_id: bytes
    run: bytes
    place: bytes
    plain: bytes
    bases: tuple[Known, ...] = ()
    twin: bytes = NO_TWIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedSnapshot:
    """What was built, for tests to compare with and to break."""

    sequence: int
    run: bytes
    run_text: str
    manifest: bytes
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stored tree node: what its parent has to say about it."""

    size: int
    level: int
    chunk_id: bytes
    place: bytes
    twin: bytes


class Forge:
    """A writer of the format; one lane. ``fanout`` entries to a node make deep trees of few chunks."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: bytes = b"forge",
        chunk_bytes: int = 4096,
        fanout: int = 64,
        pack_bytes: int = 1 << 20,
        small_bytes: int = 65536,
        delta_depth: int = 0,
        delta_packs: bool = True,
        recipients: Sequence[RecipientKey] = (),
        repository: bytes = b"",
    ) -> None:
        self.directory, self._seed, self._drawn = directory, seed, 0
        self.chunk_bytes, self.fanout, self.pack_bytes = chunk_bytes, fanout, pack_bytes
        self.small_bytes, self.delta_depth, self.delta_packs = small_bytes, delta_depth, delta_packs
        self.repository = repository or self.random(16)
        self.roots = [SigningKey(self.random(32), "root")]
        self.writer = SigningKey(self.random(32), "writer")
        self.maintainer = SigningKey(self.random(32), "maintainer")
        self.recipients = list(recipients) or [RecipientKey(self.random(32))]
        self.lane_secret = self.random(32)
        self.lane = self.writer.key_id[:6] + self.random(10)
        self.trust_records: list[bytes] = []
        self.snapshots: list[ForgedSnapshot] = []
        self.known: dict[bytes, Known] = {}
        self.by_position: dict[tuple[str, int], Known] = {}
        self.pack_lists: dict[bytes, bytes] = {}
        self.pack_counts: dict[bytes, int] = {}
        self.pack_groups: dict[str, str] = {}  # object name -> data, delta, tree or twin
        self.run_keys: dict[bytes, bytes] = {}
        self.levels: list[int] = []  # of every top node
        self.clock = 1_767_225_600_000

    @property
    def recipient(self) -> RecipientKey:
        return self.recipients[0]

    @property
    def trust_root(self) -> str:
        return sha256(self.trust_records[0]).hex()

    @property
    def folder(self) -> str:
        return f"l/{self.lane.hex()}"

    def random(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(self._seed + unsigned(self._drawn, 64)).digest(count)

    def now(self) -> int:
        self.clock += 1000
        return self.clock

    def put(self, name: str, raw: bytes) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(raw)

    # Signed objects

    def signed(
        self,
        kind: int,
        name: str,
        fields: bytes,
        signers: Iterable[SigningKey],
        *,
        attachment: bytes = b"",
        lane: bytes | None = None,
    ) -> bytes:
        payload = one(1, kind, 8) + one(2, self.repository) + one(3, name.encode())
        payload += one(4, lane) if lane else b""
        payload += one(5, sha256(attachment)) if attachment else b""
        payload += one(6, self.now(), 64) + fields
        signatures = [key.signature(kind, payload) for key in signers]
        body = unsigned(len(payload), 32) + payload + unsigned(len(signatures), 8) + b"".join(signatures) + attachment
        return wrap(kind, b"", body)

    def trust(
        self,
        *,
        roots: Sequence[SigningKey] | None = None,
        threshold: int = 1,
        writers: Sequence[SigningKey] | None = None,
        revoked: Sequence[tuple[SigningKey, Sequence[tuple[bytes, int, bytes]]]] = (),
        signed_by: Sequence[SigningKey] | None = None,
        minimum_reader: int = 1,
    ) -> bytes:
        """Put the next trust record; ``revoked`` pairs a key with (lane, sequence, manifest digest) heads."""
        number = len(self.trust_records)
        signed_by = self.roots if signed_by is None else signed_by
        self.roots = list(self.roots if roots is None else roots)
        previous = sha256(self.trust_records[-1]) if self.trust_records else bytes(32)
        fields = one(16, number, 32) + one(17, previous)
        fields += b"".join(one(18, root.listed() + one(3, b"root", critical=False)) for root in self.roots)
        fields += one(19, threshold, 8)
        fields += b"".join(one(20, one(1, key.public[0]) + one(2, key.public[1])) for key in self.recipients)
        for writer in [self.writer] if writers is None else writers:
            fields += one(21, writer.listed(WRITER) + one(4, "máy chủ".encode(), critical=False))
        fields += one(21, self.maintainer.listed(MAINTAINER))
        for key, heads in revoked:
            named = b"".join(one(2, lane + unsigned(sequence, 64) + digest) for lane, sequence, digest in heads)
            fields += one(22, one(1, key.key_id) + named)
        fields += one(23, minimum_reader, 16) + one(24, 1, 16)
        raw = self.signed(1, f"trust/{number}", fields, signed_by)
        self.put(f"trust/{number}", raw)
        self.trust_records.append(raw)
        return raw

    def reseal(
        self, recipient: RecipientKey, runs: Mapping[bytes, bytes], number: int = 0, signer: SigningKey | None = None
    ) -> None:
        """Put ``keys/<number>``: the keys of ``runs`` sealed to one more recipient, by the maintainer."""
        fields = one(16, number, 32)
        for run, run_key in runs.items():
            sealed = recipient.seal(run_key + self.lane_secret, self.repository, self.lane, run)
            fields += one(17, one(1, self.lane) + one(2, run) + one(3, recipient.key_id) + one(4, sealed))
        self.put(f"keys/{number}", self.signed(2, f"keys/{number}", fields, [signer or self.maintainer]))

    # Snapshots

    def snapshot(
        self,
        streams: Mapping[str, bytes | Stream],
        *,
        state: int | None = COMMITTED,
        source: str = "land/00678",
        facts: Mapping[str, object] | None = None,
        signer: SigningKey | None = None,
    ) -> ForgedSnapshot:
        """Put a run and its manifest; ``state`` None leaves it without a commit."""
        run = _Run(self, signer or self.writer)
        return run.store(
            {n: s if isinstance(s, Stream) else Stream(content=s) for n, s in streams.items()},
            state,
            source,
            facts or {},
        )


class _Run:
    """One run: its keys, its packs, its trees."""

    def __init__(self, forge: Forge, signer: SigningKey) -> None:
        self.forge, self.signer = forge, signer
        self.run, self.key = forge.random(16), forge.random(32)
        forge.run_keys[self.run] = self.key
        self.where = forge.repository + forge.lane + self.run
        self.name = base32(self.run)
        self.names: list[str] = []
        self.packs: list[bytearray] = []
        self.groups: list[str] = []
        self.current: dict[str, int] = {}
        self.used: dict[bytes, set[int]] = {}
        self.chunk_key = derive(forge.lane_secret, "drorch/1 chunk id", 32)
        sealed = [(key.key_id, key.seal(self.key + forge.lane_secret, *self._ids())) for key in forge.recipients]
        fields = one(16, self.run)
        fields += one(17, hashlib.sha384(b"drorch/1 run commitment" + self.key + forge.lane_secret).digest())
        fields += b"".join(one(18, one(1, key_id) + one(2, blob)) for key_id, blob in sealed)
        fields += one(19, max(len(forge.trust_records) - 1, 0), 32)
        self.record = self._signed(3, f"r/{self.name}", fields)
        self._put(f"r/{self.name}", self.record)

    def _ids(self) -> tuple[bytes, bytes, bytes]:
        return self.forge.repository, self.forge.lane, self.run

    def _signed(self, kind: int, name: str, fields: bytes, attachment: bytes = b"") -> bytes:
        full = f"{self.forge.folder}/{name}"
        return self.forge.signed(kind, full, fields, [self.signer], attachment=attachment, lane=self.forge.lane)

    def _put(self, name: str, raw: bytes) -> None:
        self.forge.put(f"{self.forge.folder}/{name}", raw)
        self.names.append(f"{self.forge.folder}/{name}")

    def _sealed(self, info: str, label: bytes, plain: bytes) -> bytes:
        salt = self.forge.random(32)
        material = derive(self.key, info, 44, salt)
        return salt + AESGCM(material[:32]).encrypt(material[32:], plain, label + self.where)

    # Packs

    def add(
        self, group: str, kind: int, plain: bytes, ordinal: int, offset: int, base: Known | None = None
    ) -> tuple[bytes, bytes]:
        """Seal a record into the open pack of ``group``; return chunk id and place."""
        chunk_id = blake3(bytes([kind]) + plain, key=self.chunk_key).digest()
        codec, content = 0, plain
        if base:
            dictionary = zstandard.ZstdCompressionDict(base.plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            codec, content = 2, zstandard.ZstdCompressor(level=1, dict_data=dictionary).compress(plain)
        else:
            squeezed = zstandard.ZstdCompressor(level=1).compress(plain)
            codec, content = (1, squeezed) if len(squeezed) < len(plain) else (0, plain)
        head = bytes([kind, codec, 0, 0]) + unsigned(len(plain), 32) + chunk_id + (base.chunk_id if base else bytes(32))
        head += unsigned(ordinal, 32) + unsigned(offset, 64)
        sealed = self._sealed("drorch/1 record", b"DRORCH record 1", head + content)
        record = unsigned(len(sealed), 32) + sealed
        if group not in self.current or len(self.packs[self.current[group]]) > self.forge.pack_bytes:
            header = one(1, self.forge.repository) + one(2, self.forge.lane) + one(3, self.run) + one(4, self.record)
            self.current[group] = len(self.packs)
            self.groups.append(group)
            self.packs.append(bytearray(wrap(4, header + one(5, int(group == "twin"), 8), b"")))
        number = self.current[group]
        place = unsigned(number, 32) + unsigned(len(self.packs[number]), 32) + unsigned(len(record), 32)
        self.packs[number] += record
        return chunk_id, place

    # Trees

    def chunk(self, plain: bytes, key: str, index: int, ordinal: int, offset: int) -> Known:
        chunk_id = blake3(b"\x01" + plain, key=self.chunk_key).digest()
        earlier = self.forge.by_position.get((key, index))
        if chunk_id not in self.forge.known:
            base = earlier if earlier and len(earlier.bases) < self.forge.delta_depth else None
            group, twin = "delta" if base and self.forge.delta_packs else "data", NO_TWIN
            if ordinal == ENTRIES_ORDINAL:
                group, (_, twin) = "tree", self.add("twin", 1, plain, ordinal, offset, base)
            _, place = self.add(group, 1, plain, ordinal, offset, base)
            bases = (base, *base.bases) if base else ()
            self.forge.known[chunk_id] = Known(
                chunk_id=chunk_id, run=self.run, place=place, plain=plain, bases=bases, twin=twin
            )
        self.forge.by_position[key, index] = self.forge.known[chunk_id]
        return self.forge.known[chunk_id]

    def need(self, run: bytes, place: bytes) -> None:
        if place != NO_TWIN:
            self.used.setdefault(run, set()).add(int.from_bytes(place[:4], "big"))

    def leaf(self, chunks: list[Known]) -> Node:
        runs: list[bytes] = []
        entries = b""
        for known in chunks:
            entries += unsigned(len(known.bases), 8) + unsigned(len(known.plain), 32)
            for each in (known, *known.bases):
                runs += [each.run] if each.run not in runs else []
                entries += each.chunk_id + unsigned(runs.index(each.run), 16) + each.place + each.twin
                self.need(each.run, each.place)
                self.need(each.run, each.twin)
        return self.node(0, runs, len(chunks), entries, sum(len(known.plain) for known in chunks))

    def inner(self, level: int, children: list[Node]) -> Node:
        entries = b"".join(
            unsigned(child.size, 64) + child.chunk_id + unsigned(0, 16) + child.place + child.twin for child in children
        )
        return self.node(level, [self.run], len(children), entries, sum(child.size for child in children))

    def node(self, level: int, runs: list[bytes], count: int, entries: bytes, size: int) -> Node:
        plain = bytes([1, level]) + unsigned(len(runs), 16) + b"".join(runs) + unsigned(count, 32) + entries
        chunk_id, place = self.add("tree", 2, plain, 0, 0)
        _, twin = self.add("twin", 2, plain, 0, 0)
        self.need(self.run, place)
        self.need(self.run, twin)
        return Node(size=size, level=level, chunk_id=chunk_id, place=place, twin=twin)

    def tree(self, content: bytes, key: str, ordinal: int) -> bytes:
        """Store a stream; return its reference."""
        step, fan = self.forge.chunk_bytes, self.forge.fanout
        chunks = [
            self.chunk(content[at : at + step], key, at // step, ordinal, at) for at in range(0, len(content), step)
        ]
        nodes = [self.leaf(chunks[at : at + fan]) for at in range(0, len(chunks), fan)]
        level = 0
        while len(nodes) > 1:
            level += 1
            nodes = [self.inner(level, nodes[at : at + fan]) for at in range(0, len(nodes), fan)]
        top = nodes[0]
        self.forge.levels.append(top.level)
        return self.run + top.place + top.twin + top.chunk_id + unsigned(top.level, 8) + unsigned(top.size, 64)

    # The snapshot

    def entries(self, streams: Mapping[str, Stream]) -> tuple[bytes, bytes]:
        """Store every stream; return the entries stream and the container field."""
        container = bytearray()
        every = b""
        for ordinal, (name, stream) in enumerate(streams.items()):
            fields = one(1, name.encode()) + one(2, stream.kind, 8) + one(3, len(stream.content), 64)
            if len(stream.content) >= self.forge.small_bytes:
                fields += one(4, self.tree(stream.content, name, ordinal))
            elif stream.content:
                fields += one(5, unsigned(0, 16) + unsigned(len(container), 64))
                container += stream.content
            fields += one(6, blake3(stream.content).digest()) + one(7, stream.row_format, 8)
            if stream.row_format == 1:
                fields += one(8, stream.content.count(b"\n"), 64, critical=False)
            fields += one(11, json.dumps(stream.attributes, ensure_ascii=False).encode())
            every += unsigned(len(fields), 32) + fields
        return every, one(3, self.tree(bytes(container), "\0container", CONTAINER_ORDINAL)) if container else b""

    def store(
        self, streams: Mapping[str, Stream], state: int | None, source: str, facts: Mapping[str, object]
    ) -> ForgedSnapshot:
        every, containers = self.entries(streams)
        body = one(1, json.dumps({"engine": "forged", **facts}, ensure_ascii=False).encode())
        body += one(2, self.tree(every, "\0entries", ENTRIES_ORDINAL)) if every else b""
        body += containers + one(4, b"{}") + one(5, len(every), 64)
        self._put_packs()
        sequence = len(self.forge.snapshots) + 1
        manifest = self._manifest(sequence, body, streams, source)
        if state is not None:
            self._put_commit(sequence, manifest, state)
        made = ForgedSnapshot(
            sequence=sequence, run=self.run, run_text=self.name, manifest=manifest, objects=tuple(self.names)
        )
        self.forge.snapshots.append(made)
        return made

    def _put_packs(self) -> None:
        listed = b""
        if "data" in self.current:
            self.add("data", 3, bytes(100), 0, 0)
        for pack, group in zip(self.packs, self.groups, strict=True):
            digest = sha256(bytes(pack))
            listed += digest + unsigned(len(pack), 32)
            self._put(f"p/{digest.hex()[:2]}/{digest.hex()}", bytes(pack))
            self.forge.pack_groups[self.names[-1]] = group
        if self.packs:
            self.pack_list = self._signed(5, f"q/{self.name}", one(16, self.run) + one(17, listed))
            self._put(f"q/{self.name}", self.pack_list)
            self.forge.pack_lists[self.run] = sha256(self.pack_list)
            self.forge.pack_counts[self.run] = len(self.packs)

    def _manifest(self, sequence: int, body: bytes, streams: Mapping[str, Stream], source: str) -> bytes:
        previous = sha256(self.forge.snapshots[-1].manifest) if self.forge.snapshots else bytes(32)
        size = sum(len(stream.content) for stream in streams.values())
        fields = one(16, sequence, 64) + one(17, previous) + one(18, self.run)
        fields += b"".join(one(number, self.forge.now(), 64) for number in (19, 20, 21))
        fields += one(23, source.encode()) + one(24, sha256(b"policy")) + one(25, 1, 8)
        fields += (
            one(28, size, 64) + one(29, sum(map(len, self.packs)), 64) + one(30, 0, 64) + one(31, len(streams), 32)
        )
        for run, ordinals in self.used.items():
            bitmap = bytearray((self.forge.pack_counts[run] + 7) // 8)
            for ordinal in ordinals:
                bitmap[ordinal // 8] |= 1 << (7 - ordinal % 8)
            fields += one(32, one(1, run) + one(2, self.forge.pack_lists[run]) + one(3, bytes(bitmap)))
        fields += one(34, b"forged", critical=False)
        sealed = self._sealed("drorch/1 manifest", b"DRORCH manifest 1", zstandard.ZstdCompressor().compress(body))
        manifest = self._signed(7, f"m/{sequence:012d}", fields, sealed)
        self._put(f"m/{sequence:012d}", manifest)
        return manifest

    def _put_commit(self, sequence: int, manifest: bytes, state: int) -> None:
        fields = one(16, sequence, 64) + one(17, sha256(manifest)) + one(18, state, 8)
        lists = one(2, self.pack_list) if self.packs else b""
        copies = one(1, manifest) + (lists + one(3, self.record) if state == COMMITTED else b"")
        self._put(f"m/{sequence:012d}.c", self._signed(8, f"m/{sequence:012d}.c", fields, copies))


def build_repository(directory: Path, *, snapshots: Sequence[Mapping[str, bytes | Stream]], **options: object) -> Forge:
    """Build a whole repository; ``options`` are those of ``Forge``."""
    forge = Forge(directory, **options)  # type: ignore[arg-type]
    forge.trust()
    for streams in snapshots:
        forge.snapshot(streams)
    return forge
