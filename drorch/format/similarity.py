"""Which chunks are alike: a few numbers of each chunk, so that two that share most of their bytes share most of the numbers.

A chunk is cut again into small content-defined pieces; of the pieces' hashes the smallest are kept (a minwise sketch, as Odess and
Finesse take it from samples of a rolling hash). A row that changes moves the cuts around it and no others, so a
chunk in which half a percent of the rows changed keeps most of its sketch.
"""

from __future__ import annotations

from pyfastcdc import FastCDC
from xxhash import xxh3_64_intdigest

from drorch.format.fields import Bytes

SKETCH_FEATURES = 16
LEAST_SHARED = (
    2  # measured (docs/adr/0030): with more, chunks of tables and files that were updated here and there are missed
)
LEAST_PLAIN_BYTES = 32 * 2**10  # below that a sketch has too few pieces to say anything
_PIECE_MIN, _PIECE_AVERAGE, _PIECE_MAX = 2**10, 4 * 2**10, 32 * 2**10
_SIGNED = 2**63


class Sketcher:
    """Makes sketches of one lane's chunks; ``seed`` is secret and below 2^63. Not for several threads at once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._cutter = FastCDC(
            _PIECE_AVERAGE, min_size=_PIECE_MIN, max_size=_PIECE_MAX, normalized_chunking=1, seed=seed
        )

    def sketch(self, plain: Bytes) -> tuple[int, ...]:
        """Return at most ``SKETCH_FEATURES`` different numbers of 64 bits, signed; none for a chunk that is too small."""
        if len(plain) < LEAST_PLAIN_BYTES:
            return ()
        seed = self._seed
        hashes = {xxh3_64_intdigest(piece.data, seed) for piece in self._cutter.cut_buf(plain)}
        return tuple(number - _SIGNED for number in sorted(hashes)[:SKETCH_FEATURES])
