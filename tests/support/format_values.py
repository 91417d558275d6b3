"""Fixed keys, ids and small structures for the tests of ``drorch.format``; everything repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from drorch.format.keys import LaneKeys, RecipientKey, RunKeys, run_record
from drorch.format.manifest import Manifest, Needs, Result, bitmap_of
from drorch.format.record import RecordContext, RecordHeader, chunk_id
from drorch.format.signing import SigningKey
from drorch.format.tree import Place, Reference
from drorch.format.trust_record import NO_PREVIOUS, Role, RootKey, Signer, TrustRecord
from drorch.ids import ChunkId, Digest, LaneId, RepositoryId, RunId


def fixed(label: str, size: int = 32) -> bytes:
    """Bytes that look random and only depend on ``label``."""
    return hashlib.shake_256(label.encode()).digest(size)


def counter_random(label: str) -> Callable[[int], bytes]:
    """A ``random_bytes`` that gives other bytes at every call and the same in every run."""
    calls = iter(range(10**9))
    return lambda size: fixed(f"{label} {next(calls)}", size)


AT = datetime(2026, 11, 22, 8, 30, 15, 250_000, tzinfo=UTC)
REPOSITORY = RepositoryId(fixed("repository", 16))
ROOTS = tuple(SigningKey.from_seed(fixed(f"root {number}")) for number in range(3))
WRITER = SigningKey.from_seed(fixed("writer"))
OTHER_WRITER = SigningKey.from_seed(fixed("other writer"))
MAINTAINER = SigningKey.from_seed(fixed("maintainer"))
CUSTODIAN = RecipientKey.from_seed(fixed("custodian"), "Người giữ khóa")
DRILL_HOST = RecipientKey.from_seed(fixed("drill host"), "drill1")
LANE = LaneId(WRITER.key_id.raw[:6] + fixed("lane", 10))
RUN = RunId(fixed("run", 16))
OTHER_RUN = RunId(fixed("other run", 16))
CONTEXT = RecordContext(REPOSITORY, LANE, RUN)
RUN_KEYS = RunKeys(fixed("run key"), fixed("lane secret"))
LANE_KEYS = LaneKeys.derive(RUN_KEYS.lane_secret)
WRITERS = {WRITER.key_id: WRITER.public}
MAINTAINERS = {MAINTAINER.key_id: MAINTAINER.public}


def trust_record(**changes: object) -> TrustRecord:
    """Record 0 of a repository with two of three root keys, two recipients, two writers and a maintainer."""
    values: dict[str, object] = {
        "number": 0,
        "previous": NO_PREVIOUS,
        "repository": REPOSITORY,
        "roots": tuple(RootKey(root.public, f"root {number}") for number, root in enumerate(ROOTS)),
        "threshold": 2,
        "recipients": (CUSTODIAN.public(), DRILL_HOST.public()),
        "signers": (
            Signer(WRITER.public, Role.WRITER, "db1"),
            Signer(OTHER_WRITER.public, Role.WRITER, "db2"),
            Signer(MAINTAINER.public, Role.MAINTAINER, "ops"),
        ),
    }
    return TrustRecord(**{**values, **changes})  # type: ignore[arg-type]


def some_run_record() -> bytes:
    """The run record of ``RUN``, sealed to the custodian and the drill host."""
    return run_record(
        repository=REPOSITORY,
        lane=LANE,
        run=RUN,
        run_keys=RUN_KEYS,
        recipients=(CUSTODIAN.public(), DRILL_HOST.public()),
        trust_number=0,
        made_at=AT,
        key=WRITER,
    )


def reference(level: int = 1, plain_bytes: int = 5_000_000) -> Reference:
    """Some tree's top node."""
    return Reference(RUN, Place(1, 2, 300), Place(2, 3, 300), ChunkId(fixed("node")), level, plain_bytes)


def some_manifest(**changes: object) -> Manifest:
    """Manifest 1 of ``LANE``, with every field set."""
    values: dict[str, object] = {
        "repository": REPOSITORY,
        "lane": LANE,
        "sequence": 1,
        "previous": NO_PREVIOUS,
        "run": RUN,
        "started": AT,
        "ended": AT,
        "restore_point": AT,
        "source": "land/hanoi",
        "policy_digest": Digest(fixed("policy")),
        "result": Result.COMPLETE,
        "bytes_read": 1_240_000_000,
        "bytes_stored": 480_000_000,
        "rows": 4_000_000,
        "tables": 12,
        "needs": (Needs(RUN, Digest(fixed("pack list")), bitmap_of([0, 2, 9], 11)),),
        "store_date": AT,
        "retention_class": "daily",
        "slot": AT,
        "group": fixed("group", 16),
        "engine": "postgresql",
    }
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


def header_of(plain: bytes, *, codec: int = 0, kind: int = 1, base: bytes = bytes(32)) -> RecordHeader:
    """The record header of ``plain`` as the first chunk of stream 3."""
    return RecordHeader(
        kind=kind,
        codec=codec,
        plain_length=len(plain),
        chunk_id=chunk_id(LANE_KEYS.chunk_id_key, kind, plain),
        base_id=ChunkId(base),
        ordinal=3,
        offset=2**40,
    )
