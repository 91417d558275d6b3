"""The shipped policies let each role do what it must and nothing else, judged as AWS judges."""

import json
from importlib.resources import files

import pytest

from drorch.errors import UsageInvalid
from drorch.storage.bucket_policies import ROLES, bucket_policy
from tests.support import iam

WRITER = "0123456789ab"
OWN = f"l/{WRITER}{'7' * 20}"
OTHER = f"l/0123456789ac{'7' * 20}"
OWN_CHAIN, OTHER_CHAIN = f"ledger/{WRITER}{'8' * 20}/000000000001", f"ledger/0123456789ac{'8' * 20}/000000000001"
PUT, GET, LIST, DELETE = "s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject"
IF_ABSENT = {"s3:if-none-match": "*"}
EVERYWHERE = [
    *("trust/1", "keys/1", "help/1/readme.txt", "evidence/2026/1", "other"),
    *(OWN_CHAIN, OTHER_CHAIN),
    *(
        f"{lane}/{tail}"
        for lane in (OWN, OTHER)
        for tail in ("r/1", "p/00/1", "q/1", "x/1-0", "m/1", "m/1.c", "g/1", "d/1")
    ),
]


def policy(role: str, prefix: str = "main") -> iam.Policy:
    loaded: iam.Policy = json.loads(bucket_policy(role, bucket="drorch-lamdong", prefix=prefix, writer=WRITER))
    return loaded


def may(role: str, action: str, name: str, context: dict[str, str] | None = None, prefix: str = "main") -> bool:
    folder = f"{prefix}/" if prefix else ""
    resource = f"arn:aws:s3:::drorch-lamdong/{folder}{name}"
    return iam.is_allowed([policy(role, prefix)], action, resource, context or {})


def may_list(role: str, listed: str | None, prefix: str = "main") -> bool:
    context = {} if listed is None else {"s3:prefix": listed}
    return iam.is_allowed([policy(role, prefix)], LIST, "arn:aws:s3:::drorch-lamdong", context)


def allowed_names(role: str, action: str, context: dict[str, str] | None = None) -> set[str]:
    return {name for name in EVERYWHERE if may(role, action, name, context)}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("prefix", ["main", "some/where/", "/main/", ""])
def test_each_is_a_policy_document_with_every_placeholder_filled_in(role: str, prefix: str) -> None:
    text = bucket_policy(role, bucket="drorch-lamdong", prefix=prefix, writer=WRITER)
    document = json.loads(text)
    assert document["Version"] == "2012-10-17"
    assert all({"Sid", "Effect", "Action", "Resource"} <= set(statement) for statement in document["Statement"])
    assert all(("Principal" in statement) == (role == "bucket") for statement in document["Statement"])
    for placeholder in ("BUCKET", "PREFIX", "WRITER"):
        assert placeholder not in text
    assert "//" not in text
    assert len(text) < 6_144  # the limit of a managed policy of AWS, white space not even counted


def test_the_shipped_files_are_those_roles() -> None:
    shipped = {path.name for path in files("drorch.storage.bucket_policies").iterdir() if path.name.endswith(".json")}
    assert shipped == {f"{role}.json" for role in ROLES}


def test_a_writer_adds_to_its_own_lanes_and_only_if_absent() -> None:
    own = {f"{OWN}/{tail}" for tail in ("r/1", "p/00/1", "q/1", "x/1-0", "m/1", "m/1.c")}
    assert allowed_names("writer", PUT, IF_ABSENT) == own | {OWN_CHAIN}
    assert allowed_names("writer", PUT) == set()


def test_a_writer_reads_trust_and_its_own_chain_but_no_pack() -> None:
    own = {f"{OWN}/{tail}" for tail in ("r/1", "q/1", "x/1-0", "m/1", "m/1.c", "g/1", "d/1")}
    assert allowed_names("writer", GET) == own | {"trust/1", "keys/1", OWN_CHAIN}


@pytest.mark.parametrize(
    "action",
    [
        DELETE,
        "s3:DeleteObjectVersion",
        "s3:GetObjectVersion",
        "s3:PutObjectTagging",
        "s3:PutObjectAcl",
        "s3:BypassGovernanceRetention",
    ],
)
def test_a_writer_does_nothing_else_even_where_another_policy_allows_it(action: str) -> None:
    everything = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    for name in EVERYWHERE:
        resource = f"arn:aws:s3:::drorch-lamdong/main/{name}"
        assert not iam.is_allowed([policy("writer"), everything], action, resource, {})


def test_a_writer_lists_its_own_lanes_and_where_it_reads_a_chain_to_its_end() -> None:
    assert may_list("writer", f"main/{OWN}/m/")
    assert may_list("writer", "main/trust/7")
    assert may_list("writer", f"main/{OWN_CHAIN}")
    for listed in (None, "", "main/", "main/l/", f"main/{OTHER}/", "main/help/", "main/ledger/", f"main/{OTHER_CHAIN}"):
        assert not may_list("writer", listed), listed


def test_a_writer_locks_what_it_puts_and_nothing_for_years() -> None:
    days = "s3:object-lock-remaining-retention-days"
    assert may("writer", "s3:PutObjectRetention", f"{OWN}/p/00/1", {days: "102"})
    assert not may("writer", "s3:PutObjectRetention", f"{OWN}/p/00/1", {days: "600"})
    assert not may("writer", "s3:PutObjectRetention", f"{OTHER}/p/00/1", {days: "102"})


def test_a_maintainer_sweeps_and_copies_but_spares_the_trust_chain() -> None:
    assert allowed_names("maintainer", GET) == set(EVERYWHERE)
    assert allowed_names("maintainer", PUT, IF_ABSENT) == set(EVERYWHERE)
    assert allowed_names("maintainer", PUT) == set()
    assert allowed_names("maintainer", DELETE) == set(EVERYWHERE) - {"trust/1"}
    assert may_list("maintainer", "main/")
    assert may("maintainer", "s3:PutObjectRetention", "other", {"s3:object-lock-remaining-retention-days": "400"})
    assert not may("maintainer", "s3:PutObjectRetention", "other", {"s3:object-lock-remaining-retention-days": "4000"})
    assert not may("maintainer", "s3:BypassGovernanceRetention", "other")


@pytest.mark.parametrize("role", ["drill", "auditor"])
def test_who_reads_changes_nothing(role: str) -> None:
    for action in (DELETE, "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:PutObjectTagging"):
        assert allowed_names(role, action, IF_ABSENT) == set()
    assert allowed_names(role, PUT) == set()
    assert may_list(role, "main/")
    assert not may_list(role, "elsewhere/")


def test_a_drill_host_adds_evidence_and_an_auditor_nothing() -> None:
    assert allowed_names("drill", PUT, IF_ABSENT) == {OWN_CHAIN, OTHER_CHAIN, "evidence/2026/1"}
    assert allowed_names("auditor", PUT, IF_ABSENT) == set()


def test_a_drill_host_reads_all_and_an_auditor_what_is_signed() -> None:
    assert allowed_names("drill", GET) == set(EVERYWHERE)
    hidden = {f"{lane}/{tail}" for lane in (OWN, OTHER) for tail in ("p/00/1", "x/1-0")}
    assert allowed_names("auditor", GET) == set(EVERYWHERE) - hidden - {"other"}


def test_the_bucket_refuses_everybody_an_overwrite_and_an_open_connection() -> None:
    everything = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    secure = {"aws:SecureTransport": "true"}

    def passes(action: str, context: dict[str, str]) -> bool:
        resource = "arn:aws:s3:::drorch-lamdong/main/l/x"
        return iam.is_allowed([everything, policy("bucket")], action, resource, context)

    assert passes(PUT, IF_ABSENT | secure)
    assert not passes(PUT, secure)
    assert not passes(GET, {"aws:SecureTransport": "false"})


def test_nobody_reaches_beyond_the_prefix() -> None:
    for role in ("writer", "maintainer", "drill", "auditor"):
        for action in (GET, PUT, DELETE):
            resource = "arn:aws:s3:::drorch-lamdong/elsewhere/trust/1"
            assert not iam.is_allowed([policy(role)], action, resource, IF_ABSENT)


def test_without_a_prefix_the_bucket_is_the_repository() -> None:
    assert may("writer", PUT, f"{OWN}/m/1", IF_ABSENT, prefix="")
    assert may_list("writer", f"{OWN}/", prefix="")
    assert may_list("drill", "", prefix="")


@pytest.mark.parametrize(
    ("role", "values"),
    [
        ("owner", {}),
        ("writer", {"writer": "0123456789AB"}),
        ("writer", {"writer": ""}),
        ("drill", {"bucket": "*"}),
        ("drill", {"bucket": 'a","x":"'}),
        ("drill", {"prefix": "main/*"}),
        ("drill", {"prefix": "${aws:username}"}),
    ],
)
def test_what_would_widen_a_policy_is_refused(role: str, values: dict[str, str]) -> None:
    with pytest.raises(UsageInvalid):
        bucket_policy(role, **{"bucket": "drorch-lamdong", "writer": WRITER, **values})
