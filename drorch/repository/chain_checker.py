"""Walk one lane's chain in one store and say, object by object, what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from drorch.errors import DrorchError, IntegrityError, ObjectCorrupt, ObjectMissing
from drorch.format import names
from drorch.format.manifest import Commit, CommitState, Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.trust import TrustChain
from drorch.format.trust_record import NO_PREVIOUS
from drorch.ids import Digest, LaneId, RunId
from drorch.quantities import counted
from drorch.repository.chain import MANIFEST_LIMIT_BYTES, alternates, read_link
from drorch.repository.findings import Finding, Findings, Kind, Level, kind_of
from drorch.repository.lane import Head
from drorch.repository.opening import Replica
from drorch.repository.scratch import RememberedLink, Scratch

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlace:
    """Which lane in which store is being checked, and where findings go."""

    replica: Replica
    trust: TrustChain
    lane: LaneId
    scratch: Scratch
    findings: Findings
    wants: Callable[[Manifest], bool]
    retired: Collection[RunId] = ()

    def report(
        self,
        kind: Kind,
        name: str,
        text: str,
        *,
        level: Level = Level.ERROR,
        links: Collection[RememberedLink] = (),
        streams: Collection[str] = (),
    ) -> None:
        """Add a finding about this store; ``links`` are the snapshots that it touches."""
        self.findings.add(
            Finding(
                level=level,
                kind=kind,
                store=self.replica.name,
                name=name,
                text=text,
                snapshots=tuple(str(link.run) for link in links),
                sources=tuple(sorted({link.source for link in links})),
                streams=tuple(streams),
            )
        )

    def report_error(self, name: str, what: str, error: DrorchError, links: Collection[RememberedLink] = ()) -> None:
        """Add an error that a store or decoder raised for the object ``name``."""
        found = f": {error.found}" if error.found and error.message != error.found else ""
        self.report(kind_of(error), name, f"{what}: {error.message}{found}", links=links)


@dataclass(slots=True)
class _Walk:
    """Where the walk stands."""

    sequence: int = 0
    digest: Digest = NO_PREVIOUS
    run: RunId | None = None
    open: list[int] = field(default_factory=list)


class ChainChecker:
    """Reads manifests and commits by GET of consecutive names, each once."""

    def __init__(self, place: LanePlace) -> None:
        self._place = place
        self._store = place.replica.store
        self._walk = _Walk()
        self._limit = self._vouched_for()

    def check(self, known_head: Head | None, known_snapshots: Collection[RunId] = ()) -> Head:
        """Walk the chain into the scratch; return where it ends."""
        while self._step(self._walk.sequence + 1):
            pass
        self._check_open()
        self._check_end(known_head)
        self._check_known(known_snapshots)
        return Head(self._walk.sequence, self._walk.digest)

    def _step(self, sequence: int) -> bool:
        """Take one link; ``False`` when the chain ends here."""
        place = self._place
        commit_name, name = names.commit(place.lane, sequence), names.manifest(place.lane, sequence)
        raw_commit, raw = self._read(commit_name, OBJECT_LIMIT_BYTES), self._read(name, MANIFEST_LIMIT_BYTES)
        if isinstance(raw, ObjectMissing) and isinstance(raw_commit, ObjectMissing):
            return False
        commit = self._commit(commit_name, sequence, raw_commit)
        manifest = self._manifest(name, sequence, raw, commit)
        if manifest is None:
            return False
        if manifest.previous != self._walk.digest:
            place.report(
                Kind.CHAIN,
                name,
                f"manifest {sequence} does not follow the one before; it and all behind it do not count",
            )
            return False
        self._take(manifest, commit, damaged_commit=commit is None and not isinstance(raw_commit, ObjectMissing))
        return True

    def _take(self, manifest: Manifest, commit: Commit | None, *, damaged_commit: bool) -> None:
        place, walk, sequence = self._place, self._walk, manifest.sequence
        assert manifest.digest is not None
        is_committed = commit is not None and commit.state is CommitState.COMMITTED and sequence <= self._limit
        required = is_committed and manifest.run not in place.retired and place.wants(manifest)
        link = RememberedLink(sequence, manifest.digest, manifest.run, manifest.source, is_committed, required)
        is_void = commit is not None and commit.state is CommitState.VOID
        place.scratch.add_link(link, () if is_void else manifest.needs)
        if sequence > self._limit:
            place.report(
                Kind.UNDECIDED,
                manifest.name,
                f"manifest {sequence} does not count: its writer's key is revoked",
                level=Level.NOTE,
            )
        if commit is None and not damaged_commit:
            walk.open.append(sequence)
        if commit is not None and is_committed:
            place.scratch.add_spare(manifest.run, commit.run_record, commit.pack_list or None)
        walk.sequence, walk.digest, walk.run = sequence, manifest.digest, manifest.run

    def _commit(self, name: str, sequence: int, raw: bytes | DrorchError) -> Commit | None:
        place = self._place
        if isinstance(raw, ObjectMissing):
            return None
        place.scratch.see(name)
        verify = partial(
            Commit.verify,
            repository=place.trust.repository,
            lane=place.lane,
            sequence=sequence,
            allowed=place.trust.allowed(ObjectType.COMMIT, place.lane),
        )
        try:
            return verify(_bytes(raw))
        except DrorchError as error:
            beside = self._beside(name, verify)
            if beside is None:
                text = f"the commit of manifest {sequence} is no good, so its snapshot does not exist"
                place.report_error(name, text, error)
            return beside

    def _manifest(self, name: str, sequence: int, raw: bytes | DrorchError, commit: Commit | None) -> Manifest | None:
        """Return the manifest, from its commit's second copy when it is no good itself; ``None`` when neither is."""
        place = self._place
        place.scratch.see(name)
        try:
            manifest = self._verified(sequence, _bytes(raw))
            if commit is None or commit.manifest_digest == manifest.digest:
                self._compare_copy(name, _bytes(raw), commit)
                return manifest
            return self._that_counts(name, sequence, manifest, commit)
        except DrorchError as error:
            beside = self._beside(name, partial(self._that_is_meant, sequence, commit))
            return beside or self._from_commit(name, sequence, error, commit)

    def _beside(self, name: str, verify: Callable[[bytes], T]) -> T | None:
        """Return what a repair put beside an object that is no good, and tell that it did; ``None`` when no copy is good."""
        for copy in alternates(name):
            self._place.scratch.see(copy)
            with suppress(ObjectMissing, IntegrityError):
                found = verify(self._store.read(copy, limit_bytes=OBJECT_LIMIT_BYTES))
                self._place.report(Kind.ALTERED, name, "it is no good; a good copy lies beside it", level=Level.NOTE)
                return found
        return None

    def _that_is_meant(self, sequence: int, commit: Commit | None, raw: bytes) -> Manifest:
        manifest = self._verified(sequence, raw)
        if commit is not None and commit.manifest_digest != manifest.digest:
            raise _other_manifest(manifest.name, commit, manifest)
        return manifest

    def _that_counts(self, name: str, sequence: int, other: Manifest, commit: Commit) -> Manifest:
        """Return the manifest that the commit names, where ``name`` holds that of a run which lost the number (FORMAT 12)."""
        if not commit.manifest or digest_of(commit.manifest) != commit.manifest_digest:
            raise _other_manifest(name, commit, other)
        manifest = self._verified(sequence, commit.manifest)
        text = f"two runs took number {sequence}; that of run {other.run.short} lost it and does not count"
        self._place.report(Kind.UNDECIDED, name, text, level=Level.NOTE)
        return manifest

    def _from_commit(self, name: str, sequence: int, error: DrorchError, commit: Commit | None) -> Manifest | None:
        if commit is None or not commit.manifest:
            text = f"manifest {sequence} is no good and there is no second copy; all behind it do not count"
            self._place.report_error(name, text, error)
            return None
        try:
            manifest = self._verified(sequence, commit.manifest)
        except IntegrityError as second:
            self._place.report_error(name, f"manifest {sequence} and its second copy are no good", second)
            return None
        link = RememberedLink(
            sequence, digest_of(commit.manifest), manifest.run, manifest.source, is_committed=True, is_required=True
        )
        text = f"manifest {sequence} is no good, its second copy in the commit is"
        self._place.report_error(name, text, error, links=[link])
        return manifest

    def _compare_copy(self, name: str, raw: bytes, commit: Commit | None) -> None:
        if commit is not None and commit.manifest and commit.manifest != raw:
            self._place.report(Kind.DIFFERS, name, "the second copy in the commit is another manifest")

    def _verified(self, sequence: int, raw: bytes) -> Manifest:
        place = self._place
        return Manifest.verify(
            raw,
            repository=place.trust.repository,
            lane=place.lane,
            sequence=sequence,
            allowed=place.trust.allowed(ObjectType.MANIFEST, place.lane),
        )

    def _read(self, name: str, limit_bytes: int) -> bytes | DrorchError:
        try:
            return self._store.read(name, limit_bytes=limit_bytes)
        except (ObjectMissing, IntegrityError) as error:
            return error

    # -- the end

    def _vouched_for(self) -> int:
        """Return the last number that counts when the lane's writer was revoked."""
        place = self._place
        limit = 10**12
        for key_id in place.trust.allowed(ObjectType.MANIFEST, place.lane):
            if not place.trust.is_revoked(key_id):
                continue
            head = place.trust.last_good(key_id, place.lane)
            try:
                link = None if head is None else read_link(self._store, place.trust, place.lane, head.sequence)
            except IntegrityError:
                link = None
            limit = 0 if head is None or link is None or link.digest != head.digest else min(limit, head.sequence)
        return limit

    def _check_open(self) -> None:
        for sequence in self._walk.open:
            name = names.commit(self._place.lane, sequence)
            if sequence == self._walk.sequence:
                self._place.report(
                    Kind.UNDECIDED,
                    name,
                    f"manifest {sequence} has no commit: a run is under way, or it was broken off",
                    level=Level.NOTE,
                )
            else:
                self._place.report(
                    Kind.MISSING,
                    name,
                    f"the commit of manifest {sequence} is gone; a later one proves that there was one",
                )

    def _check_end(self, known: Head | None) -> None:
        place, end = self._place, self._walk.sequence
        beyond = [
            name for name, _ in place.scratch.names(names.manifests_prefix(place.lane), unseen=True) if "~" not in name
        ]
        if beyond:
            place.report(
                Kind.CHAIN,
                beyond[0],
                f"the chain ends with manifest {end}, and behind it: {counted(len(beyond), 'object')}",
            )
        if known is None or known.sequence == 0:
            return
        link = place.scratch.link(known.sequence)
        prefix = names.manifests_prefix(place.lane)
        if link is None:
            place.report(
                Kind.HIDDEN,
                prefix,
                f"the chain ends with manifest {end}; it was seen up to {known.sequence}: hidden or cut",
            )
        elif link.digest != known.digest:
            place.report(Kind.HIDDEN, prefix, f"manifest {known.sequence} is not the one that was seen there before")

    def _check_known(self, known: Collection[RunId]) -> None:
        """Report snapshots that were seen before and do not exist here any more."""
        scratch, prefix = self._place.scratch, names.manifests_prefix(self._place.lane)
        gone = [run for run in known if (link := scratch.link_of(run)) is None or not link.is_committed]
        if gone:
            text = f"{counted(len(gone), 'snapshot')} committed here before, and here no more: {gone[0].short} ..."
            self._place.report(Kind.HIDDEN, prefix, text.removesuffix(" ...") if len(gone) == 1 else text)


def _bytes(raw: bytes | DrorchError) -> bytes:
    if isinstance(raw, DrorchError):
        raise raw
    return raw


def _other_manifest(name: str, commit: Commit, manifest: Manifest) -> ObjectCorrupt:
    return ObjectCorrupt(
        f"{name} is not the manifest that its commit names",
        expected=str(commit.manifest_digest)[:16],
        found=str(manifest.digest)[:16],
    )
