"""Failures by cause: the same words for the same thing, whatever the source is called."""

from __future__ import annotations

import pytest

from drorch.errors import (
    CaptureFailed,
    DrorchError,
    SourceLocked,
    SourceLoginFailed,
    SourceMissing,
    SourceRightsMissing,
    SourceUnreachable,
    StoreDenied,
    StoreFull,
    StoreUnavailable,
)
from drorch.operations.causes import Cause, Failure, cause_of, common_code, grouped

ADDRESS = "district-land/land_d595"


@pytest.mark.parametrize(
    ("error", "text", "detail"),
    [
        (
            SourceUnreachable(
                f"{ADDRESS}: no connection to the server", found="... port 5432 failed: Connection refused"
            ),
            "connection refused",
            "",
        ),
        (
            SourceUnreachable(
                "no connection to the server", found="timeout expired: no answer within the connect timeout"
            ),
            "no answer in time",
            "",
        ),
        (
            SourceUnreachable("no connection to the server", found="what nobody knows"),
            "no connection to the server",
            "",
        ),
        (SourceLoginFailed("the server rejected the password", found="FATAL: ..."), "password rejected", ""),
        (SourceLoginFailed("the server refused the account", found="FATAL: ..."), "account refused", ""),
        (
            SourceLocked(
                "the server refused opening postgresql://db1/land_d595",
                found="canceling statement due to lock timeout; locked: public.parcel by pid 17 (psql) (SQLSTATE 55P03)",
            ),
            "table locked for too long",
            "public.parcel",
        ),
        (
            SourceRightsMissing(
                "the account may not read 3 of the objects of the database", found="public.history, public.b"
            ),
            "the account may not read some of the objects of the database",
            "public.history",
        ),
        (SourceMissing("the database does not exist", found="FATAL"), "the database does not exist", ""),
        (
            CaptureFailed(f"{ADDRESS}: the server refused reading postgresql://db1.example:5433/land_d595?x=1"),
            "the server refused reading it",
            "",
        ),
    ],
)
def test_causes(error: DrorchError, text: str, detail: str) -> None:
    assert cause_of(ADDRESS, Failure.of(error)) == Cause(text=text, detail=detail)


def test_the_most_frequent_cause_comes_first() -> None:
    refused = SourceUnreachable("no connection to the server", found="Connection refused")
    rejected = SourceLoginFailed("the server rejected the password")
    failures = [("p/a", rejected), ("p/b", refused), ("p/c", refused)]
    found = grouped((address, Failure.of(error)) for address, error in failures)
    assert [(group.text, [address for address, _ in group.members]) for group in found] == [
        ("connection refused", ["p/b", "p/c"]),
        ("password rejected", ["p/a"]),
    ]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([SourceUnreachable("a"), SourceUnreachable("b")], 22),
        ([SourceUnreachable("a"), SourceLoginFailed("b")], 20),
        ([StoreDenied("a"), StoreFull("b")], 30),
        ([StoreUnavailable("a"), SourceLoginFailed("b")], 20),
    ],
)
def test_the_exit_code_is_the_common_one_or_its_class_or_twenty(errors: list[DrorchError], code: int) -> None:
    assert common_code(errors) == code
