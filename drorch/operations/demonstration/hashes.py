"""How the demonstration's rows are made: each from the hash of the seed and its number, so the same arguments give the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from drorch.operations.demonstration.words import (
    FAMILY_NAMES,
    GIVEN_NAMES,
    IMPOSSIBLE_DATES,
    MIDDLE_NAMES_FEMALE,
    MIDDLE_NAMES_MALE,
    decomposed,
)

ROWS_A_STATEMENT = 500


def hashes(kind: str, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers from 1, each with 32 bytes that look like chance."""
    for number in range(1, count + 1):
        yield number, hashlib.blake2b(f"{seed}/{kind}/{number}".encode(), digest_size=32).digest()


def person(h: bytes, at: int) -> str:
    """Return a name out of four bytes; one in thirty is written with letters and marks apart (NFD)."""
    middle = MIDDLE_NAMES_MALE if h[at] % 2 else MIDDLE_NAMES_FEMALE
    words = (FAMILY_NAMES[h[at] % len(FAMILY_NAMES)], middle[h[at + 1] % len(middle)])
    name = " ".join((*words, GIVEN_NAMES[h[at + 2] % len(GIVEN_NAMES)]))
    return decomposed(name) if h[at + 3] < 9 else name


def date_as_written(h: bytes, at: int, first_year: int, years: int) -> str:
    """Return a date as a paper register has it; one in twenty-five is no date."""
    if h[at] < 10:
        return IMPOSSIBLE_DATES[h[at + 1] % len(IMPOSSIBLE_DATES)]
    return f"{1 + h[at + 1] % 28:02d}/{1 + h[at + 2] % 12:02d}/{first_year + h[at + 3] % years}"


def identity_number(h: bytes, at: int) -> str:
    """Return a personal number: nine digits as on old cards (CMND), or twelve as on new ones (CCCD)."""
    digits = f"{int.from_bytes(h[at + 1 : at + 5]) % 10**8:08d}"
    return f"25{digits[:7]}" if h[at] < 100 else f"0680{digits}"


def quoted(value: float | str | bytes | None) -> str:
    """Return a value as SQL that PostgreSQL and MariaDB read alike; bytes as the digits of a hexadecimal string."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, int | float) else "'" + value.replace("'", "''") + "'"


def inserts(table: str, rows: Iterator[tuple[int | float | str | bytes | None, ...]]) -> Iterator[str]:
    """Yield statements that insert rows, some hundreds each."""
    some: list[str] = []
    for row in rows:
        some.append(f"({', '.join(map(quoted, row))})")
        if len(some) == ROWS_A_STATEMENT:
            yield f"INSERT INTO {table} VALUES {', '.join(some)};\n"
            some = []
    if some:
        yield f"INSERT INTO {table} VALUES {', '.join(some)};\n"
