"""What several stores hold of one lane, side by side: how far they are the same history, and where one of them is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drorch.errors import ChainBroken, DrorchError, ObjectCorrupt
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink, LinkState


def require_same_history(lane: LaneId, known: Sequence[ChainLink], links: Sequence[ChainLink], name: str) -> None:
    """Raise ``ChainBroken`` when ``links``, which the store ``name`` holds, are not those that are ``known``."""
    for one, other in zip(known, links, strict=False):
        if one.digest != other.digest and not outran(one, other):
            raise ChainBroken(
                f"{name} holds another history of lane {lane}",
                expected=f"manifest {one.sequence} with digest {str(one.digest)[:16]}",
                found=str(other.digest)[:16],
                hint="two machines wrote to one lane, or a store was altered; nothing of this lane was copied."
                " docs/OPERATIONS.md says how to go on",
            )


def outran(decided: ChainLink, other: ChainLink) -> bool:
    """Say whether ``other`` is the manifest of a run that lost its number to another, which it could not see.

    The one that counts comes beside it as an alternate, and the commit says which it is. Should that run wake up, it finds the commit there
    and knows that it is void; was it quicker, then its commit stands and there are two histories.
    """
    return decided.digest != other.digest and other.state is LinkState.UNDECIDED


def decided_part(links: Sequence[ChainLink]) -> tuple[ChainLink, ...]:
    """Return the links up to the first that is undecided: its run may be under way."""
    undecided = (place for place, link in enumerate(links) if link.state is LinkState.UNDECIDED)
    return tuple(links[: next(undecided, len(links))])


def damaged_commit(links: Sequence[ChainLink]) -> DrorchError | None:
    """Return what is wrong with a link whose decision cannot be read; one without a decision is a run under way."""
    place = len(decided_part(links))
    if place == len(links) or (place == len(links) - 1 and not links[place].damage):
        return None
    return ObjectCorrupt(f"nothing says whether manifest {links[place].sequence} counts", found=links[place].damage)


def merged(longest: Sequence[ChainLink], others: Iterable[Sequence[ChainLink]]) -> tuple[ChainLink, ...]:
    """Return the chain with every snapshot that is committed anywhere: each store may have decided for itself."""
    merged = {link.sequence: link for link in longest}
    for link in (link for links in others for link in links):
        if link.state is LinkState.COMMITTED:
            merged[link.sequence] = link
    return tuple(merged[sequence] for sequence in sorted(merged))
