"""Every foreign error has a meaning of ours, and none carries a secret or a control character across."""

import http.client
import inspect

import pytest
import urllib3.exceptions
from boto3 import exceptions as boto3_exceptions
from botocore import exceptions as foreign
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from drorch.errors import (
    Bug,
    DrorchError,
    ObjectCorrupt,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreUnavailable,
    StoreUnfit,
)
from drorch.storage.s3.failures import CLIENT_FAILURES, FOREIGN, our_errors, translated

OURS = (StoreError, ObjectCorrupt, Bug)
FOREIGN_CLASSES = sorted(
    {
        value
        for module in (foreign, boto3_exceptions)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    }
    | {ResponseParserError},
    key=lambda each: f"{each.__module__}.{each.__name__}",
)
# Classes that a parent's entry speaks for although the parent is a root: none.
ROOTS = {foreign.BotoCoreError, ClientError}


def an_instance(kind: type[Exception]) -> Exception:
    """An instance without running the class's own constructor, which wants its message's parts."""
    made: Exception = kind.__new__(kind)
    Exception.__init__(made, "the message")
    return made


def answer(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize("kind", FOREIGN_CLASSES, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_client_library_is_caught_and_has_a_meaning(kind: type[Exception]) -> None:
    assert issubclass(kind, FOREIGN)
    if kind not in ROOTS and not issubclass(kind, ClientError):
        near = [ancestor for ancestor in kind.__mro__ if ancestor in CLIENT_FAILURES]
        assert near, f"{kind.__name__} is new: give it a meaning in CLIENT_FAILURES"
        assert near[0] not in ROOTS, f"{kind.__name__} is new: give it a meaning in CLIENT_FAILURES"
    if not issubclass(kind, ClientError):
        with pytest.raises(OURS), our_errors("s3://bucket", "put a"):
            raise an_instance(kind)


@pytest.mark.parametrize(
    "error",
    [
        urllib3.exceptions.ProtocolError("Connection broken", ConnectionResetError(104, "reset")),
        urllib3.exceptions.IncompleteRead(1, 2),
        urllib3.exceptions.ReadTimeoutError(None, "/", "slow"),  # type: ignore[arg-type]
        http.client.IncompleteRead(b""),
        ConnectionResetError(104, "reset"),
        TimeoutError("slow"),
        foreign.EndpointConnectionError(endpoint_url="https://store"),
        foreign.ConnectTimeoutError(endpoint_url="https://store"),
        foreign.ReadTimeoutError(endpoint_url="https://store"),
        foreign.ConnectionClosedError(endpoint_url="https://store"),
        foreign.ProxyConnectionError(proxy_url="https://proxy"),
        foreign.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        foreign.ResponseStreamingError(error="broken"),
        foreign.SSLError(endpoint_url="https://store", error="EOF occurred in violation of protocol"),
        ResponseParserError("no XML"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_line_is_worth_another_try(error: Exception) -> None:
    assert isinstance(translated(error, "s3://bucket", "put a"), StoreUnavailable)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, ObjectMissing),
        ("404", 404, ObjectMissing),
        ("NoSuchBucket", 404, StoreMissing),
        ("PermanentRedirect", 301, StoreMissing),
        ("AuthorizationHeaderMalformed", 400, StoreMissing),
        ("AccessDenied", 403, StoreDenied),
        ("403", 403, StoreDenied),
        ("InvalidAccessKeyId", 403, StoreDenied),
        ("SignatureDoesNotMatch", 403, StoreDenied),
        ("ExpiredToken", 400, StoreDenied),
        ("RequestTimeTooSkewed", 403, StoreUnavailable),
        ("SlowDown", 503, StoreUnavailable),
        ("InternalError", 500, StoreUnavailable),
        ("InternalError", 200, StoreUnavailable),
        ("SomethingNew", 502, StoreUnavailable),
        ("TooManyRequestsException", 429, StoreUnavailable),
        ("ConditionalRequestConflict", 409, StoreUnavailable),
        ("OperationAborted", 409, StoreUnavailable),
        ("RequestTimeout", 400, StoreUnavailable),
        ("BadDigest", 400, StoreUnavailable),
        ("XAmzContentSHA256Mismatch", 400, StoreUnavailable),
        ("QuotaExceeded", 403, StoreFull),
        ("XMinioStorageFull", 507, StoreFull),
        ("InsufficientCapacity", 507, StoreFull),
        ("507", 507, StoreFull),
        ("NotImplemented", 501, StoreUnfit),
        ("MethodNotAllowed", 405, StoreUnfit),
        ("InvalidObjectState", 403, StoreUnfit),
        ("InvalidRange", 416, ObjectCorrupt),
        ("EntityTooLarge", 400, StoreError),
        ("", 0, StoreError),
    ],
)
def test_an_answer_is_judged_by_its_code_then_by_its_status(
    code: str, status: int, expected: type[DrorchError]
) -> None:
    assert type(translated(answer(code, status), "s3://bucket", "put a")) is expected


def test_a_wrong_clock_is_named_as_such() -> None:
    assert "clock" in translated(answer("RequestTimeTooSkewed", 403), "s3://bucket", "put a").hint


def test_a_certificate_that_is_not_trusted_is_no_passing_fault() -> None:
    error = foreign.SSLError(endpoint_url="https://store", error="certificate verify failed: self-signed certificate")
    ours = translated(error, "s3://bucket", "put a")
    assert isinstance(ours, StoreUnfit)
    assert "ca_bundle" in ours.hint


def test_a_server_cannot_write_on_the_terminal() -> None:
    ours = translated(answer("AccessDenied", 403, "\x1b[2Jall fine\r\nreally" + "x" * 1_000), "s3://bucket", "put a")
    assert ours.found.isprintable()
    assert len(ours.found) <= 200
