"""What wrote these vectors: ``python tests/golden/vectors/generate.py``, with the versions that README.md names.

They were written once, when format major 1 was fixed. A change of ``cut_points.json`` makes every user's next backup a full
one; a change of any other file makes repositories unreadable. Neither is ever "updated": see README.md.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from drorch.format import names
from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.compression import compress
from drorch.format.digests import StreamDigest
from drorch.format.entries import Contained, Entry
from drorch.format.fields import encode_fields
from drorch.format.index import IndexEntry, IndexPack, IndexSegment
from drorch.format.keyfile import HostKeyFile, KeyKind, KeyOrigin, ScryptCost, encode_public, public_of, seal_key_file
from drorch.format.keys import HostKey, LaneKeys, lane_for
from drorch.format.manifest import SealedBody
from drorch.format.record import KIND_CHUNK, KIND_NODE, chunk_id, seal_record
from drorch.format.tree import ChunkPlace, LeafEntry, Place, encode_node
from drorch.format.trust_record import Role
from drorch.ids import ChunkId, Digest
from tests.support import format_values as values
from tests.support.format_values import fixed

HERE = Path(__file__).parent
STREAM_BYTES = 24 * 2**20
SEEDS = (0, 1, 2**62 + 12345, values.LANE_KEYS.chunker_seed)


@functools.cache
def stream() -> bytes:
    """24 MiB that look like a dump with noise between; made by SHAKE256 and counting, so that anyone can make them again."""
    parts = []
    for number in range(24):
        parts.append(fixed(f"block {number}", 2**19))
        rows = b"".join(b"%d\tThua dat so %d\t%d\n" % (row, row % 97, row * 7919 % 1000) for row in range(number * 17_000, (number + 1) * 17_000))
        parts.append(rows[: 2**19])
    return b"".join(parts)[:STREAM_BYTES]


def cut_points() -> Any:
    """Ends of the chunks, by seed and parameters."""
    found = {}
    for parameters in (ChunkerParameters(), ChunkerParameters(min=2048, average=8192, max=65536)):
        for seed in SEEDS:
            content = stream() if parameters.average == 2**20 else stream()[: 2**20]
            chunker = Chunker(seed, parameters)
            lengths = [len(chunk) for chunk in (*chunker.feed(content), *chunker.finish())]
            found[f"{parameters.min} {parameters.average} {parameters.max} seed {seed}"] = lengths
    return {"stream_sha256": hashlib.sha256(stream()).hexdigest(), "chunk_lengths": found}


def deltas() -> Any:
    """Frames of codec 1 and 2: a chain of four deltas, each against the plain bytes before it."""
    plain = b"".join(b"%d\tThua dat so %d\tHa Noi\n" % (row, row * 31 % 977) for row in range(250))
    steps: list[dict[str, str]] = [{"codec": "1", "plain": plain.hex(), "frame": compress(plain, 1).hex()}]
    for depth in range(1, 5):
        base, plain = plain, plain.replace(b"so %d\t" % (depth * 31), b"so -%d\t" % depth)[depth:] + b"depth %d\n" % depth
        steps.append({"codec": "2", "plain": plain.hex(), "frame": compress(plain, depth, base).hex()})
    return steps


def records() -> Any:
    """Whole records with fixed salts."""
    plain = b"a chunk of a stream\n" * 20
    found = []
    for kind in (KIND_CHUNK, KIND_NODE):
        header = values.header_of(plain, kind=kind)
        raw = seal_record(values.RUN_KEYS.run_key, fixed(f"salt {kind}"), values.CONTEXT, header, plain)
        found.append({"kind": kind, "plain": plain.hex(), "chunk_id": str(header.chunk_id), "record": raw.hex()})
    return found


def derived() -> Any:
    """Everything that follows from seeds."""
    lane, secret = lane_for(values.WRITER.key_id, fixed("master"), "land/hanoi", 2)
    keys = LaneKeys.derive(secret)
    return {
        "writer_key_id": str(values.WRITER.key_id),
        "writer_public_sha256": hashlib.sha256(values.WRITER.public.ed25519 + values.WRITER.public.ml_dsa_87).hexdigest(),
        "recipient_id": str(values.CUSTODIAN.public().recipient_id),
        "lane": str(lane),
        "lane_secret": secret.hex(),
        "chunk_id_key": keys.chunk_id_key.hex(),
        "index_key": keys.index_key.hex(),
        "chunker_seed": keys.chunker_seed,
        "rows_key": keys.rows_key.hex(),
        "commitment": values.RUN_KEYS.commitment().hex(),
        "chunk_id": str(chunk_id(keys.chunk_id_key, KIND_CHUNK, b"plain bytes")),
    }


def structures() -> Any:
    """Encodings that have no randomness."""
    chunk = ChunkPlace(ChunkId(fixed("chunk")), values.RUN, Place(1, 2, 3), Place(7, 8, 9))
    base = ChunkPlace(ChunkId(fixed("base")), values.OTHER_RUN, Place(4, 5, 6))
    entry = Entry(
        name="table/public.thửa_đất",
        kind=2,
        size_bytes=5_000_000,
        bytes_digest=fixed("bytes"),
        tree=values.reference(),
        row_format=1,
        rows=12,
        buckets=b"\x07" + fixed("sum"),
        canonical_columns={3: "float8"},
        attributes={"columns": ["id", "tên"]},
    )
    small = Entry(name="schema", kind=1, size_bytes=9, bytes_digest=fixed("small"), contained=Contained(0, 70))
    return {
        "fields": encode_fields([(1, b"one"), (2, b""), (2, b"two"), (300, b"x")], optional=(300,)).hex(),
        "reference": values.reference().encode().hex(),
        "leaf": encode_node(0, (LeafEntry(chunk, 77, (base,)), LeafEntry(base, 78))).hex(),
        "entries": (entry.encode() + small.encode()).hex(),
    }


def rows() -> Any:
    """Row digests of lines with float columns and of prefixed rows."""
    lines = b"".join(b"%d\t%d.50\tThua %d\n" % (number, number, number) for number in range(100))
    prefixed = b"".join(len(row).to_bytes(4, "big") + row for row in lines.split(b"\n")[:-1])
    found = {}
    for label, row_format, columns, content in (
        ("lines", 1, {}, lines),
        ("floats", 1, {1: "float8"}, lines),
        ("prefixed", 2, {}, prefixed),
    ):
        digest = StreamDigest(row_format, columns, fixed("rows key"))
        digest.feed(content)
        counts = digest.finish()
        assert counts.buckets is not None
        found[label] = {
            "content": content.hex(),
            "bytes_digest": counts.bytes_digest.hex(),
            "rows": counts.rows,
            "buckets_sha256": hashlib.sha256(counts.buckets).hexdigest(),
        }
    return found


def objects() -> Any:
    """Whole objects; those that are signed hold signatures of that day."""
    body = SealedBody(
        facts={"engine": "postgresql", "tên": "Đất đai"},
        entries=values.reference(),
        containers=(values.reference(0, 70_000),),
        closing_facts={"held_seconds": 8},
        entries_size=900,
    )
    sealed = body.seal(values.RUN_KEYS.run_key, fixed("salt"), values.CONTEXT)
    index = IndexSegment(
        context=values.CONTEXT,
        number=3,
        packs=(IndexPack(ordinal=5, digest=Digest(fixed("pack")), size_bytes=300),),
        entries=(IndexEntry(chunk_id=ChunkId(fixed("a")), kind=1, plain_length=99, place=Place(5, 1, 2)),),
    )
    return {
        names.trust(0): values.trust_record().sign(values.ROOTS[:2], values.AT).hex(),
        "run record": values.some_run_record().hex(),
        "manifest": values.some_manifest().sign(sealed, values.WRITER, values.AT).hex(),
        "index": index.seal(values.LANE_KEYS.index_key, fixed("salt")).hex(),
    }


def key_files() -> Any:
    """Text files, with the passphrase ``Mật khẩu``."""
    origin = KeyOrigin(repository=values.REPOSITORY, trust_root=Digest(fixed("trust root")))
    host = HostKeyFile(role=Role.WRITER, label="db1", origin=origin, key=HostKey(fixed("writer"), fixed("master")))
    private = seal_key_file(
        kind=KeyKind.RECIPIENT,
        seed=fixed("custodian"),
        label="Người giữ khóa",
        passphrase="Mật khẩu",
        random_bytes=values.counter_random("key file"),
        origin=origin,
        cost=ScryptCost(n=1024),
    )
    public = encode_public(public_of(KeyKind.RECIPIENT, fixed("custodian"), "Người giữ khóa"))
    return {"private": private, "host": host.encode(), "public": public}


EVERY = {
    "cut_points": cut_points,
    "deltas": deltas,
    "derived": derived,
    "key_files": key_files,
    "objects": objects,
    "records": records,
    "rows": rows,
    "structures": structures,
}

if __name__ == "__main__":
    for name, make in EVERY.items():
        text = json.dumps(make(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")
