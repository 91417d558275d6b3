import hashlib

import pytest

from drorch.errors import FormatUnsupported, ObjectCorrupt
from drorch.format.objects import ObjectType, digest_of, frame, unframe


def test_an_object_comes_apart_as_it_was_put_together():
    raw = frame(ObjectType.PACK, b"body", b"head")
    assert raw == b"DRORCH\x04\x01\x00\x00\x00\x00\x04headbody"
    parts = unframe(raw, ObjectType.PACK)
    assert (parts.header, bytes(parts.body), parts.minor) == (b"head", b"body", 0)


def test_a_higher_minor_is_read():
    raw = bytearray(frame(ObjectType.TRUST, b"body"))
    raw[8] = 7
    assert unframe(raw, ObjectType.TRUST).minor == 7


def test_another_major_is_refused_before_anything_else_is_believed():
    raw = bytearray(frame(ObjectType.TRUST, b"body"))
    raw[7] = 2
    with pytest.raises(FormatUnsupported) as caught:
        unframe(raw, ObjectType.PACK)
    assert (caught.value.expected, caught.value.found) == ("format 1", "format 2")


@pytest.mark.parametrize(
    "raw", [b"", b"DRORCH", b"DRORCX\x04\x01\x00\x00\x00\x00\x00", b"DRORCH\x04\x01\x00\x00\x00\x00\x01"]
)
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(ObjectCorrupt):
        unframe(raw, ObjectType.PACK)


def test_another_type_is_refused():
    with pytest.raises(ObjectCorrupt, match="not a run record"):
        unframe(frame(ObjectType.PACK, b""), ObjectType.RUN_RECORD)


def test_the_digest_is_that_of_the_whole_object():
    raw = frame(ObjectType.PACK, b"body")
    assert digest_of(raw).raw == hashlib.sha256(raw).digest()
