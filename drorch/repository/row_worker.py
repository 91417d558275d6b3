"""The program of a row worker: it reads streams from standard input and writes their row digests to standard output.

Messages in: one byte and a u32 length, big-endian, in front of that many bytes. ``S`` begins a stream (JSON: row format,
canonical columns, rows key), ``P`` is a piece of it, ``E`` ends it. One answer for each ``E``: the same frame, ``D`` with a
u64 of rows and the buckets, or ``C`` with the words of the error. Row contents leave by no other way.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import BinaryIO

from drorch.errors import CaptureFailed
from drorch.format.digests import RowsHere

HEAD_BYTES = 5
START, PIECE, END, DIGEST, COMPLAINT = b"S", b"P", b"E", b"D", b"C"


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """Return a message."""
    return b"".join((kind, len(content).to_bytes(4, "big"), content))


def start_message(row_format: int, canonical_columns: Mapping[int, str], rows_key: bytes) -> bytes:
    """Return the message that begins a stream."""
    told = {"row_format": row_format, "columns": list(canonical_columns.items()), "key": rows_key.hex()}
    return frame(START, json.dumps(told).encode())


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until ``source`` ends; what is wrong with a stream is told at its end."""
    rows: RowsHere | None = None
    while len(head := source.read(HEAD_BYTES)) == HEAD_BYTES:
        kind, content = head[:1], source.read(int.from_bytes(head[1:], "big"))
        if kind == START:
            told = json.loads(content)
            rows = RowsHere(told["row_format"], dict(told["columns"]), bytes.fromhex(told["key"]))
        elif rows is not None and kind == PIECE:
            rows.feed(content)
        elif rows is not None:
            sink.write(_answer(rows))
            sink.flush()
            rows = None


def _answer(rows: RowsHere) -> bytes:
    try:
        count, buckets = rows.finish()
    except CaptureFailed as error:
        return frame(COMPLAINT, json.dumps([error.message, error.expected, error.found]).encode())
    return frame(DIGEST, count.to_bytes(8, "big") + (buckets or b""))


def main() -> None:
    """Serve standard input; Ctrl-C is for who started this, whose end this sees as the end of its input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(0, "rb", buffering=2**20) as source, open(1, "wb") as sink:
        serve(source, sink)
