"""Check what one lane in one store needs: run records, pack lists, presence and size of every pack, lists, left-overs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from drorch.errors import IntegrityError, ObjectCorrupt, ObjectMissing
from drorch.format import names
from drorch.format.keys import RunRecord
from drorch.format.manifest import ordinals_of
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.format.packsets import counted, reaches_beyond, read_pack_sets, united, within
from drorch.format.retire_list import RetireList
from drorch.ids import Digest, RunId
from drorch.quantities import format_size
from drorch.repository.chain_checker import ChainChecker, LanePlace
from drorch.repository.copies import ALTERNATES
from drorch.repository.findings import Counts, Kind, Level
from drorch.repository.lane import Head
from drorch.repository.retirement import Retirement
from drorch.repository.scratch import RememberedLink

NO_DIGEST = Digest(bytes(32))


class LaneChecker:
    """One lane in one store. The store is listed once; every small object is read once, packs are not."""

    def __init__(self, place: LanePlace, counts: Counts) -> None:
        self._place = place
        self._store = place.replica.store
        self._counts = counts
        self._trust = place.trust
        self._named_retired: dict[RunId, bytes] = {}
        self._retirement = Retirement()

    def check(
        self, known_head: Head | None = None, known_snapshots: Collection[RunId] = (), *, with_orphans: bool = True
    ) -> Head:
        """Check everything that can be checked without a private key; raises what the store raises."""
        place = self._place
        place.scratch.add_listing(self._store.list_objects(names.lane_prefix(place.lane)))
        self._named_retired = self._pack_sets(ObjectType.RETIRE_LIST, names.retire_list)
        retired = self._retirement.retired
        place = self._place = replace(place, retired=frozenset(place.retired).union(retired))
        head = ChainChecker(place).check(known_head, known_snapshots)
        self._note_retired(retired)
        self._check_damage_lists()
        self._check_run_records()
        for run in place.scratch.needed_runs():
            self._check_run(run)
        self._counts.lanes += 1
        self._counts.snapshots += sum(link.is_required for link in place.scratch.links())
        if with_orphans:
            self._note_orphans()
        return head

    # -- lists of the maintainer

    def _verified_sets(self, raw: bytes, object_type: ObjectType, number: int) -> Mapping[RunId, bytes]:
        repository, lane = self._trust.repository, self._place.lane
        allowed = self._trust.allowed(object_type, lane)
        if object_type is not ObjectType.RETIRE_LIST:
            return read_pack_sets(raw, object_type, repository=repository, lane=lane, number=number, allowed=allowed)
        one = RetireList.verify(raw, repository=repository, lane=lane, number=number, allowed=allowed)
        self._retirement.add(one)
        return one.packs

    def _note_retired(self, retired: Mapping[RunId, int]) -> None:
        """Say how many snapshots were given up; that the newest is among them is the work of no prune."""
        place = self._place
        committed = [link for link in place.scratch.links() if link.is_committed]
        gone = [link for link in committed if link.run in retired]
        if gone:
            name = names.retire_list(place.lane, max(retired.values()))
            place.report(
                Kind.RETIRED, name, f"given up by a prune: {len(gone)} of {len(committed)} snapshots", level=Level.NOTE
            )
        if gone and gone[-1] is committed[-1]:
            name = names.retire_list(place.lane, retired[gone[-1].run])
            text = "the newest snapshot is given up, which no prune does: somebody may have taken the maintenance key"
            place.report(Kind.HIDDEN, name, text, links=gone[-1:])

    def _pack_sets(self, object_type: ObjectType, name_of: Callable[..., str]) -> dict[RunId, bytes]:
        """Read retire or damage lists until one is absent; report those that are no good or stand behind a gap."""
        place, found, number = self._place, dict[RunId, bytes](), 0
        while True:
            name = name_of(place.lane, number)
            try:
                raw = self._store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
                place.scratch.see(name)
                sets = self._verified_sets(raw, object_type, number)
            except ObjectMissing:
                break
            except IntegrityError as error:
                place.scratch.see(name)
                place.report_error(name, f"{object_type.title} {number} is no good: no backup can be made here", error)
            else:
                for run, bitmap in sets.items():
                    found[run] = united(found.get(run, b""), bitmap)
            number += 1
        prefix = name_of(place.lane, 0)[:-1]
        behind = [name for name, _ in place.scratch.names(prefix, unseen=True) if "~" not in name]
        if behind:
            place.report(
                Kind.MISSING, name_of(place.lane, number), f"{object_type.title} {number} is gone; later ones exist"
            )
        return found

    def _check_damage_lists(self) -> None:
        damaged = self._pack_sets(ObjectType.DAMAGE_LIST, names.damage_list)
        count = sum(map(counted, damaged.values()))
        if count:
            prefix = names.lane_prefix(self._place.lane) + "d/"
            self._place.report(Kind.INDEX, prefix, f"packs listed as damaged: {count}", level=Level.NOTE)

    # -- runs

    def _check_run_records(self) -> None:
        runs = {link.run for link in self._place.scratch.links() if link.is_required}
        for run in sorted(runs | set(self._place.scratch.needed_runs())):
            links = self._links_of(run)
            if links:
                self._check_run_record(run, links)

    def _links_of(self, run: RunId) -> list[RememberedLink]:
        """Return the snapshots whose keys or packs the run holds."""
        links = {link.sequence: link for link, _, _ in self._place.scratch.needs_of(run) if link.is_required}
        own = self._place.scratch.link_of(run)
        if own is not None and own.is_required:
            links[own.sequence] = own
        return list(links.values())

    def _check_run_record(self, run: RunId, links: list[RememberedLink]) -> None:
        place, name = self._place, names.run_record(self._place.lane, run)
        spare = place.scratch.spare(run)
        try:
            raw = self._read(name)
            record = RunRecord.verify(
                raw,
                repository=self._trust.repository,
                lane=place.lane,
                run=run,
                allowed=self._trust.allowed(ObjectType.RUN_RECORD, place.lane),
            )
        except (ObjectMissing, IntegrityError) as error:
            place.report_error(name, f"the run record {_with_spare(spare)}", error, links)
            return
        if record.trust_number > self._trust.number:
            text = f"the run was made under trust record {record.trust_number}, which is hidden or gone"
            place.report(Kind.TRUST, name, text, links=links)
        if spare is not None and spare[0] != raw:
            place.report(Kind.DIFFERS, name, "the run record and its second copy in the commit differ", links=links)

    def _check_run(self, run: RunId) -> None:
        """Check the pack list of a run, and every pack of it that a snapshot needs."""
        required, in_use, digest = b"", b"", NO_DIGEST
        for link, named, bitmap in self._place.scratch.needs_of(run):
            in_use = united(in_use, bitmap)
            if link.is_required:
                required = united(required, bitmap)
            if link.is_required or digest == NO_DIGEST:
                digest = named
        packs = self._pack_list(run, digest, is_required=bool(required))
        if packs is None:
            return
        for ordinal in ordinals_of(within(in_use, len(packs))):
            self._check_pack(run, ordinal, packs, is_required=_has(required, ordinal))
        if reaches_beyond(required, len(packs)):
            self._report_beyond(run, len(packs))
        self._check_segment(run)

    def _report_beyond(self, run: RunId, listed: int) -> None:
        """Report in one line what manifests need behind the end of the list: they may name as many as fit into them."""
        needs = [(link, bitmap) for link, _, bitmap in self._place.scratch.needs_of(run) if link.is_required]
        links = [link for link, bitmap in needs if reaches_beyond(bitmap, listed)]
        text = f"packs are needed that it does not list: it ends with pack {listed - 1}"
        self._place.report(Kind.MISSING, names.pack_list(self._place.lane, run), text, links=links)

    def _pack_list(self, run: RunId, digest: Digest, *, is_required: bool) -> tuple[ListedPack, ...] | None:
        place, name = self._place, names.pack_list(self._place.lane, run)
        links = [link for link, _, _ in place.scratch.needs_of(run) if link.is_required]
        spare = (place.scratch.spare(run) or (b"", None))[1]
        try:
            raw = self._read(name)
            packs = self._verified_packs(run, raw, digest)
        except (ObjectMissing, IntegrityError) as error:
            if not is_required:
                return None
            place.report_error(name, f"the pack list {_with_spare(spare)}", error, links)
            return self._packs_of_spare(run, spare, digest)
        if spare is not None and spare != raw:
            place.report(Kind.DIFFERS, name, "the pack list and its second copy in the commit differ", links=links)
        return packs

    def _packs_of_spare(self, run: RunId, spare: bytes | None, digest: Digest) -> tuple[ListedPack, ...] | None:
        try:
            return None if spare is None else self._verified_packs(run, spare, digest)
        except IntegrityError:
            return None

    def _verified_packs(self, run: RunId, raw: bytes, digest: Digest) -> tuple[ListedPack, ...]:
        if digest_of(raw) != digest:
            raise ObjectCorrupt(
                "it is not the one that the manifest names", expected=str(digest)[:16], found=str(digest_of(raw))[:16]
            )
        place = self._place
        verified = PackList.verify(
            raw,
            repository=self._trust.repository,
            lane=place.lane,
            run=run,
            allowed=self._trust.allowed(ObjectType.PACK_LIST, place.lane),
        )
        return verified.packs

    # -- packs

    def _check_pack(self, run: RunId, ordinal: int, packs: tuple[ListedPack, ...], *, is_required: bool) -> None:
        place = self._place
        if packs[ordinal].digest == NO_DIGEST:
            if is_required:
                name = names.pack_list(place.lane, run)
                place.report(
                    Kind.MISSING, name, f"pack {ordinal} is needed and not listed", links=self._touched(run, ordinal)
                )
            return
        pack = packs[ordinal]
        name = names.pack(place.lane, pack.digest)
        size = place.scratch.see(name)
        for k in range(1, ALTERNATES + 1):
            place.scratch.see(names.alternate(name, k))
        if not is_required:
            return
        self._counts.packs += 1
        self._counts.bytes += pack.size_bytes
        if size is None:
            size = self._size_by_stat(run, ordinal, name)
        if size is not None and size != pack.size_bytes and self._has_alternate(name, pack.size_bytes):
            text = f"the pack has {size:,} bytes and must have {pack.size_bytes:,}; a copy of that size lies beside it"
            place.scratch.add_pack(run, ordinal, pack.digest, pack.size_bytes)
            place.report(Kind.ALTERED, name, text, level=Level.NOTE)
        elif size is not None and size != pack.size_bytes:
            text = f"the pack has {size:,} bytes and must have {pack.size_bytes:,}"
            place.scratch.add_bad_pack(run, ordinal, name)
            place.report(Kind.ALTERED, name, text, links=self._touched(run, ordinal))
        elif size is not None:
            place.scratch.add_pack(run, ordinal, pack.digest, pack.size_bytes)

    def _has_alternate(self, name: str, size_bytes: int) -> bool:
        for k in range(1, ALTERNATES + 1):
            with suppress(ObjectMissing):
                if self._store.stat(names.alternate(name, k)).size_bytes == size_bytes:
                    return True
        return False

    def _size_by_stat(self, run: RunId, ordinal: int, name: str) -> int | None:
        """Ask for an object that the listing leaves out: a listing alone proves no absence."""
        place = self._place
        try:
            size = self._store.stat(name).size_bytes
        except ObjectMissing:
            is_retired = _has(self._named_retired.get(run, b""), ordinal)
            text = "the pack is gone; a retire list names it" if is_retired else "the pack is gone"
            place.scratch.add_bad_pack(run, ordinal, name)
            place.report(Kind.MISSING, name, text, links=self._touched(run, ordinal))
            return None
        place.report(Kind.UNLISTED, name, "the pack is there, but the store does not list it", level=Level.NOTE)
        return size

    def _touched(self, run: RunId, ordinal: int) -> list[RememberedLink]:
        return [
            link for link, _, bitmap in self._place.scratch.needs_of(run) if link.is_required and _has(bitmap, ordinal)
        ]

    def _check_segment(self, run: RunId) -> None:
        place, number = self._place, 0
        while place.scratch.see(names.index_segment(place.lane, run, number)) is not None:
            number += 1
        if number == 0:
            name = names.index_segment(place.lane, run, 0)
            text = "the run has no index: the next backup stores again what this run holds"
            place.report(Kind.INDEX, name, text, level=Level.NOTE)

    # -- left-overs

    def _note_orphans(self) -> None:
        """Say what no snapshot needs: of runs that were broken off, under way, or declared void."""
        place = self._place
        for text, listing in (
            ("packs that no snapshot needs", place.scratch.names(names.packs_prefix(place.lane), unseen=True)),
            ("small objects that belong to no snapshot", self._small_orphans()),
        ):
            count = size = 0
            first = ""
            for name, size_bytes in listing:
                count, size, first = count + 1, size + size_bytes, first or name
            if count:
                place.report(Kind.ORPHAN, first, f"{count} {text}, {format_size(size)}", level=Level.NOTE)

    def _small_orphans(self) -> Iterator[tuple[str, int]]:
        prefix, packs = names.lane_prefix(self._place.lane), names.packs_prefix(self._place.lane)
        manifests = names.manifests_prefix(self._place.lane)
        for name, size in self._place.scratch.names(prefix, unseen=True):
            if not name.startswith((packs, manifests)):
                yield name, size

    def _read(self, name: str) -> bytes:
        self._place.scratch.see(name)
        return self._store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)


def _has(bitmap: bytes, ordinal: int) -> bool:
    return ordinal // 8 < len(bitmap) and bool(bitmap[ordinal // 8] & 0x80 >> ordinal % 8)


def _with_spare(spare: object) -> str:
    return "is no good" if spare is None else "is no good, its second copy in the commit is"
