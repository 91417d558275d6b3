"""What chunk size, sketch, threshold, level and table cost and save on four kinds of data: ``python -m benchmarks.parameters``.

    .venv/bin/python -m benchmarks.parameters                  # 80 MB of each kind
    .venv/bin/python -m benchmarks.parameters --megabytes 300 --kinds tar,sqlite

Each kind is made twice, the second time after 0.5 % of its rows changed, scattered (scans: after 5 % more came). The first is stored in full,
the second as drorch would: known chunks cost nothing, chunks that share enough of a sketch become deltas if those take less than half.
Nothing is written; ADR 0030 holds what was decided by these tables.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard
from blake3 import blake3
from pyfastcdc import FastCDC
from xxhash import xxh3_64_intdigest

from benchmarks.format import land_register
from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.compression import encode_chunk
from drorch.sandbox.postgresql import throw_away_postgresql

CHANGED_SHARE = 200  # one row of so many
SCAN_BYTES = 400_000


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What can be chosen; the defaults are drorch's. Sizes in bytes; ``hash_log`` is that of deltas."""

    chunk: int = 2**20
    piece: int = 4 * 2**10
    features: int = 16
    least_shared: int = 2
    level: int = 1
    hash_log: int = 20


VARIANTS: dict[str, list[Parameters]] = {
    "least shared": [Parameters(least_shared=number) for number in (1, 2, 3, 4)],
    "mean chunk": [Parameters(chunk=2**power) for power in (18, 19, 20, 21)],
    "sketch pieces": [Parameters(piece=2**power) for power in (11, 12, 13)],
    "features": [Parameters(features=number) for number in (8, 12, 16, 24)],
    "level": [Parameters(level=number) for number in (1, 3)],
    "hash log of deltas": [Parameters(hash_log=number) for number in (18, 19, 20, 21)],
}


def table_dump(size: int) -> tuple[bytes, bytes]:
    """Return COPY text of a land register, before and after."""
    rows = land_register(size).splitlines(keepends=True)
    changed = random.Random(7).sample(range(len(rows)), len(rows) // CHANGED_SHARE)
    after = list(rows)
    for number in changed:
        after[number] = rows[number].replace(b"\\N", b"s\xe1\xbb\x95 m\xe1\xbb\x9bi")
    return b"".join(rows), b"".join(after)


def sqlite_file(size: int) -> tuple[bytes, bytes]:
    """Return a civil register as an SQLite file with an index, before and after."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "register.db"
        connection = sqlite3.connect(path)
        connection.execute(
            "create table birth (id integer primary key, name text, born text, mother text, number text, note text)"
        )
        draw = random.Random(3)
        count = size // 130
        connection.executemany(
            "insert into birth values (?, ?, ?, ?, ?, ?)", (_birth(draw, number) for number in range(count))
        )
        connection.execute("create index by_number on birth (number)")
        connection.commit()
        before = path.read_bytes()
        changed = [(number,) for number in draw.sample(range(count), count // CHANGED_SHARE)]
        connection.executemany("update birth set note = 'cải chính' where id = ?", changed)
        connection.commit()
        connection.close()
        return before, path.read_bytes()


def _birth(draw: random.Random, number: int) -> tuple[int, str, str, str, str, str]:
    families, names = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng"), ("An", "Bình", "Dũng", "Hà", "Yến", "Tuấn")
    born = f"19{draw.randrange(40, 99)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
    mother = f"{draw.choice(families)} Thị {draw.choice(names)}"
    name = f"{draw.choice(families)} {draw.choice(names)} {draw.choice(names)}"
    return (
        number,
        name,
        born,
        mother,
        f"{draw.randrange(10**12):012}",
        f"Quyển {draw.randrange(400)}, số {draw.randrange(10**5)}",
    )


def basebackup_tar(size: int) -> tuple[bytes, bytes]:
    """Return a physical copy of a PostgreSQL server as ``pg_basebackup`` makes it, before and after."""
    columns = "id int primary key, unit text, area text, owner text, number text, geom text, note text"
    fill = f"""create table parcel ({columns}); insert into parcel select g, lpad((random() * 484)::int::text, 5, '0'),
        (random() * 5000)::numeric(12, 2)::text, 'Nguyễn Văn ' || md5((g % 977)::text), lpad((random() * 1e12)::bigint::text, 12, '0'),
        'POLYGON((' || (105 + random() * 4)::numeric(11, 7) || ' ' || (10 + random() * 8)::numeric(10, 7) || '))', null
        from generate_series(1, {size // 230}) g; vacuum analyze; checkpoint;"""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        Path(directory).chmod(0o711)
        with throw_away_postgresql(Path(directory)) as server:
            program = str(server.programs / "pg_basebackup")
            host = ["-h", str(server.directory), "-p", str(server.port), "-U", "postgres"]

            def copy() -> bytes:
                command = [program, *host, "-Ft", "-X", "none", "-c", "fast", "-D", "-"]
                return subprocess.run(command, check=True, capture_output=True).stdout

            server.execute("postgres", [fill])
            before = copy()
            server.execute(
                "postgres", [f"update parcel set note = 'sổ mới' where id % {CHANGED_SHARE} = 7; checkpoint;"]
            )
            return before, copy()


def scans(size: int) -> tuple[bytes, bytes]:
    """Return pictures, which do not compress, end to end; and the same with 5 % more."""
    draw = random.Random(9)
    before = draw.randbytes(size // SCAN_BYTES * SCAN_BYTES)
    return before, before + draw.randbytes(max(SCAN_BYTES, size // 20))


KINDS: dict[str, Callable[[int], tuple[bytes, bytes]]] = {
    "table": table_dump,
    "sqlite": sqlite_file,
    "tar": basebackup_tar,
    "scans": scans,
}


def chunks_of(content: bytes, mean: int) -> Iterator[bytes]:
    """Yield the chunks, as drorch cuts them with that mean."""
    chunker = Chunker(1, ChunkerParameters(min=mean // 4, average=mean, max=mean * 4))
    for chunk in (*chunker.feed(content), *chunker.finish()):
        yield bytes(chunk)


def sketch(plain: bytes, parameters: Parameters) -> set[int]:
    """Return the smallest hashes of the pieces of a chunk."""
    piece = parameters.piece
    cutter = FastCDC(piece, min_size=piece // 4, max_size=piece * 8, normalized_chunking=1, seed=1)
    return set(sorted({xxh3_64_intdigest(part.data, 1) for part in cutter.cut_buf(plain)})[: parameters.features])


def delta(plain: bytes, base: bytes, parameters: Parameters) -> int:
    """Return what a chunk takes as a delta."""
    window = max(10, (len(plain) + len(base) - 1).bit_length())
    chosen = zstandard.ZstdCompressionParameters.from_level(
        parameters.level, window_log=window, hash_log=max(parameters.hash_log, window - 3)
    )
    dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return len(zstandard.ZstdCompressor(compression_params=chosen, dict_data=dictionary).compress(plain))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What two days took: bytes, processor seconds, and what became of the chunks of the second."""

    first_bytes: int
    second_bytes: int
    first_seconds: float
    second_seconds: float
    changed: int
    deltas: int
    in_vain: int


def store(before: bytes, after: bytes, parameters: Parameters) -> Outcome:
    """Store both days."""
    begun = time.process_time()
    known: dict[bytes, bytes] = {}
    postings: dict[int, list[bytes]] = defaultdict(list)
    first_bytes = 0
    for chunk in chunks_of(before, parameters.chunk):
        identity = blake3(chunk).digest()
        if identity not in known:
            known[identity] = chunk
            first_bytes += len(encode_chunk(chunk, parameters.level)[1])
            for feature in sketch(chunk, parameters):
                postings[feature].append(identity)
    middle = time.process_time()
    second_bytes = changed = deltas = in_vain = 0
    for chunk in chunks_of(after, parameters.chunk):
        if blake3(chunk).digest() in known:
            continue
        changed += 1
        shared = Counter(identity for feature in sketch(chunk, parameters) for identity in postings[feature][-4:])
        best = shared.most_common(1)
        if best and best[0][1] >= parameters.least_shared:
            size = delta(chunk, known[best[0][0]], parameters)
            if size < len(encode_chunk(chunk, parameters.level)[1]) / 2:
                deltas += 1
                second_bytes += size
                continue
            in_vain += 1
        second_bytes += len(encode_chunk(chunk, parameters.level)[1])
    return Outcome(
        first_bytes=first_bytes,
        second_bytes=second_bytes,
        first_seconds=middle - begun,
        second_seconds=time.process_time() - middle,
        changed=changed,
        deltas=deltas,
        in_vain=in_vain,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=80)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--variants", default=",".join(VARIANTS))
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        before, after = KINDS[kind](options.megabytes * 10**6)
        print(f"\n{kind}: {len(before) / 1e6:.0f} MB, then {len(after) / 1e6:.0f} MB")
        print(f"| {'what':<24} | first MB | second MB | deltas/changed | in vain | first s | second s |")
        print(f"|{'-' * 26}|---|---|---|---|---|---|")
        for name in options.variants.split(","):
            for parameters in VARIANTS[name]:
                found = store(before, after, replace(parameters))
                print(
                    f"| {name + ' ' + _differs(name, parameters):<24} | {found.first_bytes / 1e6:.2f} | {found.second_bytes / 1e6:.3f}"
                    f" | {found.deltas}/{found.changed} | {found.in_vain} | {found.first_seconds:.2f} | {found.second_seconds:.2f} |",
                    flush=True,
                )
    return 0


def _differs(name: str, parameters: Parameters) -> str:
    values = {
        "least shared": parameters.least_shared,
        "mean chunk": f"{parameters.chunk // 2**10} KiB",
        "sketch pieces": f"{parameters.piece // 2**10} KiB",
        "features": parameters.features,
        "level": parameters.level,
        "hash log of deltas": parameters.hash_log,
    }
    return str(values[name])


if __name__ == "__main__":
    sys.exit(main())
