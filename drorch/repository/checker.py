"""Tell what is damaged, hidden or left over in a repository, without changing anything.

Without a private key: the trust chain, every lane's chain of manifests, all signatures, presence and size of every pack that a
snapshot needs, and a share of the packs against their digests. With a key also what is inside. Memory stays flat; each small object is
read once, each lane listed once in each store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

from drorch.errors import DrorchError, IntegrityError, ObjectMissing, StoreDenied, StoreError
from drorch.format import names
from drorch.format.keys import read_key_bundle
from drorch.format.manifest import Manifest
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.trust_record import Role
from drorch.ids import LaneId, RunId
from drorch.quantities import counted
from drorch.repository.chain import lanes_of
from drorch.repository.chain_checker import LanePlace
from drorch.repository.data_checker import DataChecker, Depth
from drorch.repository.findings import CheckReport, Counts, Finding, Findings, Kind, Level, Progress, kind_of
from drorch.repository.lane import Head
from drorch.repository.lane_checker import LaneChecker
from drorch.repository.locking import BESIDE_LANES, LaneLocks, short_locks
from drorch.repository.opening import Replica, Repository, read_trust
from drorch.repository.scratch import RememberedLink, Scratch
from drorch.storage.interface import ObjectStat


def _everything(_: Manifest) -> bool:
    return True


def _silently(_label: str, _done: int, _total: int | None, _unit: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to check.

    ``lanes``: ``None`` for all that any store lists. ``wants``: which snapshots must be restorable. ``known_heads``: how far each lane was seen
    in each store, by store name, and ``known_snapshots`` what was committed there. ``retired``: snapshots that were pruned. ``known_objects``: what must stand under names outside the
    lanes (help files).
    """

    lanes: Collection[LaneId] | None = None
    wants: Callable[[Manifest], bool] | None = None
    depth: Depth = field(default_factory=Depth)
    known_heads: Mapping[tuple[str, LaneId], Head] = field(default_factory=dict)
    known_snapshots: Mapping[tuple[str, LaneId], Collection[RunId]] = field(default_factory=dict)
    retired: Collection[RunId] = ()
    known_objects: Mapping[str, bytes] = field(default_factory=dict)
    progress: Progress = _silently


def check(repository: Repository, request: CheckRequest) -> CheckReport:
    """Check ``repository`` and return what was found; errors of stores and damaged bytes are findings, none is raised."""
    checker = _Checker(repository, request)
    checker.check_stores()
    for lane in checker.lanes():
        checker.check_lane(lane)
    return checker.report()


class _Checker:
    def __init__(self, repository: Repository, request: CheckRequest) -> None:
        self._repository = repository
        self._request = request
        self._findings = Findings()
        self._counts = Counts()
        self._good: dict[str, None] = {}
        self._wanted: dict[str, None] = {}

    def report(self) -> CheckReport:
        """Return what was found."""
        return CheckReport(
            findings=tuple(self._findings.kept),
            left_out=self._findings.left_out,
            counts=self._counts,
            good=tuple(self._good),
            harmed=tuple(run for run in self._wanted if run not in self._good),
        )

    def lanes(self) -> list[LaneId]:
        """Return the lanes to check: those asked for, or all that are listed or known from before."""
        if self._request.lanes is not None:
            return sorted(self._request.lanes)
        found = {lane for _, lane in self._request.known_heads}
        for replica in self._repository.replicas:
            try:
                found |= set(lanes_of(replica.store))
            except StoreError as error:
                self._report_error(replica, names.lanes_prefix(), "the lanes cannot be listed", error)
        return sorted(found)

    # -- beside the lanes

    def check_stores(self) -> None:
        """Check trust records, key bundles and help files in every store."""
        for store, error in self._repository.unusable.items():
            self._add(kind_of(error), store, names.trust(0), f"the store is left out: {error.message}")
        for replica in self._repository.replicas:
            try:
                self._check_trust(replica)
                self._check_bundles(replica)
                self._check_known_objects(replica)
                if replica.lock is not None:
                    self._check_locks(
                        replica, (one for prefix in BESIDE_LANES for one in replica.store.list_objects(prefix))
                    )
                    self._check_hidden(replica, *BESIDE_LANES)
            except StoreError as error:
                self._report_error(replica, "", "the store does not answer", error)

    def _check_trust(self, replica: Replica) -> None:
        count = len(read_trust(replica.store))
        known = len(self._repository.trust.records)
        if count < known:
            text = f"trust record {count} is gone here; another store has {counted(known, 'record')}"
            self._add(Kind.TRUST, replica.name, names.trust(count), text)
        self._check_gap(replica, "trust/", count, Kind.TRUST)

    def _check_bundles(self, replica: Replica) -> None:
        number = 0
        while True:
            name = names.bundle(number)
            try:
                raw = replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
            except ObjectMissing:
                break
            except IntegrityError as error:
                self._report_error(replica, name, "the key bundle is no good: some keys may not open older runs", error)
            else:
                self._check_bundle(replica, number, raw)
            number += 1
        self._check_gap(replica, "keys/", number, Kind.MISSING)

    def _check_bundle(self, replica: Replica, number: int, raw: bytes) -> None:
        name, trust = names.bundle(number), self._repository.trust
        read = partial(read_key_bundle, raw, repository=trust.repository, number=number)
        try:
            read(allowed=trust.allowed(ObjectType.KEY_BUNDLE, None))
        except IntegrityError as error:
            try:
                read(allowed=trust.revoked_signers(Role.MAINTAINER))
            except IntegrityError:
                self._report_error(replica, name, "the key bundle is no good: some keys may not open older runs", error)
            else:
                text = "the key bundle is a revoked maintainer's and counts no more; drorch keys reseal replaces it"
                self._add(Kind.SIGNATURE, replica.name, name, text, level=Level.NOTE)

    def _check_gap(self, replica: Replica, prefix: str, count: int, kind: Kind) -> None:
        """Report records that are listed behind the last one that consecutive names lead to."""
        expected = {f"{prefix}{number}" for number in range(count)}
        listed = {names.base_name(stat.name) for stat in replica.store.list_objects(prefix)}
        if listed - expected:
            text = f"{prefix}{count} is gone; there: {counted(len(listed - expected), 'later one')}"
            self._add(kind, replica.name, f"{prefix}{count}", text)

    def _check_known_objects(self, replica: Replica) -> None:
        for name, content in self._request.known_objects.items():
            try:
                found = replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
            except ObjectMissing:
                self._add(Kind.MISSING, replica.name, name, "the help file is gone", level=Level.NOTE)
                continue
            if found != content:
                self._add(Kind.ALTERED, replica.name, name, "the help file was altered: do not run it")

    def _check_locks(self, replica: Replica, objects: Iterable[ObjectStat]) -> None:
        """Report, by the store's own word and clock, what is locked for less than the store promises; it loses nothing yet."""
        try:
            for name, until in short_locks(replica, objects, replica.store.server_time()):
                end = "it has no lock" if until is None else f"its lock ends on {until:%d/%m/%Y}"
                text = f"{end}, before what object_lock promises; `drorch lock extend --ask` on the maintenance machine"
                self._add(Kind.LOCK, replica.name, name, text)
        except StoreDenied:
            text = "this credential may not see locks: whether they are long enough is not known"
            self._add(Kind.LOCK, replica.name, "", text, level=Level.NOTE)

    def _check_hidden(self, replica: Replica, *prefixes: str) -> None:
        """Report what somebody deleted though it is locked; a restore reads the version behind the deletion."""
        try:
            for name in (one for prefix in prefixes for one in replica.store.hidden(prefix)):
                text = (
                    "somebody deleted it; the lock kept the bytes, and restores read them: ask who holds the credential"
                )
                self._add(Kind.HIDDEN, replica.name, name, text)
        except StoreDenied:
            text = "this credential may not list versions: whether somebody hid an object is not known"
            self._add(Kind.HIDDEN, replica.name, prefixes[0], text, level=Level.NOTE)

    # -- lanes

    def check_lane(self, lane: LaneId) -> None:
        """Check one lane in every store, and compare what the stores hold of it."""
        with ExitStack() as stack:
            scratches: dict[str, Scratch] = {}
            for replica in self._repository.replicas:
                scratch = stack.enter_context(closing(Scratch()))
                if self._check_lane_in(replica, lane, scratch):
                    scratches[replica.name] = scratch
            self._compare(lane, scratches)

    def _check_lane_in(self, replica: Replica, lane: LaneId, scratch: Scratch) -> bool:
        """Check one lane in one store; ``False`` when the store broke off."""
        place = LanePlace(
            replica=replica,
            trust=self._repository.trust,
            lane=lane,
            scratch=scratch,
            findings=self._findings,
            wants=self._request.wants or _everything,
            retired=self._request.retired,
        )
        self._request.progress(f"lists and signatures in {replica.name}", self._counts.lanes, None, "lanes")
        try:
            LaneChecker(place, self._counts).check(
                self._request.known_heads.get((replica.name, lane)),
                self._request.known_snapshots.get((replica.name, lane), ()),
                with_orphans=self._request.wants is None,
            )
            if replica.lock is not None:
                self._check_locks(replica, LaneLocks(replica, self._repository.trust, lane).objects())
                self._check_hidden(replica, names.lane_prefix(lane))
            depth = self._request.depth
            if depth.read_data_percent or depth.recipients:
                DataChecker(place, depth, self._counts, self._request.progress).check()
        except StoreError as error:
            self._report_error(replica, names.lane_prefix(lane), "the lane cannot be checked", error)
            return False
        harmed = self._findings.harmed.get(replica.name, set())
        for link in scratch.links():
            if link.is_required:
                self._wanted[str(link.run)] = None
                if str(link.run) not in harmed:
                    self._good[str(link.run)] = None
        return True

    def _compare(self, lane: LaneId, scratches: Mapping[str, Scratch]) -> None:
        """Report where two stores hold different manifests of one number, and what one of them lacks."""
        stores = list(scratches)
        for one, other in ((a, b) for a in stores for b in stores if a != b):
            absent: list[RememberedLink] = []
            for link in scratches[one].links():
                there = scratches[other].link(link.sequence)
                name = names.manifest(lane, link.sequence)
                if there is not None and there.digest != link.digest and one < other:
                    text = f"manifest {link.sequence} is another one than in {one}: two machines wrote to one lane"
                    self._add(Kind.CHAIN, other, name, text)
                if link.is_required and (there is None or (there.digest == link.digest and not there.is_committed)):
                    absent.append(link)
            if absent:
                text = f"not here: {counted(len(absent), 'snapshot')} that {one} has; docs/OPERATIONS.md says how to bring them"
                self._add(Kind.BEHIND, other, names.manifests_prefix(lane), text, level=Level.NOTE)

    # -- findings

    def _report_error(self, replica: Replica, name: str, what: str, error: DrorchError) -> None:
        self._add(kind_of(error), replica.name, name, f"{what}: {error.message}")

    def _add(self, kind: Kind, store: str, name: str, text: str, *, level: Level = Level.ERROR) -> None:
        self._findings.add(Finding(level=level, kind=kind, store=store, name=name, text=text))
