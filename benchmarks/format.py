"""Speed of every stage of ``drorch.format``, on one thread and on two: ``python benchmarks/format.py [MEGABYTES]``.

The input is COPY text like that of a land register, made here, about 310 bytes a row. Every figure is the best of five
passes, in MB/s of input; rows are in microseconds a row.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.compression import compress, decompress, encode_chunk
from drorch.format.digests import StreamDigest
from drorch.format.record import (
    RecordContext,
    RecordHeader,
    chunk_id,
    decode_content,
    open_record,
    seal_record,
)
from drorch.ids import LaneId, RepositoryId, RunId

KEY = bytes(range(32))
CONTEXT = RecordContext(RepositoryId(bytes(16)), LaneId(bytes(16)), RunId(bytes(16)))
PIECE_BYTES = 128 * 2**10
PASSES = 5
USES = ("ONT", "ODT", "CLN", "LUC", "RSX", "BHK", "NTS")
NAMES = ("Nguyễn Văn An", "Trần Thị Bình", "Lê Hữu Cường", "Phạm Đức Dũng", "Huỳnh Minh Hà", "Võ Ngọc Yến")


def land_register(size_bytes: int) -> bytes:
    """Return whole rows of about that many bytes."""
    draw = random.Random(42)
    rows: list[str] = []
    length = 0
    while length < size_bytes:
        points = ",".join(
            f"{105 + draw.random() * 4:.7f} {10 + draw.random() * 8:.7f}" for _ in range(draw.randint(5, 8))
        )
        rows.append(
            f"{len(rows)}\t{draw.randrange(484):05}\t{draw.randrange(200)}\t{draw.randrange(2000)}\t{draw.random() * 5000:.2f}\t"
            f"{draw.choice(USES)}\t{draw.choice(NAMES)}\t{draw.randrange(10**12):012}\tThôn {draw.randrange(30)}, xã Đức Trọng\t"
            f"CS{draw.randrange(10**8):08}\t19{draw.randrange(93, 99)}-0{draw.randrange(1, 9)}-1{draw.randrange(9)}\t"
            f"POLYGON(({points}))\t\\N\t2019-05-0{draw.randrange(1, 9)} 11:{draw.randrange(10, 59)}:07.{draw.randrange(10**6):06}+07\n"
        )
        length += len(rows[-1]) + 12
    return "".join(rows).encode()


def seconds(work: Callable[[], object], threads: int) -> float:
    """Return the best time of ``threads`` threads that each do all the work."""
    best = float("inf")
    for _ in range(PASSES):
        workers = [threading.Thread(target=work) for _ in range(threads)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = min(best, time.perf_counter() - started)
    return best


def cut(content: bytes) -> int:
    """Return the bytes that came out in chunks, fed in pieces."""
    chunker = Chunker(1, ChunkerParameters())
    view = memoryview(content)
    size = 0
    for start in range(0, len(view), PIECE_BYTES):
        for chunk in chunker.feed(view[start : start + PIECE_BYTES]):
            size += len(chunk)
    return size + sum(map(len, chunker.finish()))


def chunks_of(content: bytes) -> list[bytes]:
    """Return the chunks of ``content``."""
    chunker = Chunker(1, ChunkerParameters())
    return [bytes(chunk) for chunk in (*chunker.feed(content), *chunker.finish())]


def count(content: bytes) -> int:
    """Return the rows that were digested."""
    digest = StreamDigest(1, {}, KEY)
    view = memoryview(content)
    for start in range(0, len(view), PIECE_BYTES):
        digest.feed(view[start : start + PIECE_BYTES])
    return digest.finish().rows or 0


def header_of(plain: bytes, codec: int) -> RecordHeader:
    """Return the record header of a chunk."""
    return RecordHeader(kind=1, codec=codec, plain_length=len(plain), chunk_id=chunk_id(KEY, 1, plain))


def seal_all(headers: Sequence[RecordHeader], contents: Sequence[bytes]) -> list[bytearray]:
    """Return the records."""
    return [
        seal_record(KEY, header.chunk_id.raw, CONTEXT, header, content)
        for header, content in zip(headers, contents, strict=True)
    ]


def pipeline(plain: bytes, level: int) -> bytearray:
    """Return the record, after all that a backup does for one chunk: id, compress, decode and compare, seal."""
    codec, content = encode_chunk(plain, level)
    header = header_of(plain, codec)
    if decode_content(header, content, None, KEY) != plain:
        raise SystemExit("a chunk does not come back")
    return seal_record(KEY, plain[:32], CONTEXT, header, content)


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    content = land_register(megabytes * 10**6)
    chunks = chunks_of(content)
    frames = [compress(chunk, 1) for chunk in chunks]
    headers = [header_of(chunk, 1) for chunk in chunks]
    records = seal_all(headers, frames)
    rows = count(content)
    print(
        f"{len(content) / 1e6:.0f} MB, {rows} rows, {len(chunks)} chunks, zstd 1: {len(content) / sum(map(len, frames)):.2f} : 1"
    )
    stages: dict[str, Callable[[], object]] = {
        "cut": lambda: cut(content),
        "chunk id": lambda: [chunk_id(KEY, 1, chunk) for chunk in chunks],
        "cut + id": lambda: [cut(content), *(chunk_id(KEY, 1, chunk) for chunk in chunks)],
        "compress 1": lambda: [compress(chunk, 1) for chunk in chunks],
        "compress 3": lambda: [compress(chunk, 3) for chunk in chunks],
        "decompress": lambda: [decompress(f, len(c)) for f, c in zip(frames, chunks, strict=True)],
        "decode + verify id": lambda: [decode_content(h, f, None, KEY) for h, f in zip(headers, frames, strict=True)],
        "seal": lambda: seal_all(headers, frames),
        "open": lambda: [open_record(KEY, CONTEXT, record) for record in records],
        "id, zstd 1, verify, seal": lambda: [pipeline(chunk, 1) for chunk in chunks],
        "row digests": lambda: count(content),
    }
    print(f"{'stage':<28}{'1 thread':>10}{'2 threads':>12}")
    for name, work in stages.items():
        one, two = (threads * len(content) / seconds(work, threads) / 1e6 for threads in (1, 2))
        print(
            f"{name:<28}{one:>10,.0f}{two:>12,.0f}"
            + (f"   {len(content) / one / rows:.3f} us a row" if name == "row digests" else "")
        )


if __name__ == "__main__":
    main()
