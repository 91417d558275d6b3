"""`drorch store validate --as writer`: the shipped policy passes on a server that judges as AWS does, every way to
widen it is noticed, and a real server shows what it can and cannot enforce."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from drorch.errors import Bug, StoreUnavailable
from drorch.storage.bucket_policies import bucket_policy
from drorch.storage.interface import Finding
from drorch.storage.s3 import S3Store
from drorch.storage.writer_validation import probe_lane, validate_as_writer
from tests.support import quirky_s3
from tests.support.quirky_s3 import QuirkyS3
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN, BY_ACTIONS, BY_POLICY, Credential

WRITER = "0123456789ab"
ALL = "arn:aws:s3:::*"


@pytest.fixture
def server() -> Iterator[QuirkyS3]:
    with QuirkyS3() as server:
        server.policies["writer"] = [json.loads(bucket_policy("writer", bucket="bucket", prefix="main", writer=WRITER))]
        yield server


def examine(endpoint: str, bucket: str, credential: Credential) -> list[Finding]:
    store = S3Store(
        bucket=bucket,
        prefix="main",
        endpoint=endpoint,
        access_key=credential.access_key,
        secret_key=credential.secret_key,
    )
    findings = validate_as_writer(store, store.forbidden_calls, writer=WRITER)
    store.close()
    assert len({finding.name for finding in findings}) == len(findings) > 50
    return list(findings)


def failed(findings: list[Finding]) -> set[str]:
    return {finding.name for finding in findings if not finding.passed}


def as_writer(server: QuirkyS3) -> set[str]:
    return failed(examine(server.endpoint, "bucket", Credential(access_key="writer", secret_key="secret")))


def allow(server: QuirkyS3, action: str, resource: str = ALL, **more: Any) -> None:
    """Widen the writer's rights, and take away the statement that would refuse it all the same."""
    statements = server.policies["writer"][0]["Statement"]
    statements[:] = [each for each in statements if each["Sid"] != "WhateverElseIsGranted"]
    statements.append({"Sid": "TooMuch", "Effect": "Allow", "Action": action, "Resource": resource, **more})


def test_the_shipped_policy_passes_and_passes_again(server: QuirkyS3) -> None:
    assert as_writer(server) == set()
    objects = set(server.buckets["bucket"])
    assert as_writer(server) == set()
    assert set(server.buckets["bucket"]) == objects  # the probes are put once
    assert all(key.startswith(f"main/l/{probe_lane(WRITER)}/") for key in objects)


@pytest.mark.parametrize(
    ("action", "noticed"),
    [
        ("s3:DeleteObject", {"must not delete in its own m/", "must not delete in trust/"}),
        ("s3:DeleteObjectVersion", {"must not delete a version of a pack"}),
        ("s3:GetObject", {"must not get a pack", "must not get a part of a pack"}),
        ("s3:GetObjectVersion", {"must not read a version of a pack"}),
        ("s3:PutObject", {"must not put in trust/", "must not put in another's m/", "must not put in its own g/"}),
        ("s3:ListBucket", {"must not list everything", "must not list another's lane"}),
        ("s3:ListBucketVersions", {"must not list versions"}),
        ("s3:PutObjectTagging", {"must not tag a pack"}),
        ("s3:*", {"must not get from another's lane", "must not list ledger/", "must not put in the top"}),
    ],
)
def test_every_right_too_much_is_noticed(server: QuirkyS3, action: str, noticed: set[str]) -> None:
    allow(server, action)
    assert noticed <= as_writer(server)


def test_a_writer_that_may_overwrite_is_noticed(server: QuirkyS3) -> None:
    statements = server.policies["writer"][0]["Statement"]
    statements[:] = [each for each in statements if each["Sid"] != "NeverOverwrite"]
    assert as_writer(server) == {
        f"must not {words} a {what}"
        for words, kinds in {
            "overwrite": ("pack", "manifest"),
            "begin a multipart upload of": ("pack", "manifest"),
            "copy onto": ("manifest",),  # a copy of a pack would have to read it
        }.items()
        for what in kinds
    }


@pytest.mark.parametrize(
    ("sid", "noticed"),
    [
        ("AddToOwnLanes", "may put in m/"),
        ("ReadTrustAndOwnChain", "may get from q/"),
        ("ListOwnLanes", "may look for what is not in trust/"),
    ],
)
def test_a_right_too_few_is_noticed(server: QuirkyS3, sid: str, noticed: str) -> None:
    statements = server.policies["writer"][0]["Statement"]
    statements[:] = [each for each in statements if each["Sid"] != sid]
    assert noticed in as_writer(server)


def test_no_success_of_a_forbidden_call_harms_a_repository(server: QuirkyS3) -> None:
    names = ["trust/0", "keys/0", "help/1/readme.txt", f"l/{WRITER}{'7' * 20}/m/000000000001", f"l/{'8' * 32}/p/00/1"]
    for name in names:
        server.answer(
            quirky_s3.Request(method="PUT", bucket="bucket", key=f"main/{name}", query={}, headers={}, body=b"precious")
        )
    del server.policies["writer"]  # may do everything
    assert len(as_writer(server)) > 30
    assert all(server.buckets["bucket"][f"main/{name}"].content == b"precious" for name in names)


def test_a_store_that_does_not_answer_proves_nothing(server: QuirkyS3) -> None:
    quirk = server.plan(quirky_s3.slow_down(times=10**6))
    with pytest.raises(StoreUnavailable):
        as_writer(server)
    assert quirk.fired == 1


def test_a_call_that_the_store_does_not_know_counts_as_refused(server: QuirkyS3) -> None:
    quirk = server.plan(
        quirky_s3.Quirk(
            fits=lambda request: "uploads" in request.query,
            act=lambda _request, _next: quirky_s3.error(501, "NotImplemented"),
        )
    )
    assert as_writer(server) == set()
    assert quirk.fired == 2


def test_a_writer_is_named_by_six_bytes() -> None:
    assert probe_lane(WRITER) == f"{WRITER}{'0' * 20}"
    for text in ("", "0123456789", "0123456789AB", "0123456789abcd", "0123456789ag"):
        with pytest.raises(Bug):
            probe_lane(text)


# --- a real server ---


def test_seaweedfs_enforces_the_shipped_policy_but_for_the_condition_on_overwriting(seaweedfs: SeaweedFS) -> None:
    """Version 4.48 knows prefixes and actions of bucket policies, not s3:if-none-match: to it that key is always
    absent, so the statement that needs it would refuse every put. Without it only overwriting is let through."""
    bucket = seaweedfs.make_bucket()
    policy = json.loads(bucket_policy("writer", bucket=bucket, prefix="main", writer=WRITER))
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "NeverOverwrite"]
    seaweedfs.attach(bucket, {"by-policy": policy})
    assert failed(examine(seaweedfs.endpoint, bucket, BY_POLICY)) == {
        "must not overwrite a pack",
        "must not overwrite a manifest",
        "must not begin a multipart upload of a pack",
        "must not begin a multipart upload of a manifest",
        "must not copy onto a manifest",
    }


def test_seaweedfs_with_the_whole_policy_refuses_every_put(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.make_bucket()
    policy = json.loads(bucket_policy("writer", bucket=bucket, prefix="main", writer=WRITER))
    seaweedfs.attach(bucket, {"by-policy": policy})
    assert {f"may put in {kind}/" for kind in ("r", "q", "x", "m", "p/00")} <= failed(
        examine(seaweedfs.endpoint, bucket, BY_POLICY)
    )


def test_seaweedfs_actions_are_too_coarse_for_a_writer_and_that_is_noticed(seaweedfs: SeaweedFS) -> None:
    client = seaweedfs.client()
    if "by-actions" not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket="by-actions")
    client.close()
    found = failed(examine(seaweedfs.endpoint, "by-actions", BY_ACTIONS))
    assert {"must not delete in its own m/", "must not overwrite a pack", "must not get a pack"} <= found
    assert "must not list everything" not in found
    assert "must not put in another's m/" not in found


def test_an_administrator_is_no_writer(seaweedfs: SeaweedFS) -> None:
    found = failed(examine(seaweedfs.endpoint, seaweedfs.make_bucket(), ADMIN))
    assert {"must not list everything", "must not put in trust/", "must not delete in another's lane"} <= found
