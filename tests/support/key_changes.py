"""A repository in two memory stores whose keys change: what a holder of the root key does, without the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from drorch.format.keyfile import KeyKind, PublicKey, public_of
from drorch.format.keys import RecipientKey
from drorch.format.signing import SigningKey
from drorch.operations.rotate_keys import resealing
from drorch.operations.rotate_keys.changes import Change, next_record
from drorch.operations.rotate_keys.last_good import Vouching, lane_ends, ledger_end, revocation
from drorch.operations.rotate_keys.listed import find_key
from drorch.operations.rotate_keys.publishing import Published, publish
from drorch.operations.rotate_keys.resealing import ResealReport
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import Repository, open_repository
from drorch.repository.reader import SnapshotReader
from tests.support.repositories import EPOCH, Household, ManualClock, seed

HOUSEHOLD = Household()
LATER = RecipientKey.from_seed(seed("later"), "later")
EVERYTHING = Vouching(before=EPOCH.replace(year=2100))


def key_of(kind: KeyKind, label: str) -> PublicKey:
    """Return the public half of the key that belongs to ``label``."""
    return public_of(kind, seed(label), label)


LATER_PUBLIC = key_of(KeyKind.RECIPIENT, "later")


@dataclass(frozen=True, kw_only=True)
class Office:
    """The repository as somebody opens it anew for each command."""

    founded: Repository

    def opened(self) -> Repository:
        return open_repository(self.founded.replicas, self.founded.trust.root_digest.raw)

    def change(self, change: Change, *keys: SigningKey, seen: Repository | None = None) -> Published:
        """Publish a change as its author sees the repository, now or as it was ``seen``."""
        repository = seen or self.opened()
        record = next_record(repository.trust, change)
        return publish(repository, record, keys or (HOUSEHOLD.root,), clock=ManualClock())

    def add(self, *added: PublicKey) -> Published:
        return self.change(Change(added=added))

    def revoke(self, which: str, vouching: Vouching = EVERYTHING) -> Published:
        repository = self.opened()
        key = find_key(repository.trust, which)
        ends = lane_ends(repository, key, vouching)
        ledger = ledger_end(repository, key, vouching.before)
        return self.change(Change(revocations=(revocation(key, ends, ledger),)))

    def reseal(self, opens: RecipientKey = HOUSEHOLD.custodian, key: SigningKey = HOUSEHOLD.maintainer) -> ResealReport:
        repository = self.opened()
        plan = resealing.make_plan(repository, repository.trust.recipients)
        return resealing.run(repository, plan, opens=opens, key=key, clock=ManualClock())


def read_with(repository: Repository, snapshot: ListedSnapshot, keys: Sequence[RecipientKey]) -> dict[str, bytes]:
    """Return every stream of a snapshot, read with ``keys`` alone."""
    with closing(SnapshotReader(repository, snapshot.link, keys)) as reader:
        return {entry.name: b"".join(reader.stream(entry)) for entry in reader.entries()}
