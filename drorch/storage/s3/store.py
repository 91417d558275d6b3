"""An S3 bucket as an object store: single conditional puts, whole and ranged gets, checked answers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from drorch.clock import Clock, SystemClock
from drorch.errors import ObjectCorrupt, ObjectMissing, StoreDenied, StoreError, StoreUnavailable, StoreUnfit
from drorch.policy.locks import LockMode, LockRule
from drorch.storage.interface import Bytes, ObjectStat, PutOutcome
from drorch.storage.names import check_content, check_name, check_prefix, check_range
from drorch.storage.s3.connection import check_bucket, connect, uses_tls
from drorch.storage.s3.failures import is_refusal, our_errors, speaks_of_checksums, status_of, translated
from drorch.storage.s3.forbidden import S3ForbiddenCalls
from drorch.storage.s3.locking import PutLocks, extend, is_refused_lock, lock_end, no_lock
from drorch.storage.s3.versions import Versions, is_marker

_NAMES_PER_DELETE = 1_000  # the protocol's limit


class S3Store:
    """Objects under ``prefix`` of ``bucket``. Nothing is asked of the server before the first call.

    ``lock`` is asked for with every put, by the server's clock (``clock`` only measures how long ago that was asked).
    ``endpoint`` is ``None`` for AWS. Without keys the standard chain of AWS applies (environment, profile,
    instance role). ``path_style`` ``None`` means: as AWS wants it there, path style everywhere else.
    """

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        path_style: bool | None = None,
        ca_bundle: Path | None = None,
        connect_timeout_seconds: float = 10.0,
        read_timeout_seconds: float = 30.0,
        max_connections: int = 16,
        lock: LockRule | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_bucket(bucket)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._address = f"s3://{bucket}/{self._prefix}".rstrip("/")
        # Over TLS the checksum header is the only hash; in clear the signature covers the body's hash already.
        self._sends_checksum = uses_tls(endpoint)
        self._locks = None if lock is None else PutLocks(lock, clock or SystemClock(), self.server_time)
        with our_errors(self._address, "set-up"):
            self._client = connect(
                endpoint=endpoint,
                region=region,
                access_key=access_key,
                secret_key=secret_key,
                session_token=session_token,
                path_style=path_style,
                ca_bundle=ca_bundle,
                connect_timeout_seconds=connect_timeout_seconds,
                read_timeout_seconds=read_timeout_seconds,
                max_connections=max_connections,
            )
        self._versions = Versions(self._client, address=self._address, bucket=bucket)
        self._client.meta.events.register("before-sign.s3.DeleteObjects", _use_content_md5)

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._address

    @property
    def forbidden_calls(self) -> S3ForbiddenCalls:
        """What a writer's credential must not be able to do, for ``validation.validate_as_writer``."""
        return S3ForbiddenCalls(self._client, address=self._address, bucket=self._bucket, prefix=self._prefix)

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``. Two puts at once may be told to come again: ``StoreUnavailable``, retryable."""
        check_content(name, len(content))
        body = bytes(content) if isinstance(content, memoryview) else content
        with our_errors(self._address, f"put {name}"):
            try:
                answer = self._put(self._prefix + name, body)
            except ClientError as error:
                if status_of(error) == 412:
                    return PutOutcome.EXISTED
                if self._locks is not None and is_refused_lock(error):
                    raise no_lock(self._address) from error
                if status_of(error) == 501:
                    raise StoreUnfit(
                        f"{self._address} cannot put an object only if its name is free",
                        expected="If-None-Match",
                        found=translated(error, self._address, name).found,
                    ) from error
                raise
        # Some servers answer 200 and say in the body that they failed.
        if not answer.get("ETag"):
            raise StoreUnavailable(f"{self._address} did not confirm the put of {name}", expected="an ETag")
        return PutOutcome.CREATED

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``. The server's own checksum is compared where there is one."""
        check_name(name)
        answer = self._get(name, **({"ChecksumMode": "ENABLED"} if self._sends_checksum else {}))
        size = answer.get("ContentLength")
        if size is not None and size > limit_bytes:
            answer["Body"].close()
            raise ObjectCorrupt(f"{name} is too long", expected=f"<= {limit_bytes} bytes", found=f"{size} bytes")
        content = self._body(answer, name, limit_bytes + 1 if size is None else None)
        if len(content) > limit_bytes:
            raise ObjectCorrupt(f"{name} is too long", expected=f"<= {limit_bytes} bytes", found="more")
        return content

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        check_range(name, offset, length)
        answer = self._get(name, Range=f"bytes={offset}-{offset + length - 1}")
        found = str(answer.get("ContentRange", ""))
        if not found.startswith(f"bytes {offset}-"):
            answer["Body"].close()
            raise StoreUnfit(
                f"{self._address} does not read ranges",
                expected=f"bytes {offset}-...",
                found=found or "the whole object",
            )
        declared = answer.get("ContentLength")
        if declared not in (None, length):
            answer["Body"].close()
            raise ObjectCorrupt(
                f"{name} is not as long as its place says", expected=f"{length} bytes from {offset}", found=found
            )
        content = self._body(answer, name, None if declared else length + 1)  # one that says no length may have no end
        if len(content) != length:
            raise ObjectCorrupt(
                f"{name} is not as long as its place says", expected=f"{length} bytes from {offset}", found=found
            )
        return content

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        check_name(name)
        answer = self._head(name)
        return ObjectStat(
            name=name, size_bytes=int(answer["ContentLength"]), stored_at=answer["LastModified"].astimezone(UTC)
        )

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        for page in self._pages(prefix):
            for item in page.get("Contents", ()):
                yield ObjectStat(
                    name=self._name(item["Key"]),
                    size_bytes=int(item["Size"]),
                    stored_at=item["LastModified"].astimezone(UTC),
                )

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        pages = self._pages(prefix, Delimiter="/")
        yield from sorted({self._name(item["Prefix"]) for page in pages for item in page.get("CommonPrefixes", ())})

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``. In a bucket with versions every version goes, those that an earlier deletion hid included."""
        for name in names:
            check_name(name)
        keys = [self._prefix + name for name in names]
        hiding = keys if self._locks is not None else self._delete_all([{"Key": key} for key in keys])
        versions = [one for key in hiding for one in self._versions.of(key)]
        self._delete_all([{"Key": one.key, "VersionId": one.version} for one in versions])

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        check_name(name)
        return lock_end(self._head(name))

    def extend_lock(self, name: str, until: datetime) -> None:
        """See ``ObjectStore``."""
        check_name(name)
        mode = LockMode.COMPLIANCE if self._locks is None else self._locks.rule.mode
        head = self._head(name)
        end = lock_end(head)
        if end is None or end < until:
            with our_errors(self._address, f"extend the lock of {name}"):
                extend(
                    self._client,
                    address=self._address,
                    bucket=self._bucket,
                    key=self._prefix + name,
                    version=head.get("VersionId"),
                    until=until,
                    mode=LockMode[head["ObjectLockMode"]] if end is not None else mode,
                )

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        yield from map(self._name, self._versions.hidden_below(self._prefix + prefix))

    def server_time(self) -> datetime:
        """See ``ObjectStore``. A refusal is dated too, so that a wrong clock or credential does not matter here."""
        with our_errors(self._address, "its clock"):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=f"{self._prefix}trust/0")
            except ClientError as error:
                answer = error.response
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
        except (KeyError, ValueError) as error:
            raise StoreUnavailable(f"{self._address} does not tell its time", expected="a Date header") from error

    def close(self) -> None:
        """See ``ObjectStore``."""
        self._client.close()

    def _put(self, key: str, body: bytes | bytearray) -> dict[str, Any]:
        """Put, and once more with or without a checksum header where the server minds."""
        sends_checksum = self._sends_checksum
        try:
            return self._put_once(key, body, sends_checksum=sends_checksum)
        except ClientError as error:
            if not speaks_of_checksums(error):
                raise
            self._sends_checksum = not sends_checksum
            return self._put_once(key, body, sends_checksum=not sends_checksum)

    def _put_once(self, key: str, body: bytes | bytearray, *, sends_checksum: bool) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode() if sends_checksum else None
        answer: dict[str, Any] = self._client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            IfNoneMatch="*",
            **({"ChecksumSHA256": digest} if digest else {}),
            **({} if self._locks is None else self._locks.parameters(body)),
        )
        return answer

    def _get(self, name: str, **parameters: str) -> dict[str, Any]:
        answer = self._seen(name, partial(self._client.get_object, **parameters))
        if not answer.get("ETag"):  # an error page that was sent as 200 has none
            answer["Body"].close()
            raise StoreUnavailable(f"{self._address} answered something that is no object ({name})", expected="an ETag")
        return answer

    def _head(self, name: str) -> dict[str, Any]:
        return self._seen(name, self._client.head_object)

    def _seen(self, name: str, call: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """Return what ``call`` answers of the object, or of the newest version of it that somebody's deletion hides."""
        try:
            with self._resolving_denial(name), our_errors(self._address, name):
                return call(Bucket=self._bucket, Key=self._prefix + name)
        except ObjectMissing as missing:
            version = self._hidden_version(name, missing)
            if version is None:
                raise
            with our_errors(self._address, name):
                return call(Bucket=self._bucket, Key=self._prefix + name, VersionId=version)

    def _hidden_version(self, name: str, missing: ObjectMissing) -> str | None:
        """Return the version to read in place of one that is missing; a writer's credential sees none."""
        if self._locks is None and not is_marker(missing.__cause__):
            return None
        try:
            versions = self._versions.of(self._prefix + name)
        except StoreError:
            return None
        return next((one.version for one in versions if not one.is_marker), None)

    def _body(self, answer: dict[str, Any], name: str, limit_bytes: int | None = None) -> bytes:
        with our_errors(self._address, name):
            content: bytes = answer["Body"].read(limit_bytes)
        return content

    def _resolving_denial(self, name: str) -> _DenialResolver:
        return _DenialResolver(self, name)

    def _pages(self, prefix: str, **parameters: str) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            with our_errors(self._address, f"list {prefix}"):
                page: dict[str, Any] = self._client.list_objects_v2(
                    Bucket=self._bucket,
                    Prefix=self._prefix + prefix,
                    **({"ContinuationToken": token} if token else {}),
                    **parameters,
                )
            if "IsTruncated" not in page:
                raise StoreUnavailable(f"{self._address} answered something that is no listing", expected="IsTruncated")
            yield page
            if not page["IsTruncated"]:
                return
            following = page.get("NextContinuationToken")
            if not following or following == token:
                raise StoreUnavailable(f"{self._address} cut a listing short", expected="a continuation", found="none")
            token = following

    def _name(self, key: str) -> str:
        if not key.startswith(self._prefix):
            raise StoreUnfit(f"{self._address} lists what was not asked for", expected=self._prefix, found=key[:200])
        return key.removeprefix(self._prefix)

    def _delete_all(self, objects: Sequence[dict[str, str]]) -> list[str]:
        """Delete keys or versions and return the keys of which the server says that the deletion only hides them."""
        hidden: list[str] = []
        for start in range(0, len(objects), _NAMES_PER_DELETE):
            batch = objects[start : start + _NAMES_PER_DELETE]
            with our_errors(self._address, f"delete {batch[0]['Key']} and {len(batch) - 1} more"):
                hidden += self._delete_batch(batch)
        return hidden

    def _delete_batch(self, objects: Sequence[dict[str, str]]) -> list[str]:
        try:
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": list(objects)})
        except ClientError as error:
            if status_of(error) not in {405, 501}:
                raise
            # a provider without the batch call
            answers = [self._client.delete_object(Bucket=self._bucket, **item) for item in objects]
            return [item["Key"] for item, one in zip(objects, answers, strict=True) if _hides(one, item)]
        for failure in answer.get("Errors", ()):
            if failure.get("Code") not in {"NoSuchKey", "NoSuchVersion"}:
                raise ClientError({"Error": failure}, "DeleteObjects")
        asked = {item["Key"]: item for item in objects}
        return [one["Key"] for one in answer.get("Deleted", ()) if _hides(one, asked[one["Key"]])]


def _hides(answer: dict[str, Any], asked: dict[str, str]) -> bool:
    """Say whether a deletion without a version has put a marker in front of the object."""
    return "VersionId" not in asked and bool(answer.get("DeleteMarker"))


class _DenialResolver:
    """Tell "not there" from "may not be read", which AWS answers alike to a credential that lists by prefix.

    403 stands for a missing object when the credential has no ``ListBucket`` that AWS sees as fitting a GET,
    and with a condition on ``s3:prefix`` it never fits. So after a denial the name is listed: where that is
    allowed and does not show it, it is missing. Whoever then puts the name puts it if absent.
    """

    def __init__(self, store: S3Store, name: str) -> None:
        self._store = store
        self._name = name

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, StoreDenied) and is_refusal(error.__cause__) and self._is_listed() is False:
            raise ObjectMissing(f"{self._name} is not in {self._store.address}") from error

    def _is_listed(self) -> bool | None:
        """Whether the name is listed; ``None`` when that may not be asked either."""
        try:
            first = next(self._store.list_objects(self._name), None)
        except StoreDenied:
            return None
        return first is not None and first.name == self._name


def _use_content_md5(request: Any, **_: object) -> None:
    """Give a batch delete the one checksum that every provider accepts, in place of boto3's CRC."""
    for header in [key for key in request.headers if key.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]:
        del request.headers[header]
    if "Content-MD5" not in request.headers:
        digest = hashlib.md5(request.body, usedforsecurity=False).digest()
        request.headers["Content-MD5"] = base64.b64encode(digest).decode()
