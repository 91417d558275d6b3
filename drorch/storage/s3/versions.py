"""A bucket with versions, where a deletion only hides: find what is hidden, and every version of an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from drorch.errors import StoreUnavailable
from drorch.storage.s3.connection import S3Client
from drorch.storage.s3.failures import our_errors


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key; a marker is what a deletion leaves, and holds nothing."""

    key: str
    version: str
    is_marker: bool
    is_latest: bool


def is_marker(error: BaseException | None) -> bool:
    """Say whether a server answered "not there" because of a deletion that only hides."""
    answer = error.response if isinstance(error, ClientError) else {}
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-delete-marker", "")).lower() == "true"


class Versions:
    """The versions of one bucket. Raises our errors; ``StoreDenied`` for a credential that may not see them."""

    def __init__(self, client: S3Client, *, address: str, bucket: str) -> None:
        self._client = client
        self._address = address
        self._bucket = bucket

    def of(self, key: str) -> list[Version]:
        """Return every version of ``key``, newest first, markers included."""
        return [one for one in self.below(key) if one.key == key]

    def hidden_below(self, prefix: str) -> Iterator[str]:
        """Yield, ascending, the keys whose newest version is a marker while an older one holds bytes."""
        hidden, has_bytes = set[str](), set[str]()
        for one in self.below(prefix):
            if one.is_marker and one.is_latest:
                hidden.add(one.key)
            elif not one.is_marker:
                has_bytes.add(one.key)
        yield from sorted(hidden & has_bytes)

    def below(self, prefix: str) -> Iterator[Version]:
        """Yield every version of the keys that begin with ``prefix``."""
        token: dict[str, str] = {}
        while True:
            with our_errors(self._address, f"the versions below {prefix}"):
                page: dict[str, Any] = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, **token)
            yield from _versions(page)
            if not page.get("IsTruncated"):
                return
            following = {"KeyMarker": page.get("NextKeyMarker", "")} | (
                {"VersionIdMarker": page["NextVersionIdMarker"]} if page.get("NextVersionIdMarker") else {}
            )
            if not following["KeyMarker"] or following == token:
                raise StoreUnavailable(f"{self._address} cut a listing short", expected="a continuation", found="none")
            token = following


def _versions(page: dict[str, Any]) -> Iterator[Version]:
    for kind, is_marker in (("Versions", False), ("DeleteMarkers", True)):
        for item in page.get(kind, ()):
            yield Version(item["Key"], str(item["VersionId"]), is_marker, bool(item["IsLatest"]))
