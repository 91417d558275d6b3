"""Retire and damage lists that name packs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from drorch.errors import Bug
from drorch.format import names
from drorch.format.fields import encode_fields, u32
from drorch.format.objects import ObjectType
from drorch.format.signing import SigningKey, sign_object
from drorch.ids import LaneId, RepositoryId, RunId

_NAMES = {ObjectType.RETIRE_LIST: names.retire_list, ObjectType.DAMAGE_LIST: names.damage_list}


def sign_pack_sets(
    object_type: ObjectType,
    *,
    repository: RepositoryId,
    lane: LaneId,
    number: int,
    packs: Mapping[RunId, bytes],
    made_at: datetime,
    key: SigningKey,
) -> bytes:
    """Return the object ``g/<number>`` or ``d/<number>``; ``packs`` maps runs to bitmaps of their packs."""
    if not packs:
        raise Bug("a list of no packs")
    sets = [(17, encode_fields([(1, run.raw), (2, bitmap)])) for run, bitmap in sorted(packs.items())]
    return sign_object(
        object_type,
        [(16, u32(number)), *sets],
        name=_NAMES[object_type](lane, number),
        repository=repository,
        lane=lane,
        made_at=made_at,
        keys=(key,),
    )
