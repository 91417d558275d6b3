"""One writer's side of a lane: where the chain ends, who decides an open manifest, and how a run commits.

*Each side writes, then reads* (docs/FORMAT.md section 12): the writer puts its manifest and then reads the retire lists; the sweeper puts
a retire list and then reads the manifests. One of them sees the other, without clocks or leases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from drorch.clock import Clock
from drorch.errors import (
    ChainBroken,
    IntegrityError,
    NothingDone,
    ObjectConflict,
    ObjectMissing,
    RunVoided,
    StoreError,
    StoreUnfit,
)
from drorch.format import names
from drorch.format.manifest import Commit, CommitState, Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.packsets import overlap, united
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.format.trust_record import NO_PREVIOUS
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.chain import (
    MANIFEST_LIMIT_BYTES,
    ChainLink,
    LinkState,
    alternates,
    counts,
    manifests_of,
    read_commit,
    read_link,
)
from drorch.repository.opening import Replica
from drorch.repository.replicas import Replicas, put_or_compare
from drorch.repository.retirement import listed_packs, retired_packs
from drorch.storage.interface import ObjectStore


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a lane in one store: the last manifest, or number 0 when there is none yet."""

    sequence: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class SecondCopy:
    """What a commit carries beside the decision."""

    run_record: bytes
    pack_list: bytes


@dataclass(frozen=True, slots=True)
class Decided:
    """What a commit wrote: the manifest's place and digest, and the size of manifest and commit together."""

    sequence: int
    manifest_digest: Digest
    size_bytes: int


class LaneWriter:
    """Writes the chain of one lane; the only user of the writer's signing key for manifests and commits."""

    def __init__(self, trust: TrustChain, lane: LaneId, key: SigningKey, clock: Clock) -> None:
        self.trust = trust
        self.lane = lane
        self.key = key
        self._clock = clock

    def settle(self, replicas: Replicas) -> Head:
        """Drop the stores that are behind the others, decide an undecided manifest, and return the common head.

        A store is behind when it was away during an earlier run; ``drorch copy`` brings it up. Raises what the last store raised.
        """
        links: dict[str, ChainLink | None] = {}

        def look(replica: Replica) -> None:
            links[replica.name] = self._last_link(replica.store)

        replicas.each(look)
        newest = _head(max((links[replica.name] for replica in replicas.alive), key=_how_far))
        for replica in replicas.alive:
            if _head(links[replica.name]) != newest:
                replicas.drop(replica, _behind(replica, _head(links[replica.name]), newest))
        commit = self._commit_of([(replica, links[replica.name]) for replica in replicas.alive])

        def decide(replica: Replica) -> None:
            link = links[replica.name]
            if link is not None and link.state is LinkState.UNDECIDED:
                self._settle_open(replica, link, commit)

        replicas.each(decide)
        return newest

    def commit(
        self,
        manifest: Manifest,
        sealed_body: bytes,
        second: SecondCopy,
        replicas: Replicas,
        *,
        require_wanted: Callable[[], None] = lambda: None,
    ) -> Decided:
        """Put the manifest, then look for retired packs, then put the commit, in every store.

        ``require_wanted`` raises when nobody wants the snapshot any more. It is asked before the first put; whoever began goes on.

        The first store arbitrates between writers: whoever has the number there has it. Raises ``NothingDone`` when another run has, ``RunVoided`` when a
        pack that the snapshot needs is being swept, ``StoreError`` when no store is left.
        """
        raw = manifest.sign(sealed_body, self.key, self._clock.now())
        require_wanted()
        self._put_manifest(replicas, names.manifest(self.lane, manifest.sequence), raw)
        needed = {need.run: need.bitmap for need in manifest.needs}
        commit = Commit(
            sequence=manifest.sequence,
            manifest_digest=digest_of(raw),
            state=CommitState.COMMITTED,
            manifest=raw,
            pack_list=second.pack_list,
            run_record=second.run_record,
        )
        content = self._signed(commit)

        def decide(replica: Replica) -> None:
            if overlap(needed, retired_packs(replica.store, self.trust, self.lane)):
                self._decide(replica, replace(commit, state=CommitState.VOID, pack_list=b"", run_record=b""))
                raise _voided(replica)
            self._put_commit(replica, manifest.sequence, content)

        replicas.each(decide)
        return Decided(manifest.sequence, digest_of(raw), len(raw) + len(content))

    def unreliable(self, store: ObjectStore) -> Mapping[RunId, bytes]:
        """Return every pack that a run must not rely on: those of the retire lists, and those of the damage lists."""
        found = retired_packs(store, self.trust, self.lane)
        damaged = listed_packs(store, self.trust, self.lane, ObjectType.DAMAGE_LIST, names.damage_list)
        for run, bitmap in damaged.items():
            found[run] = united(found.get(run, b""), bitmap)
        return found

    # -- the chain's end

    def _commit_of(self, ends: Iterable[tuple[Replica, ChainLink | None]]) -> bytes | None:
        """Return the commit of the last manifest from a store where it says *committed*."""
        for replica, link in ends:
            if link is not None and link.state is LinkState.COMMITTED:
                with suppress(StoreError, IntegrityError):
                    return read_commit(replica.store, self.trust, self.lane, link.sequence)
        return None

    def _settle_open(self, replica: Replica, link: ChainLink, commit: bytes | None) -> None:
        """Decide a manifest that its run left open; when its writer was quicker after all, that counts.

        Void; but as in another store where its run had come to commit it: everything that it needs came before the manifest.
        """
        needed = {need.run: need.bitmap for need in link.manifest.needs}
        commit = commit or self._commit_beside(replica.store, link)
        if commit is None or overlap(needed, retired_packs(replica.store, self.trust, self.lane)):
            manifests = (raw for raw, _ in manifests_of(replica.store, self.trust, self.lane, link.sequence))
            manifest = next((raw for raw in manifests if digest_of(raw) == link.digest), b"")
            void = Commit(
                sequence=link.sequence, manifest_digest=link.digest, state=CommitState.VOID, manifest=manifest
            )
            self._decide(replica, void)
        else:
            replica.store.put_if_absent(names.commit(self.lane, link.sequence), commit)

    def _commit_beside(self, store: ObjectStore, link: ChainLink) -> bytes | None:
        """Return the commit that a repair put beside a damaged one, which somebody has taken away since."""
        for candidate in alternates(names.commit(self.lane, link.sequence)):
            with suppress(ObjectMissing, IntegrityError):
                raw = store.read(candidate, limit_bytes=OBJECT_LIMIT_BYTES)
                if counts(self.trust, link, raw):
                    return raw
        return None

    def _last_link(self, store: ObjectStore) -> ChainLink | None:
        """Return the chain's last link. A listing says where to begin to look; the end is where a GET finds nothing.

        Raises ``ChainBroken`` when the chain does not lead there: no reader would find what is added behind a gap.
        """
        listed = {names.sequence_of(stat.name) for stat in store.list_objects(names.manifests_prefix(self.lane))}
        start = max(listed, default=0)
        gap = next((number for number in range(1, start) if number not in listed and not self._has(store, number)), 0)
        if gap:
            raise ChainBroken(
                f"manifest {gap} of lane {self.lane} is gone from {store.address}, and {start} is there",
                expected=f"every manifest from 1 to {start}",
                found=f"none between {gap - 1} and {min(number for number in listed if number > gap)}",
                hint="somebody deleted from the store, or uses this host's key; nothing is added where no reader comes."
                " `drorch verify` says more, `drorch copy --repair` brings what another store has",
            )
        link = read_link(store, self.trust, self.lane, start) if start else None
        if link is None and start:
            raise ChainBroken(
                f"{store.address} lists manifest {start} of lane {self.lane} and does not give it",
                hint="two machines use one store without telling it, or the store was altered; `drorch verify` says more",
            )
        if link is not None and not self._follows(store, link):
            raise ChainBroken(
                f"manifest {start} of lane {self.lane} in {store.address} does not follow the one before",
                hint="two machines wrote to one lane, or somebody uses this host's key: nothing is added where no reader comes."
                " `drorch verify` says more; `drorch source reseed` goes on in a new lane",
            )
        while (following := read_link(store, self.trust, self.lane, start + 1)) is not None:
            if following.manifest.previous != (NO_PREVIOUS if link is None else link.digest):
                raise ChainBroken(f"manifest {following.sequence} of lane {self.lane} does not follow the one before")
            link, start = following, start + 1
        return link

    def _follows(self, store: ObjectStore, link: ChainLink) -> bool:
        """Say whether the chain leads from the link before to this one; one request where nothing is wrong."""
        if link.sequence == 1:
            return link.manifest.previous == NO_PREVIOUS
        number = link.sequence - 1
        with suppress(ObjectMissing, IntegrityError):
            raw = store.read(names.manifest(self.lane, number), limit_bytes=MANIFEST_LIMIT_BYTES)
            if digest_of(raw) == link.manifest.previous:
                return True
        before = read_link(store, self.trust, self.lane, number)
        return before is not None and before.digest == link.manifest.previous

    def _has(self, store: ObjectStore, number: int) -> bool:
        return read_link(store, self.trust, self.lane, number) is not None

    def _decide(self, replica: Replica, commit: Commit) -> None:
        name = names.commit(self.lane, commit.sequence)
        replica.store.put_if_absent(name, self._signed(commit))

    def _signed(self, commit: Commit) -> bytes:
        return commit.sign(repository=self.trust.repository, lane=self.lane, made_at=self._clock.now(), key=self.key)

    # -- the run's own objects

    def _put_manifest(self, replicas: Replicas, name: str, raw: bytes) -> None:
        """Put the manifest, first in the first store: two runs that want one number meet there."""
        first = replicas.alive[0]

        def put(replica: Replica) -> None:
            try:
                put_or_compare(replica, name, raw)
            except ObjectConflict as error:
                if replica.name == first.name:
                    raise NothingDone(
                        "another run of this source took the next place in the lane",
                        expected=f"nobody else at {name}",
                        found=f"another manifest in {replica.store.address}",
                        hint="run the backup again; if no other run is known, another machine holds a copy of this host's key",
                    ) from error
                raise

        replicas.each(put)

    def _put_commit(self, replica: Replica, sequence: int, content: bytes) -> None:
        name = names.commit(self.lane, sequence)
        try:
            put_or_compare(replica, name, content)
        except ObjectConflict as error:
            raise _voided(replica) from error
        except StoreError as error:
            self._ask_for_commit(replica, name, content, error)

    def _ask_for_commit(self, replica: Replica, name: str, content: bytes, error: StoreError) -> None:
        """Return when the commit stands although no put was acknowledged; raise ``error``, or ``RunVoided``.

        Whoever is told that nothing was stored must be told the truth.
        """
        try:
            present = replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
        except StoreError as asked:
            if not isinstance(asked, ObjectMissing) or isinstance(error, StoreUnfit):
                error.still_good = error.still_good or (
                    f"All is stored in {replica.name}, but whether the snapshot counts there is not known: the store does not"
                    " answer, or says both. `drorch snapshots` tells when it does, and the next backup settles it."
                )
            raise error from None
        if present != content:
            raise _voided(replica) from error


def _how_far(link: ChainLink | None) -> tuple[int, bool]:
    """Of two manifests of one number the decided one goes further: the other may still lose the number (FORMAT 12)."""
    return (0, False) if link is None else (link.sequence, link.state is not LinkState.UNDECIDED)


def _head(link: ChainLink | None) -> Head:
    return Head(0, NO_PREVIOUS) if link is None else Head(link.sequence, link.digest)


def _voided(replica: Replica) -> RunVoided:
    return RunVoided(
        f"the run does not count in {replica.name}",
        expected="packs that stay, and nobody who decided first",
        found="a pack that is being swept, or a later run that declared this one void",
    )


def _behind(replica: Replica, head: Head, newest: Head) -> StoreError:
    return ObjectConflict(
        f"{replica.name} does not hold the newest snapshots of this source",
        expected=f"manifest {newest.sequence}",
        found=f"manifest {head.sequence}" if head.sequence != newest.sequence else "another manifest of that number",
        hint=f"`drorch copy --to {replica.name}` brings it up",
    )
