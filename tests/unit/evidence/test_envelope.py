"""Envelopes: trust comes from the caller only, both signatures count, and no byte can be altered."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.errors import EvidenceBroken, EvidenceError, SignerUnknown
from drorch.evidence.envelope import open_envelope, pre_authentication, sign_envelope, verify_envelope
from drorch.evidence.statement_text import encode_text
from tests.support.ledgers import STRANGER, WRITER
from tests.support.statements import OPERATOR

PAYLOAD = "Khôi phục đủ 212 bảng".encode()
RAW = sign_envelope(PAYLOAD, [WRITER])
TRUSTED = {WRITER.key_id: WRITER.public}


def test_what_was_signed_comes_back_with_its_signer() -> None:
    verified = verify_envelope(RAW, TRUSTED)
    assert (verified.payload, verified.signers) == (PAYLOAD, frozenset({WRITER.key_id}))


def test_the_encoding_before_signing_is_that_of_dsse() -> None:
    """The example of the DSSE specification, with our payload type."""
    assert pre_authentication(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_a_signer_whom_the_caller_does_not_know_is_nobody() -> None:
    with pytest.raises(SignerUnknown):
        verify_envelope(sign_envelope(PAYLOAD, [STRANGER]), TRUSTED)
    with pytest.raises(SignerUnknown):
        verify_envelope(RAW, {})


def test_a_stranger_beside_a_known_signer_adds_nothing() -> None:
    assert verify_envelope(sign_envelope(PAYLOAD, [STRANGER, WRITER]), TRUSTED).signers == {WRITER.key_id}


@pytest.mark.parametrize("which", [0, 1])
def test_one_good_signature_of_the_two_is_worth_nothing(which: int) -> None:
    value = json.loads(RAW)
    other = json.loads(sign_envelope(b"other", [WRITER]))
    value["signatures"][which]["sig"] = other["signatures"][which]["sig"]
    with pytest.raises(EvidenceBroken):
        verify_envelope(encode_text(value), TRUSTED)


def test_a_signature_that_is_left_out_is_noticed() -> None:
    value = json.loads(RAW)
    kept: list[object]
    for kept in (value["signatures"][:1], value["signatures"][1:], []):
        with pytest.raises(EvidenceBroken):
            verify_envelope(encode_text(value | {"signatures": kept}), TRUSTED)


def test_a_foreign_signature_under_a_known_name_is_wrong() -> None:
    forged = sign_envelope(PAYLOAD, [STRANGER]).replace(str(STRANGER.key_id).encode(), str(WRITER.key_id).encode())
    with pytest.raises(EvidenceBroken):
        verify_envelope(forged, TRUSTED)


def test_another_payload_type_is_refused() -> None:
    value = json.loads(RAW) | {"payloadType": "text/plain"}
    with pytest.raises(EvidenceBroken):
        open_envelope(encode_text(value))


def test_base_64_has_one_spelling() -> None:
    payload = base64.b64encode(PAYLOAD)
    for spelled in (payload + b"\\n", payload.rstrip(b"=") + b"===", payload[:8] + b"\\r\\n" + payload[8:]):
        with pytest.raises(EvidenceBroken):
            open_envelope(RAW.replace(payload, spelled))


@settings(max_examples=400)
@given(place=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
def test_every_altered_byte_is_noticed(place: int, bit: int) -> None:
    altered = bytearray(RAW)
    altered[place] ^= 1 << bit
    with pytest.raises(EvidenceError):
        verify_envelope(bytes(altered), {**TRUSTED, OPERATOR.key_id: OPERATOR.public})


@pytest.mark.parametrize("length", [0, 1, 100, len(RAW) - 1])
def test_an_envelope_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(EvidenceBroken):
        verify_envelope(RAW[:length], TRUSTED)
