"""What the doctor says a source takes: requests are told where somebody sends a bill for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from drorch.operations.examine_sizes import Places, examine_sizes
from drorch.policy.installation import DirectoryStore, Limits, S3Store, Store
from drorch.policy.sizing import PACK_BYTES, REQUESTS_PER_RUN
from tests.support.catalogs import START, a_snapshot
from tests.support.policies import POSTGRESQL, policy_of

DAY = timedelta(days=1)
LIMITS = Limits(
    cache_bytes=20 * 10**9,
    temporary_bytes=10**9,
    keep_free_percent=10,
    parallel_runs=4,
    parallel_per_server=2,
    parallel_per_store=2,
    connect_timeout_seconds=10,
    stall_timeout_seconds=60,
)


def bucket(name: str) -> S3Store:
    return S3Store(
        name=name,
        bucket=name,
        prefix="",
        endpoint=None,
        region=None,
        access_key=None,
        secret_key=None,
        authority=None,
        path_style=None,
        answer_timeout_seconds=30,
        patience_seconds=None,
        object_lock=None,
        site=None,
    )


def told(store: Store, stored_bytes: int) -> list[str]:
    """Return the doctor's lines about a source that stored as much every night of a week."""
    first = a_snapshot(bytes_stored=10 * stored_bytes)
    later = [
        a_snapshot(bytes_stored=stored_bytes, started_at=START + day * DAY, ended_at=START + day * DAY)
        for day in range(1, 8)
    ]
    places = Places(stores={"hanoi": store}, limits=LIMITS)
    policy = policy_of(POSTGRESQL)
    return [one.finding.text for one in examine_sizes("land", policy, [[*reversed(later), first]], places, START)]


def test_a_bucket_is_asked_for_every_pack_and_a_little_more() -> None:
    (line,) = [line for line in told(bucket("hanoi"), 3 * PACK_BYTES) if "times" in line]
    assert (
        line == f"a backup asks each store about {REQUESTS_PER_RUN + 3} times, {30 * (REQUESTS_PER_RUN + 3)} in a month"
    )


def test_a_directory_sends_no_bill(tmp_path: Path) -> None:
    lines = told(DirectoryStore(name="hanoi", directory=tmp_path, site=None), 3 * PACK_BYTES)
    assert lines
    assert not any("times" in line for line in lines)
