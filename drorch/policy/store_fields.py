"""The field table of a store in drorch.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drorch.policy.bandwidth import Bandwidth, BandwidthInvalid, parse_bandwidth
from drorch.policy.fields import Field, ScalarOr, Table
from drorch.policy.installation import DirectoryStore, ObjectLock, S3Store, Site, Store
from drorch.policy.installation_kinds import PathKind, parse_bucket
from drorch.policy.kinds import Boolean, Choice, Text
from drorch.policy.locks import LONGEST_UNACCEPTED, LockMode
from drorch.policy.nodes import Section
from drorch.policy.parsed_kinds import Parsed, SecretKind, duration, size
from drorch.policy.problems import Problems

_OF_ANY_STORE = frozenset({"s3", "directory", "site", "bandwidth", "spool"})


def _is_given(value: object) -> bool:
    return value is not None


def _check_store(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    if _is_given(values["s3"]) == _is_given(values["directory"]):
        problems.add(node.place, "a store is either `s3: s3://BUCKET/PREFIX` or `directory: PATH`")
    elif _is_given(values["s3"]) and _is_given(values["spool_bytes"]):
        problems.add(
            node.keys["spool"], "a spool is a directory of this machine: a bucket may be away when it is needed"
        )
    elif _is_given(values["directory"]):
        for key in node.entries:
            if key not in _OF_ANY_STORE and any(field.key == key for field in _STORE_FIELDS):
                problems.add(node.keys[key], f"`{key}` belongs to an s3 store; this one is a directory")
    lock = values["object_lock"]
    if (
        isinstance(lock, ObjectLock)
        and lock.mode is LockMode.COMPLIANCE
        and lock.promised_seconds > LONGEST_UNACCEPTED.total_seconds()
        and not lock.accepted_by
    ):
        problems.add(
            node.keys["object_lock"],
            "nobody can end a compliance lock of more than 400 days, nor what it costs;"
            ' who accepts that? `object_lock: {for: 800d, accepted_by: "Name, office"}`',
        )
    if (values["access_key"] is None) != (values["secret_key"] is None):
        problems.add(node.place, "`access_key` and `secret_key` belong together: one of them is missing")


def _build_store(
    s3: tuple[str, str] | None,
    directory: Path | None,
    site: Site | None,
    bandwidth: Bandwidth | None,
    spool_bytes: int | None,
    **rest: Any,
) -> Store:
    if s3 is None:
        assert directory is not None
        return DirectoryStore(name="", directory=directory, site=site, bandwidth=bandwidth, spool_bytes=spool_bytes)
    return S3Store(name="", bucket=s3[0], prefix=s3[1], site=site, bandwidth=bandwidth, **rest)


_URL = Text(
    longest=1_000, pattern=r"https?://[^\s/]+(?:/\S*)?", meaning="an address; it starts with `https://` or `http://`"
)

_LOCK_DURATION = duration(
    "1d", "3500d"
)  # with what is added at a put it stays below the ten years of the bucket policies
OBJECT_LOCK = ScalarOr(
    scalar=_LOCK_DURATION,
    wrap=lambda seconds: ObjectLock(promised_seconds=seconds),
    table=Table(
        build=lambda mode, **values: ObjectLock(mode=LockMode(mode), **values),
        fields=(
            Field(
                key="for",
                attribute="promised_seconds",
                kind=_LOCK_DURATION,
                summary="How long everything that a snapshot needs stays locked",
                required=True,
            ),
            Field(
                key="mode",
                kind=Choice(options=tuple(mode.value for mode in LockMode)),
                summary="compliance: nobody ends a lock; governance: who has the right to can",
                default="compliance",
            ),
            Field(
                key="accepted_by",
                kind=Text(longest=200),
                summary="Who answers for a compliance lock of more than 400 days",
                absent="",
            ),
        ),
    ),
)

_STORE_FIELDS = (
    Field(
        key="s3",
        kind=Parsed(
            parse=parse_bucket,
            errors=(ValueError,),
            meaning="a bucket; write `s3://BUCKET/PREFIX`",
            schema_pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$",
        ),
        summary="Bucket and prefix",
    ),
    Field(key="directory", kind=PathKind(), summary="A directory of this machine"),
    Field(key="endpoint", kind=_URL, summary="Address of the object storage; leave out for AWS"),
    Field(key="region", kind=Text(longest=100), summary="Region, where the storage has them"),
    Field(
        key="access_key", kind=SecretKind(), summary="Where the access key lies; leave out for the standard AWS places"
    ),
    Field(key="secret_key", kind=SecretKind(), summary="Where the secret key lies"),
    Field(
        key="ca",
        attribute="authority",
        kind=PathKind(),
        summary="File with the authority that signed the endpoint's certificate",
    ),
    Field(
        key="path_style",
        kind=Boolean(),
        summary="Whether the bucket stands in the path; decided by the endpoint when left out",
    ),
    Field(
        key="answer_timeout",
        attribute="answer_timeout_seconds",
        kind=duration("1s", "10m"),
        summary="No byte for this long: the request is tried again",
        default="30s",
    ),
    Field(
        key="patience",
        attribute="patience_seconds",
        kind=duration("1s", "1h"),
        summary="How long one request is tried again; left out: 5 minutes, 1 minute where there are other stores",
    ),
    Field(
        key="object_lock",
        kind=OBJECT_LOCK,
        summary="How long everything that a snapshot needs stays locked; leave out if the bucket has no object lock",
    ),
    Field(
        key="spool",
        attribute="spool_bytes",
        kind=size("1MB"),
        summary="This directory is no copy: snapshots wait here, up to so much, while every store is away",
    ),
    Field(
        key="bandwidth",
        kind=Parsed(
            parse=parse_bandwidth,
            errors=(BandwidthInvalid,),
            meaning='a bandwidth; write `"20 Mbit/s"` or `"20 Mbit/s 07:00-18:00"`',
            schema_pattern=r"^[0-9.]+\s*[kMG]bit/s",
        ),
        summary="How much of the line drorch may take, and when",
    ),
    Field(
        key="site",
        kind=Table(
            build=Site,
            fields=(
                Field(key="name", kind=Text(longest=200), summary="Name of the place", required=True),
                Field(
                    key="country",
                    kind=Text(
                        longest=2, pattern="[A-Z]{2}", meaning="a country; write two capital letters, such as VN"
                    ),
                    summary="Two letters",
                    required=True,
                ),
            ),
        ),
        summary="Where it stands",
    ),
)
STORE = Table(build=_build_store, check=_check_store, fields=_STORE_FIELDS)
