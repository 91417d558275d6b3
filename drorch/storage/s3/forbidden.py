"""The calls of S3 that a writer's credential must not be able to make, on objects where a success does no harm."""

from __future__ import annotations

from contextlib import suppress

from drorch.errors import StoreError
from drorch.storage.s3.connection import S3Client
from drorch.storage.s3.failures import our_errors

# The version of an object that was put before a bucket had versions; without versions, the only one.
_ONLY_VERSION = "null"


class S3ForbiddenCalls:
    """See ``validation.ForbiddenCalls``. Each raises our errors."""

    def __init__(self, client: S3Client, *, address: str, bucket: str, prefix: str) -> None:
        self._client = client
        self._address = address
        self._bucket = bucket
        self._prefix = prefix

    def overwrite(self, name: str, content: bytes) -> None:
        """Put without the condition that the name is free."""
        with our_errors(self._address, f"overwrite {name}"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def copy_onto(self, name: str) -> None:
        """Let the server copy the object onto itself."""
        key = self._prefix + name
        with our_errors(self._address, f"copy {name}"):
            self._client.copy_object(
                Bucket=self._bucket,
                Key=key,
                CopySource={"Bucket": self._bucket, "Key": key},
                MetadataDirective="REPLACE",
            )

    def begin_multipart(self, name: str) -> None:
        """Begin an upload in parts, which could end in an overwrite; abort it if that was let through."""
        key = self._prefix + name
        with our_errors(self._address, f"begin a multipart upload of {name}"):
            upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        # What counts is that it began; an empty upload that may not be aborted holds nothing.
        with suppress(StoreError), our_errors(self._address, f"abort a multipart upload of {name}"):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def tag(self, name: str) -> None:
        """Change the object's tags, by which life-cycle rules may choose what expires."""
        with our_errors(self._address, f"tag {name}"):
            self._client.put_object_tagging(Bucket=self._bucket, Key=self._prefix + name, Tagging={"TagSet": []})

    def list_versions(self, prefix: str) -> None:
        """List older versions and delete markers."""
        with our_errors(self._address, f"list the versions of {prefix}"):
            self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix + prefix, MaxKeys=1)

    def read_version(self, name: str) -> None:
        """Read one version of the object."""
        with our_errors(self._address, f"read a version of {name}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name, VersionId=_ONLY_VERSION)
            answer["Body"].close()

    def delete_version(self, name: str) -> None:
        """Delete one version of the object, which no delete marker can undo."""
        with our_errors(self._address, f"delete a version of {name}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name, VersionId=_ONLY_VERSION)
