import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt, SignatureInvalid
from drorch.format import names
from drorch.format.fields import encode_fields, u8, u32
from drorch.format.objects import FRAME_BYTES, ObjectType, frame, unframe
from drorch.format.signing import SIGNATURE_BYTES, SigningKey, pre_authentication, sign_object, verify_object
from drorch.ids import LaneId, RepositoryId
from tests.support.format_values import AT, LANE, OTHER_WRITER, REPOSITORY, ROOTS, RUN, WRITER, WRITERS, fixed

NAME = names.pack_list(LANE, RUN)


def signed(keys=(WRITER,), attachment=b"", **changes) -> bytes:
    values = {
        "name": NAME,
        "repository": REPOSITORY,
        "lane": LANE,
        "made_at": AT,
        "keys": keys,
        "attachment": attachment,
    }
    return sign_object(ObjectType.PACK_LIST, [(16, RUN.raw)], **{**values, **changes})


def verify(raw, **changes):
    values = {
        "expected_type": ObjectType.PACK_LIST,
        "name": NAME,
        "repository": REPOSITORY,
        "lane": LANE,
        "allowed": WRITERS,
    }
    return verify_object(raw, **{**values, **changes})


def parts(raw: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Payload, signatures, attachment."""
    body = bytes(unframe(raw, ObjectType.PACK_LIST).body)
    at = 4 + int.from_bytes(body[:4], "big")
    starts = range(at + 1, at + 1 + body[at] * SIGNATURE_BYTES, SIGNATURE_BYTES)
    signatures = [body[start : start + SIGNATURE_BYTES] for start in starts]
    return body[4:at], signatures, body[at + 1 + body[at] * SIGNATURE_BYTES :]


def rebuilt(payload: bytes, signatures: list[bytes], attachment: bytes = b"", header: bytes = b"") -> bytes:
    body = b"".join((u32(len(payload)), payload, u8(len(signatures)), *signatures, attachment))
    return frame(ObjectType.PACK_LIST, body, header)


def test_what_was_signed_comes_back():
    verified = verify(signed(attachment=b"attached"))
    assert verified.fields("x", (16,)).one(16) == RUN.raw
    assert (verified.signers, verified.made_at, verified.attachment) == ({WRITER.key_id}, AT, b"attached")


def test_keys_are_made_from_their_seed_and_do_not_show_it():
    seed = fixed("a seed")
    key = SigningKey.from_seed(seed)
    assert key.key_id == SigningKey.from_seed(seed).key_id
    assert seed.hex() not in repr(key)
    with pytest.raises(Bug):
        SigningKey.from_seed(b"short")


def test_the_pre_authentication_encoding_is_that_of_dsse():
    assert (
        pre_authentication(ObjectType.TRUST, b"hello world") == b"DSSEv1 27 application/vnd.drorch.1.v1 11 hello world"
    )


def test_every_byte_counts():
    raw = signed(attachment=b"attached")
    for position in range(0, len(raw), 97):
        damaged = bytearray(raw)
        damaged[position] ^= 1
        with pytest.raises((SignatureInvalid, ObjectCorrupt, FormatUnsupported)):
            verify(bytes(damaged))


@pytest.mark.parametrize("half", [slice(32, 96), slice(96, None)], ids=["ed25519", "ml-dsa-87"])
def test_one_signature_of_the_two_is_worth_nothing(half):
    payload, (signature,), _ = parts(signed())
    stripped = bytearray(signature)
    stripped[half] = bytes(len(stripped[half]))
    with pytest.raises(SignatureInvalid):
        verify(rebuilt(payload, [bytes(stripped)]))


def test_halves_of_two_signers_do_not_make_one():
    payload, (one, other), _ = parts(signed((WRITER, OTHER_WRITER)))
    mixed = one[:96] + other[96:]
    both = {**WRITERS, OTHER_WRITER.key_id: OTHER_WRITER.public}
    with pytest.raises(SignatureInvalid):
        verify(rebuilt(payload, [mixed]), allowed=both)


def test_one_signer_twice_counts_once():
    payload, (signature,), _ = parts(signed())
    again = parts(signed())[1][0]  # a second genuine signature: ML-DSA's are randomised
    allowed = {**WRITERS, OTHER_WRITER.key_id: OTHER_WRITER.public}
    for signatures in ([signature, signature], [signature, again]):
        raw = rebuilt(payload, signatures)
        assert verify(raw, allowed=allowed).signers == {WRITER.key_id}
        with pytest.raises(SignatureInvalid, match="not signed by those"):
            verify(raw, allowed=allowed, threshold=2)


def test_a_threshold_takes_that_many_pinned_signers():
    allowed = {root.key_id: root.public for root in ROOTS}
    assert len(verify(signed(ROOTS[:2]), allowed=allowed, threshold=2).signers) == 2
    with pytest.raises(SignatureInvalid):
        verify(signed((ROOTS[0], WRITER)), allowed=allowed, threshold=2)


def test_a_threshold_of_none_is_refused():
    with pytest.raises(SignatureInvalid):
        verify(signed(()), threshold=0)


def test_a_signer_who_is_not_pinned_is_ignored():
    assert verify(signed((OTHER_WRITER, WRITER))).signers == {WRITER.key_id}
    with pytest.raises(SignatureInvalid):
        verify(signed((OTHER_WRITER,)))
    with pytest.raises(SignatureInvalid):
        verify(signed(()))


def test_the_forgers_own_key_under_a_genuine_id_is_nothing():
    payload, (signature,), _ = parts(signed((OTHER_WRITER,)))
    with pytest.raises(SignatureInvalid):
        verify(rebuilt(payload, [WRITER.key_id.raw + signature[32:]]))


def test_nothing_is_parsed_before_it_is_verified():
    rubbish = rebuilt(b"\xff\xff\xff", parts(signed())[1])
    with pytest.raises(SignatureInvalid):
        verify(rubbish)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": names.manifest(LANE, 1)},
        {"repository": RepositoryId(bytes(16))},
        {"lane": LaneId(bytes(16))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_genuine_object_from_elsewhere_is_refused(changes):
    with pytest.raises(SignatureInvalid, match="belongs elsewhere"):
        verify(signed(), **changes)


def test_an_object_of_another_type_is_refused_even_inside_the_right_frame():
    raw = sign_object(ObjectType.COMMIT, [], name=NAME, repository=REPOSITORY, lane=LANE, made_at=AT, keys=(WRITER,))
    with pytest.raises(ObjectCorrupt):
        verify(raw)
    body = bytes(unframe(raw, ObjectType.COMMIT).body)
    with pytest.raises(SignatureInvalid):  # the type is signed, too
        verify(frame(ObjectType.PACK_LIST, body))


def test_the_attachment_is_the_one_that_was_signed():
    payload, signatures, attachment = parts(signed(attachment=b"attached"))
    for wrong in (b"", b"attacheD", attachment + b"x"):
        with pytest.raises(ObjectCorrupt, match="attachment"):
            verify(rebuilt(payload, signatures, wrong))
    payload, signatures, _ = parts(signed())
    with pytest.raises(ObjectCorrupt, match="attachment"):
        verify(rebuilt(payload, signatures, b"smuggled"))


def test_the_header_is_empty():
    payload, signatures, _ = parts(signed())
    with pytest.raises(ObjectCorrupt, match="damaged"):
        verify(rebuilt(payload, signatures, header=b"x"))


def test_an_object_cut_short_anywhere_is_refused():
    raw = signed()
    for length in (0, 5, FRAME_BYTES, FRAME_BYTES + 3, FRAME_BYTES + 10, len(raw) - SIGNATURE_BYTES, len(raw) - 1):
        with pytest.raises(ObjectCorrupt):
            verify(raw[:length])


def test_a_lane_belongs_to_lanes_objects_only():
    with pytest.raises(Bug):
        signed(lane=None)
    with pytest.raises(Bug):
        sign_object(ObjectType.TRUST, [], name="trust/0", repository=REPOSITORY, lane=LANE, made_at=AT, keys=(WRITER,))


def test_unknown_critical_fields_of_the_payload_are_refused_by_who_reads_it():
    raw = sign_object(
        ObjectType.PACK_LIST, [(99, b"")], name=NAME, repository=REPOSITORY, lane=LANE, made_at=AT, keys=(WRITER,)
    )
    verified = verify(raw)
    with pytest.raises(FormatUnsupported):
        verified.fields("a pack list", (16,))
    assert encode_fields([(99, b"")]) in verified.payload
