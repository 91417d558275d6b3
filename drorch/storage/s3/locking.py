"""Object Lock: the retention that a put asks for, when a lock ends, and its extension. All dates are the store's."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from drorch.clock import Clock
from drorch.errors import StoreUnfit
from drorch.policy.locks import LockMode, LockRule
from drorch.storage.s3.connection import S3Client
from drorch.storage.s3.failures import code_of

_ASK_AGAIN_SECONDS = 3_600.0
_NO_LOCK = frozenset(
    {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest", "NoSuchKeyLock"}
)


class PutLocks:
    """What a put must say to be locked: by the store's clock, asked for at most once an hour. Safe for several threads."""

    def __init__(self, rule: LockRule, clock: Clock, server_time: Callable[[], datetime]) -> None:
        self.rule = rule
        self._clock = clock
        self._server_time = server_time
        self._asked: tuple[float, datetime] | None = None

    def parameters(self, body: bytes | bytearray) -> dict[str, Any]:
        """Return the parameters of the put of ``body``; raises what the store raises when its clock cannot be asked.

        With a lock AWS wants a digest of its own choice in the header; the oldest one is taken by all.
        """
        return {
            "ObjectLockMode": self.rule.mode.name,
            "ObjectLockRetainUntilDate": _whole_seconds(self.rule.at_put(self._now())),
            "ContentMD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        }

    def _now(self) -> datetime:
        ticks, asked = self._clock.monotonic_seconds(), self._asked
        if asked is None or ticks - asked[0] > _ASK_AGAIN_SECONDS:
            asked = self._asked = (ticks, self._server_time())
        return asked[1] + timedelta(seconds=ticks - asked[0])


def lock_end(head: dict[str, Any]) -> datetime | None:
    """Return when the lock ends, from what a HEAD of the object answered."""
    until = head.get("ObjectLockRetainUntilDate")
    return None if until is None else until.astimezone(UTC)


def extend(
    client: S3Client, *, address: str, bucket: str, key: str, version: str | None, until: datetime, mode: LockMode
) -> None:
    """Lock one version until then. A lock of another mode keeps its mode: no store lets go of compliance."""
    retention = {"Mode": mode.name, "RetainUntilDate": _whole_seconds(until)}
    try:
        client.put_object_retention(
            Bucket=bucket, Key=key, Retention=retention, **({"VersionId": version} if version else {})
        )
    except ClientError as error:
        if code_of(error) in _NO_LOCK:
            raise no_lock(address) from error
        raise


def no_lock(address: str) -> StoreUnfit:
    """Return what is wrong with a bucket that refuses a lock."""
    return StoreUnfit(
        f"{address} does not lock objects",
        expected="a bucket that was made with Object Lock",
        found="one without, or another mode of lock",
        hint="leave `object_lock` out of drorch.yaml, or make a bucket with Object Lock and copy the repository there",
    )


def is_refused_lock(error: ClientError) -> bool:
    """Say whether a put failed because the bucket knows no locks."""
    return code_of(error) in _NO_LOCK


def _whole_seconds(moment: datetime) -> datetime:
    """Round up: what is promised must not end a moment early."""
    return (moment + timedelta(milliseconds=999)).replace(microsecond=0)
