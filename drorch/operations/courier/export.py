"""Put on a medium what the other side lacks, as ciphertext, and seal it with a signed list.

Killed anywhere it is run again and goes on; without its list a medium is not taken. What the other side said to have is first removed from the medium, so that one
disk travels for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drorch.clock import Clock
from drorch.errors import ObjectMissing, StoreFull
from drorch.format.courier import HAVE_NAME, LIST_NAME, Carried, CourierList, decode_have
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.format.signing import SigningKey
from drorch.ids import Digest
from drorch.repository.copier import catch_up
from drorch.repository.copy_report import CopyReport
from drorch.repository.courier_stores import Layered
from drorch.repository.opening import Replica, Repository
from drorch.storage.interface import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What the medium carries. ``copied`` is what was done now, ``known`` how many objects the other side said to have."""

    copied: CopyReport
    objects: int
    bytes: int
    known: int


def run(
    repository: Repository,
    medium: ObjectStore,
    *,
    wanted: bytes | None,
    key: SigningKey,
    clock: Clock,
    progress: Callable[[int], None],
) -> ExportReport:
    """Fill ``medium`` for the side whose page is ``wanted``; ``None``: the page that came back on the medium, or all there is.

    Raises ``ObjectCorrupt`` when the page is none of this repository, ``StoreFull`` when the medium is too small.
    """
    page = _page(medium) if wanted is None else wanted
    known = frozenset[str]() if page is None else decode_have(page, repository.trust.repository)
    medium.delete([LIST_NAME])
    medium.delete([stat.name for stat in medium.list_objects("") if stat.name in known])
    near = repository.replicas[0]
    target = Layered(medium, near.store, sees=known.__contains__, puts=medium)
    try:
        copied = catch_up(
            repository.replicas, Replica(name="the medium", store=target), repository.trust, progress=progress
        )
        carried = tuple(_carried(medium))
        sealed = CourierList(made_at=clock.now(), objects=carried)
        medium.put_if_absent(LIST_NAME, sealed.sign(repository=repository.trust.repository, key=key))
    except StoreFull as error:
        error.hint = "take a larger disk, or let the other side say what it has (`drorch courier want`)"
        error.still_good = "The medium is not sealed, and would not be taken; every store is as it was."
        raise
    return ExportReport(
        copied=copied, objects=len(carried), bytes=sum(one.size_bytes for one in carried), known=len(known)
    )


def _page(medium: ObjectStore) -> bytes | None:
    try:
        return medium.read(HAVE_NAME, limit_bytes=OBJECT_LIMIT_BYTES)
    except ObjectMissing:
        return None


def _carried(medium: ObjectStore) -> Iterator[Carried]:
    """Read everything back: what a cheap disk swallowed must be found here and not on the island."""
    for stat in medium.list_objects(""):
        if not stat.name.startswith("courier/"):
            content = medium.read(stat.name, limit_bytes=OBJECT_LIMIT_BYTES)
            yield Carried(stat.name, len(content), Digest(hashlib.sha256(content).digest()))
