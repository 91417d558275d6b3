"""The one border where errors of boto3 and of S3 servers become ours. None of them carries a secret across.

A server's answer is judged by its code, then by its HTTP status; an exception of the client by its class, the
nearest ancestor in ``CLIENT_FAILURES`` deciding.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3.exceptions
from boto3.exceptions import Boto3Error
from botocore import exceptions as foreign
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

# Everything that a call of the client, or reading a body, was seen to raise or could.
FOREIGN = (
    foreign.BotoCoreError,
    foreign.ClientError,
    foreign.UndefinedModelAttributeError,
    Boto3Error,
    ResponseParserError,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a failure is for us, and what the operator can do."""

    error: type[DrorchError]
    message: str
    hint: str = ""


_NO_ANSWER = Meaning(StoreUnavailable, "does not answer")
_BROKEN_ANSWER = Meaning(StoreUnavailable, "broke off its answer")
_NO_CREDENTIAL = Meaning(
    StoreDenied,
    "has no credential from us",
    "give access_key and secret_key in drorch.yaml, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
)
_BAD_CONFIGURATION = Meaning(StoreMissing, "cannot be addressed", "check endpoint, region, bucket and AWS profile")
_CLOCK = Meaning(
    StoreUnavailable, "finds our clock wrong", "set this machine's clock (chrony); requests are signed with the time"
)
_REFUSED = Meaning(StoreDenied, "refused the call", "check the credential and the policy that it has")
_KEY_WRONG = Meaning(StoreDenied, "refused the credential", "check access_key and secret_key")
_EXPIRED = Meaning(StoreDenied, "refused an expired credential", "log in again, or give a lasting key")
_BUSY = Meaning(StoreUnavailable, "is busy")
_DAMAGED = Meaning(StoreUnavailable, "received other bytes than we sent")
_NO_BUCKET = Meaning(StoreMissing, "has no such bucket", "check its name, and that it exists; drorch makes none")
_ELSEWHERE = Meaning(StoreMissing, "keeps the bucket elsewhere", "set the bucket's region")
_FULL = Meaning(StoreFull, "has no room left", "raise the quota or free space")
_UNKNOWN_CALL = Meaning(StoreUnfit, "does not know a call that drorch needs", "`drorch store validate` tells what")
_ARCHIVED = Meaning(StoreUnfit, "has moved the object to an archive", "restore it from the archive class first")
_MISSING = Meaning(ObjectMissing, "has no such object")
_TOO_SHORT = Meaning(ObjectCorrupt, "holds a shorter object than asked for")
_OTHER = Meaning(StoreError, "refused the request")
_OUR_BUG = Meaning(Bug, "was asked in a way that the client library refuses")

SERVER_CODES: dict[str, Meaning] = {
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion"), _MISSING),
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName"), _NO_BUCKET),
    **dict.fromkeys(
        (
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        ),
        _ELSEWHERE,
    ),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess"), _REFUSED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp"), _KEY_WRONG),
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired", "InvalidToken"), _EXPIRED),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), _CLOCK),
    **dict.fromkeys(
        (
            "SlowDown",
            "ServiceUnavailable",
            "InternalError",
            "RequestTimeout",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "BandwidthLimitExceeded",
            "OperationAborted",
            "ConditionalRequestConflict",  # two puts at once; asked again, one of them finds the other's object
        ),
        _BUSY,
    ),
    **dict.fromkeys(
        ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"), _DAMAGED
    ),
    **dict.fromkeys(("NotImplemented", "MethodNotAllowed"), _UNKNOWN_CALL),
    "InvalidRange": _TOO_SHORT,
    "InvalidObjectState": _ARCHIVED,
}
# Providers have many names for a full store: QuotaExceeded, XMinioStorageFull, InsufficientCapacity, ...
_FULL_CODE = re.compile(r"quota|storage_?full|insufficient_?(?:storage|capacity)|disk_?full", re.IGNORECASE)

HTTP_STATUSES: dict[int, Meaning] = {
    301: _ELSEWHERE,
    307: _ELSEWHERE,
    401: _KEY_WRONG,
    403: _REFUSED,
    404: _MISSING,
    405: _UNKNOWN_CALL,
    408: _BUSY,
    409: _BUSY,
    416: _TOO_SHORT,
    429: _BUSY,
    501: _UNKNOWN_CALL,
    507: _FULL,
}

CLIENT_FAILURES: dict[type[Exception], Meaning] = {
    # the network
    foreign.HTTPClientError: _NO_ANSWER,
    foreign.ConnectionError: _NO_ANSWER,
    foreign.ResponseStreamingError: _BROKEN_ANSWER,
    foreign.IncompleteReadError: _BROKEN_ANSWER,
    foreign.PaginationError: _BROKEN_ANSWER,
    foreign.EventStreamError: _BROKEN_ANSWER,
    foreign.CapacityNotAvailableError: _BUSY,
    ResponseParserError: _BROKEN_ANSWER,
    urllib3.exceptions.HTTPError: _BROKEN_ANSWER,
    http.client.HTTPException: _BROKEN_ANSWER,
    OSError: _NO_ANSWER,
    # bytes that are not what their checksum says
    foreign.ChecksumError: Meaning(ObjectCorrupt, "sent an object that fails its checksum"),
    foreign.FlexibleChecksumError: Meaning(ObjectCorrupt, "sent an object that fails its checksum"),
    # credentials
    foreign.NoCredentialsError: _NO_CREDENTIAL,
    foreign.PartialCredentialsError: _NO_CREDENTIAL,
    foreign.CredentialRetrievalError: _NO_CREDENTIAL,
    foreign.UnknownCredentialError: _NO_CREDENTIAL,
    foreign.NoAuthTokenError: _NO_CREDENTIAL,
    foreign.TokenRetrievalError: _NO_CREDENTIAL,
    foreign.UnknownTokenProviderError: _NO_CREDENTIAL,
    foreign.MetadataRetrievalError: _NO_CREDENTIAL,
    foreign.RefreshWithMFAUnsupportedError: _NO_CREDENTIAL,
    foreign.SSOError: _NO_CREDENTIAL,
    foreign.LoginError: _NO_CREDENTIAL,
    foreign.InvalidIMDSEndpointError: _NO_CREDENTIAL,
    foreign.InvalidIMDSEndpointModeError: _NO_CREDENTIAL,
    # where and how the store is addressed
    foreign.BaseEndpointResolverError: _BAD_CONFIGURATION,
    foreign.EndpointProviderError: _BAD_CONFIGURATION,
    foreign.InvalidEndpointConfigurationError: _BAD_CONFIGURATION,
    foreign.InvalidEndpointDiscoveryConfigurationError: _BAD_CONFIGURATION,
    foreign.UnknownRegionError: _BAD_CONFIGURATION,
    foreign.InvalidRegionError: _BAD_CONFIGURATION,
    foreign.ServiceNotInRegionError: _BAD_CONFIGURATION,
    foreign.ProfileNotFound: _BAD_CONFIGURATION,
    foreign.ConfigParseError: _BAD_CONFIGURATION,
    foreign.ConfigNotFound: _BAD_CONFIGURATION,
    foreign.InvalidConfigError: _BAD_CONFIGURATION,
    foreign.InvalidDNSNameError: _NO_BUCKET,
    foreign.InvalidHostLabelError: _NO_BUCKET,
    foreign.InvalidProxiesConfigError: _BAD_CONFIGURATION,
    foreign.InvalidDefaultsMode: _BAD_CONFIGURATION,
    foreign.InvalidChecksumConfigError: _BAD_CONFIGURATION,
    foreign.InvalidRetryConfigurationError: _BAD_CONFIGURATION,
    foreign.InvalidS3AddressingStyleError: _BAD_CONFIGURATION,
    foreign.InvalidS3UsEast1RegionalEndpointConfigError: _BAD_CONFIGURATION,
    foreign.InvalidSTSRegionalEndpointsConfigError: _BAD_CONFIGURATION,
    foreign.UnsupportedS3ArnError: _NO_BUCKET,
    foreign.UnsupportedS3ControlArnError: _NO_BUCKET,
    foreign.UnsupportedOutpostResourceError: _NO_BUCKET,
    foreign.UnsupportedS3ConfigurationError: _BAD_CONFIGURATION,
    foreign.UnsupportedS3AccesspointConfigurationError: _BAD_CONFIGURATION,
    foreign.UnsupportedS3ControlConfigurationError: _BAD_CONFIGURATION,
    # the installation, or we
    foreign.BotoCoreError: _OTHER,
    foreign.ClientError: _OTHER,
    foreign.DataNotFoundError: _OUR_BUG,
    foreign.ApiVersionNotFoundError: _OUR_BUG,
    foreign.UnknownSignatureVersionError: _OUR_BUG,
    foreign.UnsupportedSignatureVersionError: _OUR_BUG,
    foreign.MissingParametersError: _OUR_BUG,
    foreign.ValidationError: _OUR_BUG,
    foreign.ParamValidationError: _OUR_BUG,
    foreign.UnknownServiceStyle: _OUR_BUG,
    foreign.OperationNotPageableError: _OUR_BUG,
    foreign.UnseekableStreamError: _OUR_BUG,
    foreign.WaiterError: _OUR_BUG,
    foreign.WaiterConfigError: _OUR_BUG,
    foreign.InvalidExpressionError: _OUR_BUG,
    foreign.UnknownClientMethodError: _OUR_BUG,
    foreign.StubResponseError: _OUR_BUG,
    foreign.MD5UnavailableError: _OUR_BUG,
    foreign.MissingDependencyException: _OUR_BUG,
    foreign.UndefinedModelAttributeError: _OUR_BUG,
    foreign.AwsChunkedWrapperError: _OUR_BUG,
    foreign.UnsupportedServiceProtocolsError: _OUR_BUG,
    Boto3Error: _OUR_BUG,
}


@contextmanager
def our_errors(address: str, subject: str) -> Iterator[None]:
    """Turn a foreign exception of the body into ours; ``subject`` is the object or call that it is about."""
    try:
        yield
    except FOREIGN as error:
        raise translated(error, address, subject) from error


def translated(error: Exception, address: str, subject: str) -> DrorchError:
    """Return what ``error`` means."""
    if isinstance(error, foreign.ClientError):
        meaning, found = _of_server(error), _answer(error)
    else:
        meaning, found = _of_client(error), _shown(str(error) or type(error).__name__)
    return meaning.error(f"{address} {meaning.message} ({subject})", found=found, hint=meaning.hint)


def code_of(error: foreign.ClientError) -> str:
    """Return the code that the server gave, such as ``NoSuchKey``; for a HEAD it is the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: foreign.ClientError) -> int:
    """Return the HTTP status of the answer; 0 when there was none."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


def is_refusal(error: BaseException | None) -> bool:
    """Whether the server knows the credential and refuses it this call."""
    return isinstance(error, foreign.ClientError) and code_of(error) in {"AccessDenied", "403"}


def speaks_of_checksums(error: foreign.ClientError) -> bool:
    """Whether the server refuses a checksum header, or asks for one: providers do either."""
    details: dict[str, Any] = error.response.get("Error", {})
    text = " ".join(str(value) for value in details.values()).lower()
    is_refusal = status_of(error) in {400, 501} and SERVER_CODES.get(code_of(error)) is not _DAMAGED
    return is_refusal and any(word in text for word in ("checksum", "content-md5", "contentmd5"))


def _of_server(error: foreign.ClientError) -> Meaning:
    code, status = code_of(error), status_of(error)
    if code in SERVER_CODES:
        return SERVER_CODES[code]
    if _FULL_CODE.search(code):
        return _FULL
    if status in HTTP_STATUSES:
        return HTTP_STATUSES[status]
    return _BUSY if status >= 500 else _OTHER


def _of_client(error: Exception) -> Meaning:
    if isinstance(error, foreign.SSLError) and "certificate" in str(error).lower():
        return Meaning(StoreUnfit, "shows a certificate that we do not trust", "give ca_bundle, or check its name")
    for ancestor in type(error).__mro__:
        if issubclass(ancestor, Exception) and ancestor in CLIENT_FAILURES:
            return CLIENT_FAILURES[ancestor]
    return _OTHER


def _answer(error: foreign.ClientError) -> str:
    message = str(error.response.get("Error", {}).get("Message", ""))
    words = (str(status_of(error) or ""), code_of(error), message)
    return _shown(" ".join(dict.fromkeys(words)))  # of a HEAD the code is the status


def _shown(text: str) -> str:
    """One line of at most 200 printable characters: a server must not write on the operator's terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]
