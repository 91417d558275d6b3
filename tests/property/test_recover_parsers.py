"""Whatever bytes the independent reader is given, it answers or refuses in one line; nothing else escapes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.support.forge import RecipientKey, one
from tools import recover

KEYS = recover.RunKeys(bytes(48), bytes(32), bytes(32))
NODE = bytes([1, 0, 0, 1]) + bytes(16) + bytes([0, 0, 0, 1, 0, 0, 0, 0, 9]) + bytes(32 + 2 + 24)
ENTRY = one(1, b"a") + one(2, 2, 8) + one(3, 0, 64) + one(6, bytes(32)) + one(7, 1, 8) + one(11, b"{}")
REFERENCE = bytes(16 + 12 + 12 + 32 + 1 + 8)
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(b"abc")


def no_base(_: bytes) -> bytes:
    raise recover.Refused("no base here")


def decode(raw: bytes) -> bytes:
    head = recover.Record(1, raw[0] if raw else 0, len(raw) * 4, bytes(32), bytes(32), 0, 0, raw[1:])
    return head.decode(KEYS, no_base, "it")


PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "fields": (partial(recover.Fields, known=range(30), what="it"), ENTRY),
    "object": (partial(recover.unwrap, kind=7, known=(), what="it"), b"DRORCH\x07\x01\x00" + bytes(8)),
    "signed": (partial(recover.split_signed, kind=7, what="it"), b"DRORCH\x07\x01\x00" + bytes(20)),
    "node": (lambda raw: recover.read_node(raw, recover.Child(-1, bytes(32), (), 0)), NODE),
    "inner node": (lambda raw: recover.read_node(raw, recover.Child(-1, bytes(32), (), 1)), NODE),
    "reference": (partial(recover.read_reference, what="it"), REFERENCE),
    "entry": (partial(recover.read_entry, ordinal=0, containers=[]), ENTRY),
    "record": (partial(recover.open_record, keys=KEYS, what="it"), bytes(100)),
    "frame": (partial(recover.unzstd, limit=1 << 16, what="it"), FRAME),
    "content": (decode, b"\x01" + FRAME),
    "pair": (partial(recover.read_pair, what="it"), one(1, bytes(32)) + one(2, bytes(2592)) + one(3, 1, 8)),
}


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_parsers_answer_or_refuse(name: str, data: st.DataObject) -> None:
    parse, sample = PARSERS[name]
    raw = bytearray(sample)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=4)):
        raw[at] = value
    cut = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    more = data.draw(st.binary(max_size=40))
    with contextlib.suppress(recover.Refused):
        parse(bytes(raw[:cut]) + more)


@pytest.mark.parametrize("name", ["fields", "node", "reference", "entry", "pair", "frame"])
def test_the_samples_are_good(name: str) -> None:
    parse, sample = PARSERS[name]
    parse(sample)


@given(blob=st.binary(max_size=40) | st.binary(min_size=1665, max_size=1745))
def test_sealed_bytes_of_a_forger_are_refused(blob: bytes) -> None:
    me = recover.Recipient(bytes(32))
    sealed = one(18, one(1, RecipientKey(bytes(32)).key_id) + one(2, blob))
    raw = one(2, bytes(16)) + one(4, bytes(16)) + one(16, bytes(16)) + one(17, bytes(48)) + sealed
    with pytest.raises(recover.Refused, match="not readable with this private key"):
        me.open(recover.Fields(raw, {*recover.COMMON, *recover.RUN_RECORD}, "it"))
