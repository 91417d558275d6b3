"""Drawing lots so that nobody can choose: the seed is committed to before, with the whole list; anybody can draw again.

Order: the list with its strata and exclusions is written down and digested; a random seed is hashed; both go into the ledger.
Then the seed is opened and decides. Of each stratum in turn one source is taken until there are enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drorch.errors import Bug
from drorch.format.json_text import encode_json

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Lot:
    """A source that may be drawn, and the group (such as ``never drilled, large``) that it is drawn from."""

    source: str
    stratum: str = ""


def commitment_of(seed: bytes) -> str:
    """Return what is told of the seed before the draw, in hexadecimal."""
    if len(seed) != SEED_BYTES:
        raise Bug(f"a seed of {len(seed)} bytes")
    return hashlib.sha256(b"drorch/1 seed commitment" + seed).hexdigest()


def list_digest_of(lots: Sequence[Lot], excluded: Mapping[str, str]) -> str:
    """Return the SHA-256 of the whole list, in hexadecimal: ``excluded`` says of each source left out why."""
    return hashlib.sha256(encode_json({"list": lots_document(lots), "excluded": dict(excluded)})).hexdigest()


def lots_document(lots: Sequence[Lot]) -> list[list[str]]:
    """Return the list as it stands in the ledger: pairs of source and stratum, by source."""
    return sorted([lot.source, lot.stratum] for lot in lots)


def draw(seed: bytes, lots: Sequence[Lot], count: int) -> tuple[str, ...]:
    """Return the ``count`` sources (all, when there are fewer) that the seed decides on, in the order of the draw."""
    strata: dict[str, list[str]] = {}
    for lot in lots:
        strata.setdefault(lot.stratum, []).append(lot.source)
    queues = [
        sorted(sources, key=lambda source: _ticket(seed, "source", source))
        for _, sources in sorted(strata.items(), key=lambda pair: _ticket(seed, "stratum", pair[0]))
    ]
    rounds = max(map(len, queues), default=0)
    order = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return tuple(order[:count])


def _ticket(seed: bytes, what: str, text: str) -> bytes:
    return hashlib.sha256(b"\0".join((b"drorch/1 draw", seed, what.encode(), text.encode()))).digest()
