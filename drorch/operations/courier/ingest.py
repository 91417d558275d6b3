"""Take into a store what a medium carries: all of it is verified before the first byte is written, and each object again when it is.

A medium without its list, or with one byte that is not what was sealed, is refused whole. Killed anywhere it is run again and goes on; a snapshot's commit comes last.
No private key and no signing key is used. At the end the medium gets the page of what the store has now, for the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import IntegrityError, NothingDone, ObjectCorrupt, ObjectMissing, StoreError, StoreMissing
from drorch.format import names
from drorch.format.courier import HAVE_NAME, LIST_NAME, CourierList
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.trust import TrustChain
from drorch.operations.courier.have import have
from drorch.repository.copier import catch_up
from drorch.repository.copy_report import CopyReport
from drorch.repository.courier_stores import Layered, SealedMedium
from drorch.repository.opening import Replica, read_trust
from drorch.storage.interface import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What was taken. ``sealed_at`` is when the medium was; ``not_returned`` says why it carries no page for the way back."""

    copied: CopyReport
    objects: int
    sealed_at: datetime
    not_returned: StoreError | None


def run(
    medium: ObjectStore,
    target: Replica,
    trust_root: bytes,
    *,
    is_new: bool,
    progress: Callable[[int], None],
) -> IngestReport:
    """Bring ``target`` up from ``medium``; ``is_new``: the store is said to be empty.

    Raises ``NothingDone`` when the medium was not finished, ``ObjectCorrupt`` or ``SignatureInvalid`` when it was altered, ``TrustMismatch`` when it is of another
    repository, ``StoreMissing`` when the store is empty and not said to be.
    """
    _require_repository(target, is_new=is_new)
    trust = TrustChain.verify(read_trust(Layered(medium, target.store)), trust_root)
    sealed = _sealed(medium, trust)
    contents = SealedMedium(medium, {one.name: one for one in sealed.objects})
    _require_unaltered(contents, sealed)
    source = Replica(name="the medium", store=Layered(contents, target.store))
    copied = catch_up([source], target, trust, progress=progress)
    return IngestReport(
        copied=copied,
        objects=len(sealed.objects),
        sealed_at=sealed.made_at,
        not_returned=_put_page(medium, target, trust),
    )


def _require_repository(target: Replica, *, is_new: bool) -> None:
    """An empty directory may as well be a disk that is not mounted."""
    try:
        target.store.stat(names.trust(0))
    except ObjectMissing:
        if not is_new:
            raise StoreMissing(
                f"no repository in {target.store.address}",
                expected="an object named trust/0",
                found="none",
                hint="if the store is new and empty, say so: --new",
            ) from None


def _sealed(medium: ObjectStore, trust: TrustChain) -> CourierList:
    try:
        raw = medium.read(LIST_NAME, limit_bytes=OBJECT_LIMIT_BYTES)
    except ObjectMissing as error:
        raise NothingDone(
            f"{medium.address} was not sealed",
            expected=LIST_NAME,
            found="none",
            hint="`drorch courier export` was broken off, or this is another disk",
            still_good="Nothing was written.",
        ) from error
    return CourierList.verify(raw, repository=trust.repository, allowed=trust.allowed(ObjectType.COURIER_LIST, None))


def _require_unaltered(contents: SealedMedium, sealed: CourierList) -> None:
    bad: list[str] = []
    for one in sealed.objects:
        try:
            contents.read(one.name, limit_bytes=OBJECT_LIMIT_BYTES)
        except (IntegrityError, ObjectMissing):
            bad.append(one.name)
    if bad:
        raise ObjectCorrupt(
            f"the medium was altered or is damaged: {len(bad)} of {len(sealed.objects)} objects",
            expected="what was sealed",
            found=bad[0],
            hint="ask for another; whoever had it in hands could not read it, and may have tried to change it",
            still_good="Nothing was written.",
        )


def _put_page(medium: ObjectStore, target: Replica, trust: TrustChain) -> StoreError | None:
    """Leave the page for the way back; a medium that cannot be written to has done its work all the same."""
    try:
        medium.delete([HAVE_NAME])
        medium.put_if_absent(HAVE_NAME, have(target.store, trust))
    except StoreError as error:
        return error
    return None
