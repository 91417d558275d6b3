"""A tiny S3 server in this process: correct by default, with the faults of the field on demand, and with AWS's permissions.

    with QuirkyS3() as server:
        quirk = server.plan(slow_down(times=3))
        ...
        assert quirk.fired == 3

It enforces IAM policies (``tests/support/iam.py``), which no free server does in full: ``s3:if-none-match``, and
"403 instead of 404" for a credential whose ``ListBucket`` has a condition. Signatures are not checked.
"""

import base64
import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.support import iam


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # keys in lower case
    body: bytes

    @property
    def access_key(self) -> str:
        _before, _mark, rest = self.headers.get("authorization", "").partition("Credential=")
        return rest.partition("/")[0]


@dataclass(kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sends_bytes: int | None = None  # break the connection after so many bytes of the body
    is_lost: bool = False  # applied, and the connection breaks before a word is answered


@dataclass(frozen=True)
class Stored:
    content: bytes
    stored_at: datetime
    checksum: str | None

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


Next = Callable[[Request], Answer]


@dataclass(kw_only=True)
class Quirk:
    """What the server does in place of the right thing, for requests that ``fits`` takes, ``times`` times."""

    fits: Callable[[Request], bool]
    act: Callable[[Request, Next], Answer]
    times: int = 10**9
    fired: int = 0


def error(status: int, code: str, message: str = "", extra: str = "") -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message or code)}</Message>{extra}</Error>"
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def always(answer: Callable[[], Answer], method: str = "", times: int = 10**9, part: str = "") -> Quirk:
    """A quirk that answers ``answer()`` to every request of a method whose key holds ``part``."""
    return Quirk(
        fits=lambda request: request.method.startswith(method) and part in request.key,
        act=lambda _request, _next: answer(),
        times=times,
    )


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class QuirkyS3:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {"bucket": {}}
        self.policies: dict[str, list[iam.Policy]] = {}  # an access key that is not here may do everything
        self.requests: list[Request] = []
        self.quirks: list[Quirk] = []
        self.is_secure = tls is not None
        self._lock = threading.Lock()
        self._server = QuietServer(("127.0.0.1", 0), self._handler())
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http{'s' * self.is_secure}://localhost:{self._server.server_address[1]}"

    def plan(self, quirk: Quirk) -> Quirk:
        self.quirks.append(quirk)
        return quirk

    def answer(self, request: Request) -> Answer:
        """Answer one request: through the quirks that fit, each standing before the ones planned earlier."""
        with self._lock:
            self.requests.append(request)
            chosen = [quirk for quirk in self.quirks if quirk.fired < quirk.times and quirk.fits(request)][-1:]
            for quirk in chosen:
                quirk.fired += 1
        if chosen:
            return chosen[0].act(request, self.answer_rightly)
        return self.answer_rightly(request)

    def answer_rightly(self, request: Request) -> Answer:
        objects = self.buckets.get(request.bucket)
        if objects is None:
            return error(404, "NoSuchBucket")
        with self._lock:
            if "delete" in request.query:
                return self._delete_many(request, objects)
            if not all(self._may(request, *needed) for needed in needs(request)):
                return error(403, "AccessDenied")
            if not request.key:
                return list_versions() if "versions" in request.query else list_objects(request, objects)
            return self._object(request, objects)

    def _object(self, request: Request, objects: dict[str, Stored]) -> Answer:
        if request.method in {"GET", "HEAD"}:
            if request.key not in objects:
                may_know = self._may(request, "s3:ListBucket", request.bucket, {})
                return error(404, "NoSuchKey") if may_know else error(403, "AccessDenied")
            return get(request, objects[request.key])
        if request.method == "DELETE":
            objects.pop(request.key, None)
            return Answer(status=204)
        if "uploads" in request.query:
            return Answer(body=b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        if "tagging" in request.query:
            return Answer()
        if "x-amz-copy-source" in request.headers:
            return Answer(body=b'<CopyObjectResult><ETag>"1"</ETag></CopyObjectResult>')
        return put(request, objects)

    def _delete_many(self, request: Request, objects: dict[str, Stored]) -> Answer:
        if not request.headers.get("content-md5"):
            return error(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
        refused = ""
        for element in ET.fromstring(request.body).iter():
            if element.tag.endswith("Key"):
                key = element.text or ""
                if self._may(request, "s3:DeleteObject", f"{request.bucket}/{key}", {}):
                    objects.pop(key, None)
                else:
                    refused += f"<Error><Key>{key}</Key><Code>AccessDenied</Code></Error>"
        return Answer(body=f"<DeleteResult>{refused}</DeleteResult>".encode())

    def _may(self, request: Request, action: str, resource: str, context: Mapping[str, str]) -> bool:
        policies = self.policies.get(request.access_key)
        secure = {"aws:SecureTransport": str(self.is_secure).lower()}
        return policies is None or iam.is_allowed(policies, action, f"arn:aws:s3:::{resource}", {**context, **secure})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # a whole answer in one packet

            def handle_expect_100(self) -> bool:
                is_welcome = super().handle_expect_100()
                self.wfile.flush()
                return is_welcome

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                _empty, bucket, *rest = unquote(parts.path).split("/", 2)
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(
                    method=self.command,
                    bucket=bucket,
                    key=rest[0] if rest else "",
                    query={key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()},
                    headers={key.lower(): value for key, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
                send(self, server.answer(request))

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer  # noqa: N815 - names of http.server

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer.is_lost:
        handler.close_connection = True
        return
    handler.send_response_only(answer.status)
    answer.headers.setdefault("Date", handler.date_time_string())
    for key, value in answer.headers.items():
        handler.send_header(key, value)
    if answer.status != 204 and "Content-Length" not in answer.headers:
        handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(answer.body[: answer.sends_bytes])
    if answer.sends_bytes is not None:
        handler.close_connection = True
    handler.wfile.flush()


def needs(request: Request) -> list[tuple[str, str, dict[str, str]]]:
    """The permissions that AWS asks for: action, resource, context."""
    resource, query, headers = f"{request.bucket}/{request.key}", request.query, request.headers
    version = "Version" * ("versionId" in query)
    if not request.key:
        action = "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket"
        return [(action, request.bucket, {"s3:prefix": query["prefix"]} if "prefix" in query else {})]
    if request.method in {"GET", "HEAD"}:
        return [(f"s3:GetObject{version}", resource, {})]
    if request.method == "DELETE":
        return [(f"s3:DeleteObject{version}", resource, {})]
    if "tagging" in query:
        return [("s3:PutObjectTagging", resource, {})]
    condition = {"s3:if-none-match": headers["if-none-match"]} if "if-none-match" in headers else {}
    source = headers.get("x-amz-copy-source")
    return [("s3:PutObject", resource, condition), *([("s3:GetObject", unquote(source), {})] if source else [])]


def put(request: Request, objects: dict[str, Stored]) -> Answer:
    if request.headers.get("if-none-match") == "*" and request.key in objects:
        return error(412, "PreconditionFailed")
    sent, digest = request.headers.get("x-amz-checksum-sha256"), hashlib.sha256(request.body).digest()
    signed = request.headers.get("x-amz-content-sha256", "")
    if (sent and sent != base64.b64encode(digest).decode()) or (len(signed) == 64 and signed != digest.hex()):
        return error(400, "BadDigest")
    stored = Stored(request.body, datetime.now(UTC), sent)
    objects[request.key] = stored
    return Answer(headers={"ETag": stored.etag})


def get(request: Request, stored: Stored) -> Answer:
    headers = {"ETag": stored.etag, "Last-Modified": format_datetime(stored.stored_at, usegmt=True)}
    content, total = stored.content, len(stored.content)
    if request.method == "HEAD":
        return Answer(headers=headers | {"Content-Length": str(total)})
    if "range" not in request.headers:
        if stored.checksum and request.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = stored.checksum
        return Answer(body=content, headers=headers)
    first, last = (int(number) for number in request.headers["range"].removeprefix("bytes=").split("-"))
    if first >= total:
        return error(416, "InvalidRange")
    part = content[first : last + 1]
    headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{total}"
    return Answer(status=206, body=part, headers=headers)


def list_versions() -> Answer:
    return Answer(body=b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>")


def list_objects(request: Request, objects: dict[str, Stored], page: int = 1_000) -> Answer:
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter")
    after = request.query.get("continuation-token", "")
    keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
    if delimiter:
        folders = {prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
        items = "".join(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>" for name in sorted(folders))
        return Answer(body=f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode())
    items = "".join(
        f"<Contents><Key>{quote(key)}</Key><Size>{len(objects[key].content)}</Size>"
        f"<LastModified>{objects[key].stored_at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
        for key in keys[:page]
    )
    more = len(keys) > page
    token = f"<NextContinuationToken>{keys[page - 1]}</NextContinuationToken>" if more else ""
    return Answer(
        body=f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{token}{items}</ListBucketResult>".encode()
    )


# What providers were seen to do.


def slow_down(times: int) -> Quirk:
    return always(lambda: error(503, "SlowDown"), times=times)


def lost_acknowledgement() -> Quirk:
    def apply_and_vanish(request: Request, rightly: Next) -> Answer:
        rightly(request)
        return Answer(is_lost=True)

    return Quirk(fits=lambda request: request.method == "PUT", act=apply_and_vanish, times=1)


def error_in_success(method: str) -> Quirk:
    failure = error(500, "InternalError", "We encountered an internal error. Please try again.")
    return always(lambda: Answer(status=200, body=failure.body), method, times=1)


def truncated_body(times: int = 1) -> Quirk:
    def half(request: Request, rightly: Next) -> Answer:
        answer = rightly(request)
        answer.sends_bytes = len(answer.body) // 2
        return answer

    return Quirk(fits=lambda request: request.method == "GET" and bool(request.key), act=half, times=times)


def ignores_conditions() -> Quirk:
    def unconditional(request: Request, rightly: Next) -> Answer:
        headers = {key: value for key, value in request.headers.items() if key != "if-none-match"}
        return rightly(Request(**{**vars(request), "headers": headers}))

    return Quirk(fits=lambda request: request.method == "PUT", act=unconditional)


def knows_no_conditions() -> Quirk:
    message = "A header you provided implies functionality that is not implemented"
    return always(lambda: error(501, "NotImplemented", message, "<Header>If-None-Match</Header>"), "PUT")


def refuses_checksum_headers() -> Quirk:
    return Quirk(
        fits=lambda request: any(key.startswith("x-amz-checksum-") for key in request.headers),
        act=lambda _request, _next: error(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256'"),
    )


def demands_checksum_headers() -> Quirk:
    message = (
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )
    return Quirk(
        fits=lambda request: request.method == "PUT" and "x-amz-checksum-sha256" not in request.headers,
        act=lambda _request, _next: error(400, "InvalidRequest", message),
    )


def stale_listing(seconds: float) -> Quirk:
    """Objects appear in listings only ``seconds`` after their put."""

    def old_only(request: Request, rightly: Next) -> Answer:
        answer = rightly(request)
        root = ET.fromstring(answer.body)
        for item in root.findall("Contents"):
            stored_at = datetime.fromisoformat(item.findtext("LastModified", ""))
            if time.time() - stored_at.timestamp() < seconds:
                root.remove(item)
        answer.body = ET.tostring(root)
        return answer

    return Quirk(fits=lambda request: request.method == "GET" and not request.key, act=old_only)


def ignores_ranges() -> Quirk:
    def whole(request: Request, rightly: Next) -> Answer:
        headers = {key: value for key, value in request.headers.items() if key != "range"}
        return rightly(Request(**{**vars(request), "headers": headers}))

    return Quirk(fits=lambda request: "range" in request.headers, act=whole)


def cuts_listings_short() -> Quirk:
    def without_token(request: Request, rightly: Next) -> Answer:
        answer = rightly(request)
        answer.body = answer.body.replace(b">false</IsTruncated>", b">true</IsTruncated>")
        return answer

    return Quirk(fits=lambda request: request.method == "GET" and not request.key, act=without_token, times=1)
