"""The maintainer's lists: what is said comes back, by whom it may be said, and what an older reader makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drorch.errors import Bug, FormatUnsupported, IntegrityError, ObjectCorrupt, SignatureInvalid
from drorch.format.fields import encode_fields, u32
from drorch.format.objects import ObjectType
from drorch.format.packsets import read_pack_sets
from drorch.format.retire_list import HoldKind, HoldWord, RetireList
from drorch.format.signing import SigningKey, sign_object
from drorch.ids import LaneId, RepositoryId, RunId
from drorch.repository.retirement import Retirement

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes([1]) * 32)
ALLOWED = {KEY.public.key_id: KEY.public}
PLACE = {"repository": RepositoryId(bytes(16)), "lane": LaneId(bytes([2]) * 16)}
RUNS = [RunId(bytes([number]) * 16) for number in range(4)]
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
HOLD = HoldWord(run=RUNS[3], kind=HoldKind.HOLD, stands=True, reason="vụ án 12", until=NOW + timedelta(days=3))
LIST = RetireList(
    number=7,
    made_at=NOW,
    packs={RUNS[0]: b"\x80\x01", RUNS[1]: b"\xff"},
    given_up=frozenset(RUNS[:3]),
    holds=(HOLD, replace(HOLD, kind=HoldKind.PIN, stands=False, until=None, reason="")),
)


def verify(raw: bytes, number: int = 7) -> RetireList:
    return RetireList.verify(raw, number=number, allowed=ALLOWED, **PLACE)  # type: ignore[arg-type]


def signed(*fields: tuple[int, bytes], key: SigningKey = KEY) -> bytes:
    return sign_object(
        ObjectType.RETIRE_LIST,
        fields,
        name=f"l/{PLACE['lane']}/g/7",
        made_at=NOW,
        keys=(key,),
        **PLACE,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "one",
    [
        LIST,
        replace(LIST, packs={}, holds=()),
        replace(LIST, packs={}, given_up=frozenset()),
        replace(LIST, given_up=frozenset(), holds=()),
    ],
)
def test_what_is_said_comes_back(one: RetireList) -> None:
    assert verify(one.sign(key=KEY, **PLACE)) == one  # type: ignore[arg-type]


def test_a_list_that_says_nothing_is_not_made() -> None:
    with pytest.raises(Bug):
        RetireList(number=0, made_at=NOW).sign(key=KEY, **PLACE)  # type: ignore[arg-type]


def test_a_reader_that_knows_packs_only_reads_the_packs() -> None:
    raw = LIST.sign(key=KEY, **PLACE)  # type: ignore[arg-type]
    found = read_pack_sets(raw, ObjectType.RETIRE_LIST, number=7, allowed=ALLOWED, **PLACE)  # type: ignore[arg-type]
    assert found == LIST.packs


def test_only_a_maintainer_says_it_and_only_in_its_place() -> None:
    raw = LIST.sign(key=OTHER, **PLACE)  # type: ignore[arg-type]
    with pytest.raises(SignatureInvalid):
        verify(raw)
    with pytest.raises(IntegrityError):
        verify(LIST.sign(key=KEY, **PLACE), number=8)  # type: ignore[arg-type]
    with pytest.raises(ObjectCorrupt):
        verify(signed((16, u32(8)), (18, RUNS[0].raw)))


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ((18, bytes(15)), ObjectCorrupt),
        ((19, b""), ObjectCorrupt),
        ((19, encode_fields([(1, bytes(16)), (2, b"\x03"), (3, b"\x01"), (4, b"")])), FormatUnsupported),
        ((19, encode_fields([(1, bytes(16)), (2, b"\x01"), (3, b"\x02"), (4, b"")])), FormatUnsupported),
        ((19, encode_fields([(1, bytes(16)), (2, b"\x01"), (3, b"\x01"), (4, b"\xff")])), ObjectCorrupt),
        ((20, b""), ObjectCorrupt),
        ((21, b""), FormatUnsupported),
    ],
)
def test_what_is_no_good_is_refused(field: tuple[int, bytes], error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        verify(signed((16, u32(7)), field))


def summed(*lists: RetireList) -> Retirement:
    found = Retirement()
    for number, one in enumerate(lists):
        found.add(replace(one, number=number))
    return found


def says(*, given_up: bool = False, stands: bool | None = None, days: int = 0, until: int | None = None) -> RetireList:
    word = HoldWord(
        run=RUNS[0],
        kind=HoldKind.PIN,
        stands=bool(stands),
        reason="",
        until=None if until is None else NOW + timedelta(days=until),
    )
    return RetireList(
        number=0,
        made_at=NOW + timedelta(days=days),
        given_up=frozenset(RUNS[:1] if given_up else ()),
        holds=() if stands is None else (word,),
    )


def test_the_earlier_of_a_hold_and_a_retirement_counts() -> None:
    assert RUNS[0] not in summed(says(stands=True), says(given_up=True)).retired
    assert RUNS[0] in summed(says(given_up=True), says(stands=True)).retired
    assert summed(says(given_up=True), says(stands=True)).holds == {}
    assert RUNS[0] in summed(says(stands=True), says(stands=False), says(given_up=True)).retired
    assert RUNS[0] not in summed(says(stands=True, until=5), says(given_up=True, days=4)).retired
    assert RUNS[0] in summed(says(stands=True, until=5), says(given_up=True, days=5)).retired
    assert summed(says(given_up=True), says(given_up=True)).retired == {RUNS[0]: 0}


def test_a_pin_and_a_hold_are_apart() -> None:
    hold = replace(says(stands=True), holds=(replace(HOLD, run=RUNS[0], until=None),))
    found = summed(says(stands=True), hold, says(stands=False))
    assert [word.kind for word in found.standing(RUNS[0], NOW)] == [HoldKind.HOLD]
