"""Bring a store up that was away: what the others hold and it lacks, as ciphertext; no private key and no signing key is used.

Every object is verified before it is put (packs by the digest in their name, the others by their signatures), nothing is ever
overwritten, and a snapshot's commit comes last. So it can be killed anywhere and run again, and the store never shows a snapshot
whose objects are still on the way. Index segments alone are taken unseen: only the writer's secret opens them, and it does not rely on
them. Retire and damage lists are not copied: they speak of one store.

Of a snapshot that needs packs which a sweep of the target retires, because it was made while the target was away, the same is copied: with that key the target says that it is
given up there, and the lane goes on behind it; without the key the lane ends before it.

Of a snapshot that was given up in every source its place in the chain is copied, and that it was given up: a retire list that is signed
by the maintainer's key, if that is at hand.

A pack that is good nowhere is left out and told, and the copy goes on: the snapshots that need it are damaged in every store, but a store
whose chain ends there would never take part in a backup again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, ObjectConflict, ObjectMissing, RunVoided
from drorch.format import names
from drorch.format.manifest import Needs
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.format.pack import ListedPack
from drorch.format.packsets import overlap, united
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.carrier import Carrier
from drorch.repository.chain import ChainLink, LinkState, alternates, lanes_of, read_good_part
from drorch.repository.copied_objects import VerifiedObjects, check_pack
from drorch.repository.copy_report import CopiedSnapshot, CopyProblem, CopyReport
from drorch.repository.histories import damaged_commit, decided_part, merged, outran, require_same_history
from drorch.repository.lane import Head
from drorch.repository.opening import Replica
from drorch.repository.retirement import known_retired, put_list, retired_packs

Progress = Callable[[int], None]


@dataclass(slots=True)
class _Done:
    """What was done so far."""

    snapshots: list[CopiedSnapshot] = field(default_factory=list)
    voided: list[ChainLink] = field(default_factory=list)
    swept: list[ChainLink] = field(default_factory=list)
    heads: dict[LaneId, Head] = field(default_factory=dict)
    problems: list[CopyProblem] = field(default_factory=list)


def _unheard(count: int) -> None:
    """Tell nobody."""


def catch_up(
    sources: Sequence[Replica],
    target: Replica,
    trust: TrustChain,
    *,
    doubtful: Collection[RunId] = (),
    repair: bool = False,
    progress: Progress = _unheard,
    key: SigningKey | None = None,
    clock: Clock | None = None,
) -> CopyReport:
    """Copy into ``target`` every decided snapshot of every lane that ``sources`` hold and it lacks.

    ``doubtful`` are snapshots that it has, but perhaps not whole: their objects are looked at again. ``repair`` takes every
    snapshot for doubtful and reads each of its packs: what is gone is put again, and beside what is altered a good copy (``~1``). ``progress`` hears the bytes of each
    object that was put. ``key`` (the maintainer's) and ``clock`` are for retire lists. A lane whose history differs, or a store that cannot say where a lane ends, is among the problems; raises what a store
    raises when it does not answer, and then everything put so far stays of use.
    """
    done = _Done()
    carrier = Carrier(sources, target, trust, progress)
    give_up = None if key is None or clock is None else partial(put_list, target, trust, key=key, clock=clock)
    carrier.trust_records()
    for lane in sorted({lane for source in sources for lane in lanes_of(source.store)}):
        try:
            _Lane(carrier, done, lane, frozenset(doubtful), give_up, repair=repair).copy()
        except (IntegrityError, ObjectConflict, ObjectMissing, RunVoided) as error:
            done.problems.append(CopyProblem(lane=lane, name="", error=error))
    return CopyReport(
        snapshots=tuple(done.snapshots),
        voided=tuple(done.voided),
        swept=tuple(done.swept),
        heads=done.heads,
        objects=carrier.objects,
        bytes=carrier.bytes,
        problems=tuple(done.problems),
    )


class _Lane:
    """Copies one lane."""

    def __init__(
        self,
        carrier: Carrier,
        done: _Done,
        lane: LaneId,
        doubtful: Collection[RunId],
        give_up: Callable[..., int] | None,
        *,
        repair: bool = False,
    ) -> None:
        self._carrier = carrier
        self._done = done
        self._trust = carrier.trust
        self._lane = lane
        self._doubtful = doubtful
        self._repair = repair
        self._give_up = give_up
        self._retired_here: Collection[RunId] = ()
        self._retired: Collection[RunId] = ()
        self._objects = VerifiedObjects(carrier, lane)
        self._present: set[str] = set()
        self._segments: dict[RunId, list[str]] = {}
        self._given_up: dict[RunId, bytes] = {}
        self._lost: set[str] = set()
        self._looked_at: set[str] = set()
        self._outrun: set[int] = set()
        self._own: set[RunId] = set()
        self._retired_packs: Mapping[RunId, bytes] = {}

    def copy(self) -> None:
        """Copy what the target lacks, in the order of the chain."""
        known, problem = self._source_links()
        there = read_good_part(self._carrier.target.store, self._trust, self._lane)
        if there.problem is not None:
            raise there.problem
        require_same_history(self._lane, known, there.links, self._carrier.target.name)
        self._outrun = {other.sequence for one, other in zip(known, there.links, strict=False) if outran(one, other)}
        self._retired_here = known_retired(self._carrier.target.store, self._trust, self._lane)
        self._own = {link.manifest.run for link in there.links if link.state is LinkState.COMMITTED}
        pending = list(self._pending(known, there.links))
        if pending:
            self._look()
            self._retire(pending)
        head = there.links[-1] if there.links else None
        for link in pending:
            self._copy_link(link)
            head = link if head is None or link.sequence > head.sequence else head
            self._remember(head)
        if problem is not None:
            raise problem

    def _remember(self, head: ChainLink) -> None:
        self._done.heads[self._lane] = Head(head.sequence, head.digest)

    def _source_links(self) -> tuple[tuple[ChainLink, ...], DrorchError | None]:
        """Return the decided links that the sources know together, and what is wrong behind them in every source."""
        parts = {source.name: read_good_part(source.store, self._trust, self._lane) for source in self._carrier.sources}
        decided = {name: decided_part(part.links) for name, part in parts.items()}
        longest = max(decided.values(), key=len)
        for name, links in decided.items():
            require_same_history(self._lane, longest, links, name)
        problems = [part.problem or damaged_commit(part.links) for part in parts.values()]
        return merged(longest, decided.values()), problems[0] if all(problems) else None

    def _pending(self, known: Sequence[ChainLink], there: Sequence[ChainLink]) -> Iterator[ChainLink]:
        for place, link in enumerate(known):
            other = there[place] if place < len(there) else None
            if other is not None and LinkState.UNDECIDED is not other.state is not link.state:
                if other.state is LinkState.VOID:  # the first decision in a store stands
                    self._done.voided.append(link)
            elif other is None or other.state is LinkState.UNDECIDED or self._is_doubtful(link):
                yield link

    def _is_doubtful(self, link: ChainLink) -> bool:
        return (self._repair or link.manifest.run in self._doubtful) and link.manifest.run not in self._retired_here

    def _retire(self, pending: Sequence[ChainLink]) -> None:
        """Say in the target, before they are there, which snapshots are given up wherever they come from.

        What is committed there already is the target's own to keep: it may be the last that has it whole.
        """
        given_up = [set(known_retired(one.store, self._trust, self._lane)) for one in self._carrier.sources]
        self._retired = set.intersection(*given_up)
        comes = {link.manifest.run for link in pending if link.state is LinkState.COMMITTED} - self._own
        unsaid = (comes & set(self._retired)).difference(self._retired_here)
        if unsaid and self._give_up is not None:
            self._give_up(self._lane, given_up=unsaid)

    def _look(self) -> None:
        """List what the target has of the lane's packs, and which segments and retired packs the sources have."""
        self._present = {stat.name for stat in self._carrier.target.store.list_objects(names.packs_prefix(self._lane))}
        self._retired_packs = retired_packs(self._carrier.target.store, self._trust, self._lane)
        for source in self._carrier.sources:
            for stat in source.store.list_objects(names.index_prefix(self._lane)):
                if names.is_index_segment(stat.name):
                    run, _ = names.parse_index_segment(stat.name)
                    self._segments.setdefault(run, []).append(stat.name)
            for run, bitmap in retired_packs(source.store, self._trust, self._lane).items():
                self._given_up[run] = united(self._given_up.get(run, b""), bitmap)

    # -- one snapshot

    def _copy_link(self, link: ChainLink) -> None:
        """Put run records, packs, pack lists, index segments, the manifest, and last the commit."""
        is_retired = link.manifest.run in self._retired or self._is_swept(link, self._retired_packs)
        is_whole = link.state is not LinkState.COMMITTED or self._copy_content(link, with_packs=not is_retired)
        carrier, sequence = self._carrier, link.sequence
        commit, name = self._objects.commit(link), names.manifest(self._lane, sequence)
        manifest = self._objects.manifest(link, commit)
        if sequence in self._outrun:
            carrier.put(names.alternate(name, 1), manifest)
        else:
            self._put(name, manifest)
        # Each side writes, then reads (FORMAT 12): no commit for what a sweep of the target is about to delete.
        is_retired = is_retired or self._is_swept(link, retired_packs(carrier.target.store, self._trust, self._lane))
        self._put(names.commit(self._lane, sequence), commit)
        if link.state is LinkState.COMMITTED and not is_retired:
            self._done.snapshots.append(CopiedSnapshot(link=link, is_whole=is_whole))

    def _copy_content(self, link: ChainLink, *, with_packs: bool) -> bool:
        needs = link.manifest.needs
        for run in dict.fromkeys([*(need.run for need in needs), link.manifest.run]):
            self._put(names.run_record(self._lane, run), self._objects.run_record(run))
        lists = [(need, *self._objects.pack_list(need)) for need in needs]
        whole = [self._copy_packs(need, packs) for need, _, packs in lists] if with_packs else []
        for need, raw, _ in lists:
            self._put(names.pack_list(self._lane, need.run), raw)
        for need in needs:
            self._copy_segments(need.run)
        return all(whole)

    def _copy_packs(self, need: Needs, packs: Sequence[ListedPack]) -> bool:
        """Put the packs that are needed; return whether all are there."""
        is_whole = True
        for ordinal in need.ordinals:
            name = names.pack(self._lane, packs[ordinal].digest)
            if self._is_there(name, packs[ordinal].digest):
                continue
            try:
                raw = self._objects.pack(packs[ordinal].digest)
            except (IntegrityError, ObjectMissing) as error:
                is_whole = False
                self._tell_lost(name, need.run, ordinal, error)
            else:
                self._put(name, raw)
                self._present.add(name)
                self._looked_at.add(name)
        return is_whole

    def _is_there(self, name: str, digest: Digest) -> bool:
        """Say whether the target has a pack; when it is repaired, whether it has a good copy of it."""
        if not self._repair or name in self._looked_at:
            return name in self._present
        for copy in (name, *alternates(name)):
            with suppress(IntegrityError, ObjectMissing):
                check_pack(digest, self._carrier.target.store.read(copy, limit_bytes=OBJECT_LIMIT_BYTES))
                self._looked_at.add(name)
                return True
        return False

    def _put(self, name: str, raw: bytes) -> None:
        """Put a verified object; when it is altered in a target that is repaired, beside it, where nobody has put something else."""
        beside = alternates(name) if self._repair else ()
        for place in beside:
            with suppress(ObjectConflict):
                self._carrier.put(name, raw)
                return
            name = place
        self._carrier.put(name, raw)

    def _tell_lost(self, name: str, run: RunId, ordinal: int, error: DrorchError) -> None:
        """Tell a pack that is good nowhere, once; one that a sweep gave up is none of ours."""
        is_given_up = overlap({run: _only(ordinal)}, self._given_up)
        if name not in self._lost and not is_given_up:
            self._done.problems.append(CopyProblem(lane=self._lane, name=name, error=error))
        self._lost.add(name)

    def _copy_segments(self, run: RunId) -> None:
        for name in dict.fromkeys(self._segments.get(run, ())):
            try:
                raw = self._carrier.read(name, bytes)
            except (IntegrityError, ObjectMissing):
                continue  # its chunks are unknown to the next run, and stored again
            self._carrier.put(name, raw)

    def _is_swept(self, link: ChainLink, packs: Mapping[RunId, bytes]) -> bool:
        """Say whether a sweep of the target, which names ``packs``, takes what the snapshot needs; then the target says that it is given up there.

        What is committed there already is safe: a sweep reads that before it deletes. Raises ``RunVoided`` when nobody can say so: the key is not at hand, or somebody holds the snapshot there.
        """
        run, store = link.manifest.run, self._carrier.target.store
        needed = {need.run: need.bitmap for need in link.manifest.needs}
        comes = link.state is LinkState.COMMITTED and run not in self._own
        if not comes or not overlap(needed, packs):
            return False
        if self._give_up is not None:
            self._give_up(self._lane, given_up={run})
        if run not in known_retired(store, self._trust, self._lane):
            raise RunVoided(
                f"a sweep of {self._carrier.target.name} names packs that snapshot {run.short} needs",
                expected="packs that stay, or the maintenance key, by which the lane goes on behind it",
                found="a retire list" if self._give_up is None else "a hold on that snapshot",
                hint="later snapshots of this lane stay in the other stores till then",
            )
        self._done.swept.append(link)
        return True


def _only(ordinal: int) -> bytes:
    """Return a bitmap of one pack."""
    return bytes(ordinal >> 3) + bytes([0x80 >> (ordinal & 7)])
