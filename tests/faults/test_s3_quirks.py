"""What S3 providers were seen to do wrong, each on a server that does it, and what we make of it."""

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drorch.errors import (
    DrorchError,
    ObjectCorrupt,
    ObjectMissing,
    StoreDenied,
    StoreFull,
    StoreMissing,
    StoreUnavailable,
    StoreUnfit,
)
from drorch.storage.interface import PutOutcome
from drorch.storage.retrying import RetryingStore
from drorch.storage.s3 import S3Store
from drorch.storage.validation import validate
from tests.support import quirky_s3
from tests.support.manual_clock import ManualClock
from tests.support.quirky_s3 import Answer, Quirk, QuirkyS3, Request, always, error

SECRET = "canary-b7e1c2"


@pytest.fixture
def server() -> Iterator[QuirkyS3]:
    with QuirkyS3() as server:
        yield server


@pytest.fixture
def store(server: QuirkyS3) -> Iterator[S3Store]:
    store = connect(server)
    yield store
    store.close()


def connect(server: QuirkyS3, **options: Any) -> S3Store:
    defaults = dict(bucket="bucket", prefix="main", endpoint=server.endpoint, access_key="key", secret_key=SECRET)
    return S3Store(**{**defaults, "read_timeout_seconds": 5, **options})


def patient(store: S3Store) -> RetryingStore:
    return RetryingStore(store, clock=ManualClock(), random_fraction=lambda: 1.0)


def unfit(store: S3Store) -> set[str]:
    """The checks of `drorch store validate` that fail."""
    findings = validate(
        store, now=datetime.now(UTC), random_bytes=lambda size: b"r" * size, listing_length=20, largest_bytes=70_000
    )
    return {finding.name for finding in findings if not finding.passed}


def test_the_server_without_a_quirk_is_fit(store: S3Store) -> None:
    assert unfit(store) == set()


# --- busy, broken, lost: tried again ---


def test_a_burst_of_slow_down_is_sat_out(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.slow_down(times=5))
    assert patient(store).put_if_absent("a", b"x") is PutOutcome.CREATED
    assert quirk.fired == 5


def test_slow_down_without_end_is_said(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.slow_down(times=10**6))
    with pytest.raises(StoreUnavailable, match="is busy"):
        patient(store).put_if_absent("a", b"x")
    assert quirk.fired > 2  # how often within the deadline is up to the machine


def test_our_client_alone_asks_once(server: QuirkyS3, store: S3Store) -> None:
    server.plan(quirky_s3.slow_down(times=10))
    with pytest.raises(StoreUnavailable):
        store.put_if_absent("a", b"x")
    with pytest.raises(StoreUnavailable):
        store.read("a", limit_bytes=10)
    assert len(server.requests) == 2


def test_a_put_whose_answer_was_lost_is_found_to_exist(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.lost_acknowledgement())
    assert patient(store).put_if_absent("a", b"x") is PutOutcome.EXISTED
    assert (quirk.fired, store.read("a", limit_bytes=10)) == (1, b"x")


def test_an_error_in_the_body_of_a_200_is_no_success(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.error_in_success("PUT"))
    with pytest.raises(StoreUnavailable):
        store.put_if_absent("a", b"x")
    assert quirk.fired == 1
    assert patient(store).put_if_absent("a", b"x") is PutOutcome.CREATED


def test_an_empty_200_without_an_etag_is_no_success(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(always(Answer, "PUT", times=1))
    with pytest.raises(StoreUnavailable, match="did not confirm"):
        store.put_if_absent("a", b"x")
    assert quirk.fired == 1


def test_an_error_page_in_place_of_an_object_is_not_its_content(server: QuirkyS3, store: S3Store) -> None:
    store.put_if_absent("a", b"x")
    quirk = server.plan(quirky_s3.error_in_success("GET"))
    with pytest.raises(StoreUnavailable, match="no object"):
        store.read("a", limit_bytes=10_000)
    assert quirk.fired == 1


def test_a_body_cut_short_is_read_again(server: QuirkyS3, store: S3Store) -> None:
    content = bytes(range(256)) * 1_000
    store.put_if_absent("a", content)
    quirk = server.plan(quirky_s3.truncated_body(times=2))
    with pytest.raises(StoreUnavailable):
        store.read_range("a", 10, 200_000)
    assert patient(store).read("a", limit_bytes=len(content)) == content
    assert quirk.fired == 2


def test_a_conflict_of_two_puts_at_once_is_asked_again(server: QuirkyS3, store: S3Store) -> None:
    def the_other_wins(request: Request, rightly: quirky_s3.Next) -> Answer:
        rightly(request)
        return error(409, "ConditionalRequestConflict")

    quirk = server.plan(Quirk(fits=lambda request: request.method == "PUT", act=the_other_wins, times=1))
    assert patient(store).put_if_absent("a", b"x") is PutOutcome.EXISTED
    assert quirk.fired == 1


def test_bytes_damaged_on_the_way_are_sent_again(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(always(lambda: error(400, "BadDigest", "The Content-MD5 you specified"), "PUT", times=1))
    assert patient(store).put_if_absent("a", b"x") is PutOutcome.CREATED
    assert quirk.fired == 1


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with QuirkyS3() as gone:
        store = connect(gone)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.read("a", limit_bytes=10)
    with pytest.raises(StoreUnavailable):
        list(store.list_objects(""))


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    given_up = threading.Event()

    def answer_late() -> Answer:
        given_up.wait(20)
        return Answer()

    with QuirkyS3() as server:
        quirk = server.plan(always(answer_late, times=1))
        store = connect(server, read_timeout_seconds=0.3)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.read("a", limit_bytes=10)
        given_up.set()
        assert quirk.fired == 1


# --- listings ---


def test_a_listing_cut_short_is_an_error_and_never_absence(server: QuirkyS3, store: S3Store) -> None:
    store.put_if_absent("a", b"x")
    quirk = server.plan(quirky_s3.cuts_listings_short())
    with pytest.raises(StoreUnavailable, match="cut a listing short"):
        list(store.list_objects(""))
    assert [found.name for found in patient(store).list_objects("")] == ["a"]
    assert quirk.fired == 1


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"<ListBucketResult", b"\xff\xfe", b"{}"])
def test_a_page_that_is_no_listing_is_an_error_and_never_absence(server: QuirkyS3, store: S3Store, body: bytes) -> None:
    quirk = server.plan(always(lambda: Answer(body=body), "GET", times=1))
    with pytest.raises(StoreUnavailable):
        list(store.list_objects(""))
    assert quirk.fired == 1


def test_a_listing_that_breaks_on_its_second_page_goes_on_behind_the_first(server: QuirkyS3, store: S3Store) -> None:
    for number in range(1_500):
        server.answer(Request(method="PUT", bucket="bucket", key=f"main/{number:06d}", query={}, headers={}, body=b""))
    quirk = server.plan(
        Quirk(
            fits=lambda request: "continuation-token" in request.query,
            act=lambda _request, _next: error(503, "SlowDown"),
            times=2,
        )
    )
    names = [found.name for found in patient(store).list_objects("")]
    assert names == [f"{number:06d}" for number in range(1_500)]
    assert quirk.fired == 2


def test_an_error_while_a_listing_is_read_is_ours(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(always(lambda: error(403, "AccessDenied"), "GET"))
    listing = store.list_objects("")
    with pytest.raises(StoreDenied):
        next(listing)
    assert quirk.fired == 1


def test_names_outside_what_was_asked_are_refused(server: QuirkyS3, store: S3Store) -> None:
    body = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>other/secret</Key><Size>1</Size>"
        b"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )
    server.plan(always(lambda: Answer(body=body), "GET"))
    with pytest.raises(StoreUnfit, match="not asked for"):
        list(store.list_objects(""))


def test_a_listing_that_lags_is_reported_unfit(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.stale_listing(seconds=3_600))
    assert "list-after-write" in unfit(store)
    assert quirk.fired > 0


# --- conditions, ranges, checksums ---


def test_a_provider_that_ignores_the_condition_is_reported_unfit(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.ignores_conditions())
    assert {"put-if-absent", "concurrent-put"} <= unfit(store)
    assert quirk.fired > 0


def test_a_provider_without_conditions_is_unfit_at_the_first_put(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.knows_no_conditions())
    with pytest.raises(StoreUnfit, match="only if its name is free"):
        patient(store).put_if_absent("a", b"x")
    assert quirk.fired == 1


def test_a_provider_that_ignores_ranges_is_unfit(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.ignores_ranges())
    store.put_if_absent("a", bytes(100))
    with pytest.raises(StoreUnfit, match="ranges"):
        store.read_range("a", 10, 10)
    assert quirk.fired == 1


def test_of_a_provider_that_sends_more_than_was_asked_for_nothing_is_read(
    server: QuirkyS3, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(request: Request, rightly: quirky_s3.Next) -> Answer:
        answer = rightly(request)
        answer.body += bytes(1_000_000)
        return answer

    quirk = server.plan(Quirk(fits=lambda request: request.method == "GET" and bool(request.key), act=too_much))
    store.put_if_absent("a", bytes(100))
    monkeypatch.setattr(S3Store, "_body", lambda *_: pytest.fail("it may be longer than our memory"))
    with pytest.raises(ObjectCorrupt, match="a is not as long"):
        store.read_range("a", 10, 10)
    assert quirk.fired == 1


def test_a_provider_that_demands_a_checksum_gets_one_from_then_on(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(quirky_s3.demands_checksum_headers())
    for name in ("a", "b", "c"):
        assert store.put_if_absent(name, b"x") is PutOutcome.CREATED
    assert quirk.fired == 1
    assert len(server.requests) == 4


def test_a_provider_without_bulk_delete_is_asked_one_by_one(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(always(lambda: error(501, "NotImplemented"), "POST"))
    store.put_if_absent("a", b"")
    store.put_if_absent("b", b"")
    store.delete(["a", "b", "c"])
    assert list(store.list_objects("")) == []
    assert quirk.fired == 1


def test_a_bulk_delete_that_fails_for_one_name_fails(server: QuirkyS3, store: S3Store) -> None:
    body = (
        b"<DeleteResult><Error><Key>main/a</Key><Code>NoSuchKey</Code></Error>"
        b"<Error><Key>main/b</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>"
    )
    quirk = server.plan(always(lambda: Answer(body=body), "POST"))
    with pytest.raises(StoreDenied, match="delete main/a and 1 more"):
        store.delete(["a", "b"])
    assert quirk.fired == 1


def test_a_store_that_is_full_is_said_to_be(server: QuirkyS3, store: S3Store) -> None:
    quirk = server.plan(always(lambda: error(403, "QuotaExceeded"), "PUT"))
    with pytest.raises(StoreFull):
        patient(store).put_if_absent("a", b"x")
    assert quirk.fired == 1


# --- clocks ---


def test_a_wrong_clock_is_named_and_the_stores_time_is_told_all_the_same(server: QuirkyS3, store: S3Store) -> None:
    def skewed() -> Answer:
        answer = error(
            403, "RequestTimeTooSkewed", "The difference between the request time and the server's is too large"
        )
        answer.headers["Date"] = "Sun, 22 Nov 2026 08:00:00 GMT"
        return answer

    quirk = server.plan(always(skewed))
    with pytest.raises(StoreUnavailable) as caught:
        store.put_if_absent("a", b"x")
    assert "clock" in caught.value.hint
    server.plan(always(lambda: Answer(status=403, headers={"Date": "Sun, 22 Nov 2026 08:00:00 GMT"}), "HEAD"))
    assert store.server_time() == datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    assert quirk.fired == 1


# --- credentials and configuration ---


@pytest.mark.parametrize(
    "options",
    [
        dict(endpoint="localhost:9000"),
        dict(endpoint="ftp://localhost"),
        dict(endpoint="http://localhost/some/path"),
        dict(endpoint=f"https://user:{SECRET}@localhost"),
        dict(endpoint="http://"),
    ],
)
def test_an_endpoint_that_is_none_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(StoreMissing) as caught:
        S3Store(bucket="bucket", access_key="a", secret_key="b", **options)  # type: ignore[arg-type]
    assert SECRET not in f"{caught.value.message} {caught.value.expected} {caught.value.found} {caught.value.hint}"


def test_without_any_credential_the_operator_is_told(server: QuirkyS3) -> None:
    store = connect(server, access_key=None, secret_key=None)
    with pytest.raises(StoreDenied, match="no credential"):
        store.read("a", limit_bytes=10)
    for half in (dict(access_key=None), dict(secret_key=None)):
        with pytest.raises(StoreDenied, match="only half"):
            connect(server, **half)


def test_a_bucket_name_that_cannot_be_is_no_bug_of_ours(server: QuirkyS3) -> None:
    for name in ("No Bucket!", "", "a/b", "../x"):
        with pytest.raises(StoreMissing, match="not the name of a bucket"):
            connect(server, bucket=name)


@pytest.mark.parametrize(
    "answer",
    [
        error(403, "SignatureDoesNotMatch", f"StringToSign {SECRET[:3]}"),
        error(403, "InvalidAccessKeyId"),
        error(500, "InternalError"),
        Answer(status=400, body=b"<html>"),
        Answer(is_lost=True),
    ],
)
def test_no_error_carries_the_secret_key(server: QuirkyS3, store: S3Store, answer: Answer) -> None:
    server.plan(always(lambda: answer))
    calls: list[Callable[[], object]] = [
        lambda: store.put_if_absent("a", b"x"),
        lambda: store.read("a", limit_bytes=10),
        lambda: list(store.list_objects("")),
        lambda: store.delete(["a"]),
    ]
    for call in calls:
        with pytest.raises(DrorchError) as caught:
            call()
        chain: BaseException | None = caught.value
        while chain:
            assert SECRET not in f"{chain!r} {chain} {vars(chain)}"
            chain = chain.__cause__ or chain.__context__
    assert SECRET not in repr(store)
    assert SECRET not in str(vars(store))


def test_no_secret_goes_over_the_wire(server: QuirkyS3, store: S3Store) -> None:
    store.put_if_absent("a", b"x")
    assert server.requests
    assert SECRET not in str(server.requests)


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "store.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[QuirkyS3]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with QuirkyS3(context) as server:
        yield server


def test_a_ca_of_ones_own_is_trusted_when_given(tls_server: QuirkyS3, certificate: Path) -> None:
    store = connect(tls_server, ca_bundle=certificate)
    assert unfit(store) == set()
    put = next(request for request in tls_server.requests if request.method == "PUT")
    assert "x-amz-checksum-sha256" in put.headers
    assert put.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"  # TLS and the checksum do; no second hash


def test_a_certificate_that_nobody_vouches_for_is_refused_once(tls_server: QuirkyS3) -> None:
    with pytest.raises(StoreUnfit, match="certificate"):
        patient(connect(tls_server)).put_if_absent("a", b"x")
    assert tls_server.requests == []


def test_a_provider_that_refuses_checksum_headers_gets_none_from_then_on(
    tls_server: QuirkyS3, certificate: Path
) -> None:
    store = connect(tls_server, ca_bundle=certificate)
    quirk = tls_server.plan(quirky_s3.refuses_checksum_headers())
    for name in ("a", "b", "c"):
        assert store.put_if_absent(name, b"x") is PutOutcome.CREATED
    assert store.read("a", limit_bytes=10) == b"x"
    assert quirk.fired == 1


def test_an_object_that_rotted_in_the_store_is_noticed_by_its_checksum(tls_server: QuirkyS3, certificate: Path) -> None:
    store = connect(tls_server, ca_bundle=certificate)
    store.put_if_absent("a", b"content")
    stored = tls_server.buckets["bucket"]["main/a"]
    tls_server.buckets["bucket"]["main/a"] = quirky_s3.Stored(b"confent", stored.stored_at, stored.checksum)
    with pytest.raises(ObjectCorrupt, match="checksum"):
        store.read("a", limit_bytes=100)


# --- a credential that may not list everything ---


def test_missing_is_told_from_denied_by_a_listing_where_that_is_allowed(server: QuirkyS3, store: S3Store) -> None:
    server.policies["key"] = [
        {
            "Statement": [
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/main/m/*"},
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": "arn:aws:s3:::bucket",
                    "Condition": {"StringLike": {"s3:prefix": ["main/m/*", "main/p/*"]}},
                },
            ]
        }
    ]
    server.answer(Request(method="PUT", bucket="bucket", key="main/p/1", query={}, headers={}, body=b""))
    for ask in (lambda name: store.read(name, limit_bytes=10), store.stat, lambda name: store.read_range(name, 0, 1)):
        with pytest.raises(ObjectMissing):
            ask("m/1")  # may be read, is not there: AWS says 403
        with pytest.raises(StoreDenied):
            ask("p/1")  # is there, may not be read
        with pytest.raises(StoreDenied):
            ask("elsewhere")  # nothing may be known
