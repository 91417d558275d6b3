"""Content-defined cut points (FastCDC 2020). The same bytes are cut alike, however they are fed.

Cut points are not needed to read; but when they move, every next backup is a full one. A golden test pins them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyfastcdc import FastCDC

from drorch.format.fields import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkerParameters:
    """Sizes in bytes. The mean chunk is ``average`` plus ``min``, as the FastCDC paper has it."""

    min: int = 256 * 2**10
    average: int = 2**20
    max: int = 4 * 2**20


class Chunker:
    """Cuts one stream. Every byte is copied once.

    Chunks are views that stay valid and unchanged; each keeps a block of ``max`` bytes alive. A block that is full holds at least one
    end of a chunk; what follows the last end is scanned again with the next block, which costs less than larger blocks would.
    """

    def __init__(self, seed: int, parameters: ChunkerParameters) -> None:
        """Begin a stream; ``seed`` is an integer below 2^63, secret, the same for all streams of a lane."""
        self._cutter = FastCDC(
            parameters.average, min_size=parameters.min, max_size=parameters.max, normalized_chunking=1, seed=seed
        )
        self._max = parameters.max
        self._block = bytearray()

    def feed(self, piece: Bytes) -> list[memoryview]:
        """Take the next bytes, which may change afterwards; return the chunks that are complete by them."""
        view = memoryview(piece)
        chunks: list[memoryview] = []
        while len(view) > 0:
            room = self._max - len(self._block)
            self._block += view[:room]
            view = view[room:]
            if len(self._block) == self._max:
                chunks += self._cut()
        return chunks

    def finish(self) -> list[memoryview]:
        """Return the chunks that are left; the stream has ended."""
        block, self._block = self._block, bytearray()
        return [chunk.data for chunk in self._cutter.cut_buf(block)]

    def _cut(self) -> list[memoryview]:
        """Return the chunks whose ends no later byte can move; what follows them begins the next block."""
        block = memoryview(self._block)
        certain: list[memoryview] = []
        end = 0
        for chunk in self._cutter.cut_buf(block):
            # An end before the block's end was found in the content, and one after ``max`` bytes is due in any case.
            # Only where the block ended first would more bytes have moved it.
            if chunk.offset + chunk.length == len(block) and chunk.length < self._max:
                break
            certain.append(chunk.data)
            end = chunk.offset + chunk.length
        self._block = bytearray(block[end:])
        return certain
