"""A repository with two machines that may sign, and ledgers in memory stores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from drorch.errors import StoreUnavailable
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey
from drorch.format.trust_record import NO_PREVIOUS, Role, RootKey, Signer, TrustRecord
from drorch.ids import RepositoryId
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.reading import Ledger, read_ledger
from drorch.repository.opening import Replica, Repository, create_repository, open_repository
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, seed

HOUSEHOLD = Household()
WRITER = HOUSEHOLD.host.signing_key()
DRILL_HOST = SigningKey.from_seed(seed("drill host"))
STRANGER = SigningKey.from_seed(seed("stranger"))
REPOSITORY_ID = RepositoryId(seed("ledger")[:16])
AT = datetime(2026, 11, 22, 3, 15, 2, tzinfo=UTC)


def trust_record() -> TrustRecord:
    return TrustRecord(
        number=0,
        previous=NO_PREVIOUS,
        repository=REPOSITORY_ID,
        roots=(RootKey(HOUSEHOLD.root.public, "root"),),
        threshold=1,
        recipients=(HOUSEHOLD.custodian.public(),),
        signers=(Signer(WRITER.public, Role.WRITER, "backup1"), Signer(DRILL_HOST.public, Role.DRILL_HOST, "drill1")),
    )


TRUST_0 = trust_record().sign([HOUSEHOLD.root], EPOCH)
ROOT = hashlib.sha256(TRUST_0).digest()


def repository(*stores: ObjectStore) -> Repository:
    """Return the repository in these stores, called hanoi, dalat, hue; made where it is not."""
    replicas = [Replica(name=name, store=store) for name, store in zip(("hanoi", "dalat", "hue"), stores, strict=False)]
    for replica in replicas:
        create_repository(replica, TRUST_0)
    return open_repository(replicas, ROOT)


def two_stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(ManualClock()), MemoryStore(ManualClock())


def writer(opened: Repository, key: SigningKey = WRITER, memory: Path | None = None) -> LedgerWriter:
    return LedgerWriter(repository=opened, key=key, clock=ManualClock(), memory=memory)


def without(opened: Repository, *names: str) -> Repository:
    """Return the repository as it is seen while some stores are away."""
    away = {name: StoreUnavailable(f"{name} is away") for name in names}
    return replace(opened, replicas=tuple(one for one in opened.replicas if one.name not in names), unusable=away)


def over(opened: Repository, *stores: ObjectStore) -> Repository:
    """Return the same repository, reached through other stores."""
    replicas = [replace(replica, store=store) for replica, store in zip(opened.replicas, stores, strict=True)]
    return replace(opened, replicas=tuple(replicas))


def month_entry(subject: str = "2026-11") -> Entry:
    return Entry(kind=EntryKind.REPORT_MONTH, subject=subject, at=AT, facts={"month": subject})


def documented(name: str, content: bytes) -> Entry:
    return replace(month_entry(), documents=(Document(name, digest_of(content)),))


def subjects(ledger: Ledger) -> list[str]:
    return [one.entry.subject for one in ledger.entries()]


def read(*stores: ObjectStore) -> Ledger:
    return read_ledger(repository(*stores))


def objects(store: MemoryStore, prefix: str = "ledger/") -> dict[str, bytes]:
    return {one.name: store.read(one.name, limit_bytes=2**26) for one in store.list_objects(prefix)}


def filled(contents: dict[str, bytes]) -> MemoryStore:
    store = MemoryStore(ManualClock())
    for name, content in contents.items():
        store.put_if_absent(name, content)
    return store


def append_each(target: LedgerWriter, names: Sequence[str]) -> None:
    for name in names:
        target.append([month_entry(name)])
