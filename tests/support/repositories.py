"""Small real repositories for tests: keys from fixed seeds, snapshots of given streams, read back whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drorch.clock import Clock
from drorch.format.keys import HostKey, RecipientKey
from drorch.format.signing import SigningKey
from drorch.format.trust_record import NO_PREVIOUS, Role, RootKey, Signer, TrustRecord
from drorch.ids import Digest, RepositoryId, RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.deltas import BaseRoom
from drorch.repository.listing import ListedSnapshot, list_lane, list_lanes
from drorch.repository.opening import Replica, Repository, create_repository, open_repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.run_parts import CommittedSnapshot, RunSummary, StreamToStore
from drorch.repository.writer import RunWriter
from drorch.storage.interface import ObjectStore

KINDS = {"schema": 1, "roles": 4}  # of the streams that writers store twice; all others are tables
EPOCH = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)


def seed(label: str) -> bytes:
    """Return 32 bytes that belong to ``label``."""
    return hashlib.sha256(label.encode()).digest()


def counting_random(label: str = "random") -> Callable[[int], bytes]:
    """Return a deterministic stand-in for ``os.urandom``: never the same bytes twice."""
    counter = iter(range(2**62))

    def random_bytes(length: int) -> bytes:
        return hashlib.shake_256(f"{label} {next(counter)}".encode()).digest(length)

    return random_bytes


class ManualClock:
    """A clock that moves only when told; a millisecond passes with every look."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self.seconds = now.timestamp()

    def now(self) -> datetime:
        self.seconds += 0.001
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic_seconds(self) -> float:
        self.seconds += 0.001
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True, kw_only=True)
class Household:
    """Everybody's keys for one test repository."""

    name: str = "test"

    @property
    def root(self) -> SigningKey:
        return SigningKey.from_seed(seed(f"{self.name} root"))

    @property
    def host(self) -> HostKey:
        return HostKey(seed(f"{self.name} host"), seed(f"{self.name} lane master"))

    @property
    def maintainer(self) -> SigningKey:
        return SigningKey.from_seed(seed(f"{self.name} maintainer"))

    @property
    def custodian(self) -> RecipientKey:
        return RecipientKey.from_seed(seed(f"{self.name} custodian"))

    def trust_0(self, recipients: Sequence[RecipientKey] | None = None) -> bytes:
        record = TrustRecord(
            number=0,
            previous=NO_PREVIOUS,
            repository=RepositoryId(seed(self.name)[:16]),
            roots=(RootKey(self.root.public, "root"),),
            threshold=1,
            recipients=tuple(key.public() for key in (recipients or [self.custodian])),
            signers=(
                Signer(self.host.signing_key().public, Role.WRITER, "host"),
                Signer(self.maintainer.public, Role.MAINTAINER, "maintainer"),
            ),
        )
        return record.sign([self.root], EPOCH)

    def create(self, *stores: ObjectStore) -> Repository:
        """Make the repository in every store and open it."""
        replicas = [Replica(name=f"store{number}", store=store) for number, store in enumerate(stores)]
        trust_0 = self.trust_0()
        for replica in replicas:
            create_repository(replica, trust_0)
        return open_repository(replicas, hashlib.sha256(trust_0).digest())


def pieces(content: bytes, size: int = 100_000) -> Iterator[bytes]:
    """Yield ``content`` in pieces."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def back_up(
    repository: Repository,
    streams: Mapping[str, bytes],
    *,
    household: Household = Household(),
    source: str = "land",
    cache: Path | None = None,
    base_limit_bytes: int = 0,
    clock: Clock | None = None,
    random_bytes: Callable[[int], bytes] | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> CommittedSnapshot:
    """Store ``streams`` as one snapshot, one after the other; with ``base_limit_bytes`` as deltas where that pays."""
    clock = clock or ManualClock()
    random_bytes = random_bytes or counting_random()
    material = begin_run(
        repository,
        household.host,
        RunPlace(source=source),
        run=RunId(random_bytes(16)),
        cache=cache,
        clock=clock,
        random_bytes=random_bytes,
    )
    with closing(
        RunWriter(
            material,
            clock=clock,
            random_bytes=random_bytes,
            compression_level=1,
            seal_threads=1,
            base_room=BaseRoom(directory=cache, limit_bytes=base_limit_bytes) if cache and base_limit_bytes else None,
        )
    ) as writer:
        for ordinal, (name, content) in enumerate(streams.items()):
            stream = StreamToStore(
                ordinal=ordinal,
                name=name,
                kind=KINDS.get(name, 2),
                row_format=0,
                canonical_columns={},
                attributes={"n": ordinal},
            )
            writer.store(stream, pieces(content))
        before_commit()
        return writer.commit(summary(source, sum(map(len, streams.values()))))


def summary(source: str = "land", bytes_read: int = 0) -> RunSummary:
    """Return what a run would say at its end."""
    return RunSummary(
        source=source,
        policy_digest=Digest(bytes(32)),
        slot=None,
        started_at=EPOCH,
        ended_at=EPOCH,
        restore_point=EPOCH,
        engine="test",
        tables=0,
        rows=0,
        bytes_read=bytes_read,
        facts={"engine": "test"},
        closing_facts={},
    )


def snapshots(repository: Repository) -> list[ListedSnapshot]:
    """Return every committed snapshot of every lane."""
    return [one for lane in list_lanes(repository) for one in list_lane(repository, lane).snapshots]


def read_back(repository: Repository, snapshot: ListedSnapshot, household: Household = Household()) -> dict[str, bytes]:
    """Return every stream of a snapshot, read with the custodian's key."""
    reader = SnapshotReader(repository, snapshot.link, [household.custodian])
    with closing(reader):
        return {entry.name: b"".join(reader.stream(entry)) for entry in reader.entries()}
