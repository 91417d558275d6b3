"""The only user of the RFC 3161 library: ask an authority, and verify what it answered by certificates of the reader."""

from __future__ import annotations

import hashlib
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from drorch.clock import Clock, SystemClock
from drorch.errors import TimestampInvalid, TimestampPending

TIMEOUT_SECONDS = 30.0
_LIMIT_BYTES = 2**20
_PIECE_BYTES = 2**14
_TYPE = "application/timestamp-query"


def request_stamp(
    authority: str, content: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS, clock: Clock | None = None
) -> tuple[bytes, datetime]:
    """Return the authority's answer for ``content`` and the time in it; only a digest goes out.

    Raises ``TimestampPending`` when it does not answer in time or refuses, ``TimestampInvalid`` when it answers something else.
    """
    query = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    request = urllib.request.Request(authority, data=query, headers={"Content-Type": _TYPE})  # noqa: S310 - settings admit http(s) only
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:  # noqa: S310 - likewise
            raw = _read(answer, timeout_seconds, clock or SystemClock())
    except (OSError, HTTPException, ValueError) as error:
        raise TimestampPending(
            "the time-stamping authority gave no answer",
            expected=f"an answer of {authority} within {timeout_seconds:.0f} s",
            found=type(error).__name__,
            hint="`drorch evidence stamp` asks again for all that have none",
        ) from error
    return raw, stamped_time(raw, content)


def _read(answer: HTTPResponse, timeout_seconds: float, clock: Clock) -> bytes:
    """Return the answer; the time-out is for all of it, whoever sends it drop by drop."""
    raw, deadline = b"", clock.monotonic_seconds() + timeout_seconds
    while piece := answer.read1(_PIECE_BYTES):
        raw += piece
        if clock.monotonic_seconds() > deadline or len(raw) > _LIMIT_BYTES:
            raise TimeoutError
    return raw


def stamped_time(raw: bytes, content: bytes) -> datetime:
    """Return the time that a stamp names if it is of ``content``; raise ``TimestampInvalid``. Who made it is not looked at."""
    try:
        response = decode_timestamp_response(raw)
        if PKIStatus(response.status) not in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS):
            raise TimestampInvalid(
                "the authority granted no time-stamp", expected="granted", found=str(response.status)
            )
        imprint, moment = response.tst_info.message_imprint.message, response.tst_info.gen_time
    except (ValueError, TypeError) as error:
        raise TimestampInvalid(
            "a time-stamp cannot be read", expected="an RFC 3161 answer", found="other bytes"
        ) from error
    if imprint != _sha256(content):
        raise TimestampInvalid(
            "a time-stamp is of something else", expected=_sha256(content).hex()[:16], found=imprint.hex()[:16]
        )
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def verify_stamp(raw: bytes, content: bytes, certificates: bytes) -> datetime:
    """Return the time if an authority of ``certificates`` (PEM, given by the reader) signed it; raise ``TimestampInvalid``."""
    moment = stamped_time(raw, content)
    try:
        roots = x509.load_pem_x509_certificates(certificates)
        builder = VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        builder.build().verify_message(decode_timestamp_response(raw), content)
    except (VerificationError, ValueError) as error:
        raise TimestampInvalid(
            "a time-stamp is by no authority that you named",
            expected="one that hangs from --tsa-certificate",
            found=str(error)[:120] or type(error).__name__,
        ) from error
    return moment


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
