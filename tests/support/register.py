"""A table as its COPY stream, many times the size of a chunk, that changes a little from day to day."""

from __future__ import annotations

import random

ROWS = 12_000


class Register:
    """Rows of a land register; ``updated`` changes a share of them, scattered, and nothing else."""

    def __init__(self, rows: int = ROWS, seed: int = 1) -> None:
        self._dice = random.Random(seed)
        self._rows = [self._row(number) for number in range(rows)]

    def stream(self) -> bytes:
        """Return the bytes of the table."""
        return b"".join(self._rows)

    def update(self, share: float = 0.005) -> None:
        """Change that share of the rows."""
        for number in self._dice.sample(range(len(self._rows)), max(1, round(len(self._rows) * share))):
            self._rows[number] = self._row(number)

    def _row(self, number: int) -> bytes:
        noise = self._dice.randbytes(60).hex()
        return f"{number}\tNguyễn Văn {number % 97}\t{noise}\tThửa {number % 613}\n".encode()
