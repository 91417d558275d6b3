"""The chain of a lane: its manifests, their commits and what they need, as docs/FORMAT.md has them [8]; see recover.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tools.recover_content import Child, Entry, Place, Recipient, RunKeys, Tree, open_record, read_reference, unseal
    from tools.recover_format import (
        MANIFEST,
        MAX_MANIFEST,
        MAX_RECORD,
        RUN_RECORD,
        Copy,
        Fields,
        Refused,
        Signed,
        Store,
        Trust,
        first_good,
        genuine,
        note,
        run_text,
        unzstd,
    )
else:
    from recover_content import Child, Entry, Place, Recipient, RunKeys, Tree, open_record, read_reference, unseal
    from recover_format import (
        MANIFEST,
        MAX_MANIFEST,
        MAX_RECORD,
        RUN_RECORD,
        Copy,
        Fields,
        Refused,
        Signed,
        Store,
        Trust,
        first_good,
        genuine,
        note,
        run_text,
        unzstd,
    )

# ---- Lanes and snapshots [8]


class Snapshot(NamedTuple):
    """A manifest of a lane, with what its commit says of it."""

    lane: Lane
    number: int
    run: bytes
    state: str
    manifest: Signed
    needs: dict[bytes, bytes]  # run -> digest of its pack list


class Lane:
    """A lane's chain, as far as it can be trusted, and the way to its chunks."""

    def __init__(self, store: Store, trust: Trust, me: Recipient | None, lane: bytes, *, past_damage: bool) -> None:
        self.store, self.trust, self.me, self.lane = store, trust, me, lane
        self.folder, self.tree, self.pairs, self.last_head = f"l/{lane.hex()}", Tree(self._fetch), *trust.writers(lane)
        self.keys_of, self._packs_of = cache(self._open_run), lru_cache(64)(self._read_pack_list)
        self._resealed = cache(lambda key_id: list(self._read_bundles(key_id)))
        self.snapshots: list[Snapshot] = []
        self.problem = "" if self.pairs else f"lane {lane.hex()}: no trusted writer may sign here; nothing in it counts"
        self._spare: dict[tuple[bytes, int], list[Copy]] = {}  # in commits: (run, 2 pack list or 3 run record)
        self._needs: dict[bytes, bytes] = {}  # of the snapshot that is read: run -> digest of its pack list
        self._secret = b""
        if self.pairs:
            self._walk(past_damage=past_damage)

    def _signed(
        self, name: str, kind: int, known: range, spare: Iterable[Copy] = (), digest: bytes | None = None
    ) -> Signed | None:
        """The first genuine copy of a signed object of this lane, with that digest if one is given."""

        def check(raw: bytes) -> Signed:
            found = genuine(raw, kind, name, (self.trust.repository, self.lane), known, self.pairs)
            if digest not in (None, found.digest):
                raise Refused(f"{name}: is not the one that the {'manifest' if kind == 5 else 'commit'} names")
            return found

        return first_good(name, chain(self.store.copies(name), spare), check)

    def _walk(self, *, past_damage: bool) -> None:
        names = (name.partition(".")[0].partition("~")[0] for name in self.store.names(f"{self.folder}/m"))
        expected, previous = 1, bytes(32)
        for number in sorted({int(name) for name in names if name.isdecimal()}):
            if self.last_head and number > self.last_head[0]:
                break
            try:
                if number != expected and not past_damage:
                    raise Refused(f"manifest {expected} is missing, a later one is here")
                self.snapshots.append(self._read_snapshot(number, previous if number == expected else None))
                expected, previous = number + 1, self.snapshots[-1].manifest.digest
            except Refused as error:
                self.problem = f"lane {self.lane.hex()}: the chain is broken: {error}"
                if not past_damage:
                    break
                note(self.problem)
        if self.last_head and (expected - 1, previous) != self.last_head:
            self.problem = f"lane {self.lane.hex()}: does not lead to the head that its writer's revocation names"
            self.snapshots = []

    def _read_commit(self, name: str, number: int) -> tuple[str, bytes | None, dict[int, list[Copy]]]:
        """State, digest of the manifest that counts, second copies."""
        try:
            if commit := self._signed(name, 8, range(16, 19)):
                if commit.fields.number(16, 8) != number:
                    raise Refused(f"{name}: has another number")
                state, second = commit.fields.number(18, 1), Fields(commit.attachment, range(1, 4), name)
                copies: dict[int, list[Copy]] = {
                    part: [(f"the copy in {name}", partial(second.one, part))] for part in second.found
                }
                return {1: "committed", 2: "void"}.get(state, "unknown"), commit.fields.one(17, 32), copies
        except Refused as error:
            note(f"{error}; snapshot {number} does not count without its commit")
        return "undecided", None, {}

    def _read_snapshot(self, number: int, previous: bytes | None) -> Snapshot:
        name = f"{self.folder}/m/{number:012d}"
        state, digest, spare = self._read_commit(f"{name}.c", number)
        found = self._signed(name, 7, MANIFEST, spare.get(1, ()), digest)
        if not found:
            raise Refused(f"{name} is missing")
        if found.fields.number(16, 8) != number or previous not in (None, found.fields.one(17, 32)):
            raise Refused(f"{name}: does not follow the manifest before it")
        run, needs = found.fields.one(18, 16), [Fields(raw, (1, 2, 3), name) for raw in found.fields.many(32)]
        self._spare |= {(run, part): copies for part, copies in spare.items()}
        return Snapshot(self, number, run, state, found, {item.one(1, 16): item.one(2, 32) for item in needs})

    def given_up(self) -> set[bytes]:
        """The runs that retire lists of the maintainer name: their packs may be gone (whether a hold came first is not asked)."""
        runs, pairs, place = set[bytes](), self.trust.maintainers(), (self.trust.repository, self.lane)
        for name in (f"{self.folder}/g/{number}" for number in range(len(self.store.names(f"{self.folder}/g")))):
            check = partial(genuine, kind=9, name=name, place=place, known=range(16, 20), pairs=pairs)
            try:
                one = first_good(name, self.store.copies(name), check)
                runs |= set(one.fields.many(18)) if one else set()
            except Refused as error:
                note(error)
        return runs

    # What opens a run, and where its packs are

    def _open_run(self, run: bytes) -> RunKeys:
        if not self.me:
            raise Refused("this needs the private key of a recipient: give --key")
        name = f"{self.folder}/r/{run_text(run)}"
        record = self._signed(name, 3, RUN_RECORD, self._spare.get((run, 3), ()))
        if not record or record.fields.one(16, 16) != run:
            raise Refused(f"{name} is missing")
        keys = self.me.open(record.fields, self._resealed(self.me.key_id))
        if self._secret not in (b"", keys.lane_secret):
            raise Refused(f"{name}: has another lane secret than the rest of its lane")
        self._secret = keys.lane_secret
        return keys

    def _read_bundles(self, key_id: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Lane ‖ run and sealed bytes of what maintainers sealed to this key later."""
        for number in sorted({name.partition("~")[0] for name in self.store.names("keys")}):
            name, place, pairs = f"keys/{number}", (self.trust.repository, None), self.trust.maintainers()
            check = partial(genuine, kind=2, name=name, place=place, known=range(16, 18), pairs=pairs)
            try:
                bundle = first_good(name, self.store.copies(name), check)
                for item in (Fields(raw, range(1, 5), name) for raw in bundle.fields.many(17)) if bundle else ():
                    if item.one(3, 32) == key_id:
                        yield item.one(1, 16) + item.one(2, 16), item.one(4)
            except Refused as error:
                note(error)

    def _read_pack_list(self, run: bytes, digest: bytes | None) -> list[str]:
        """The names of a run's packs by ordinal, from the pack list with the digest that the snapshot's needs name."""
        name = f"{self.folder}/q/{run_text(run)}"
        found = self._signed(name, 5, range(16, 18), self._spare.get((run, 2), ()), digest)
        if not found or not digest:
            raise Refused(f"{name} is missing, or no need of this snapshot")
        listed = found.fields.one(17)
        digests = [listed[at : at + 32].hex() for at in range(0, len(listed), 36)]
        return [f"{self.folder}/p/{each[:2]}/{each}" for each in digests]

    # Chunks

    def _fetch(self, child: Child) -> bytes:
        """The plain bytes of a chunk or node: from its place or its twin's, or an alternate of either pack."""
        labels = zip(("its place", "its twin"), child.places, strict=False)
        copies = [(label, partial(self._fetch_at, child, place)) for label, place in labels]
        plain = first_good("its place", copies, lambda plain: plain) or b""
        if child.level < 0 <= child.size != len(plain):
            raise Refused(f"chunk {child.chunk_id.hex()[:16]}: another length than the tree says")
        return plain

    def _fetch_at(self, child: Child, place: Place) -> bytes:
        run, ordinal, offset, length = place
        keys, packs = self.keys_of(run), self._packs_of(run, self._needs.get(run))
        if ordinal >= len(packs) or not 52 <= length <= MAX_RECORD + 4:
            raise Refused(f"run {run_text(run)}: no record at {place[1:]}")
        name, what = packs[ordinal], f"{packs[ordinal]} at byte {offset}"

        def base(base_id: bytes) -> bytes:
            if not child.bases or child.bases[0].chunk_id != base_id:
                raise Refused(f"{what}: a delta against another base than the tree names")
            return self.tree.fetch(child.bases[0]._replace(bases=child.bases[1:]))

        def check(raw: bytes) -> bytes:
            if int.from_bytes(raw[:4], "big") != len(raw) - 4:
                raise Refused(f"{what}: the record's length is damaged")
            record = open_record(raw[4:], keys, what)
            if (record.kind, record.chunk_id) != (1 if child.level < 0 else 2, child.chunk_id):
                raise Refused(f"{what}: holds another chunk")
            return record.decode(keys, base, what)

        plain = first_good(name, self.store.copies(name, offset, length), check)
        if plain is None:
            raise Refused(f"{name} is missing")
        return plain

    # A snapshot's content

    def content(self, snapshot: Snapshot) -> tuple[Fields, Iterator[Entry]]:
        """The sealed part of a manifest, and the streams of the snapshot."""
        self._needs = snapshot.needs
        what = f"manifest {snapshot.number}"
        frame = unseal(self.keys_of(snapshot.run), "manifest", snapshot.manifest.attachment, what)
        body = Fields(unzstd(frame, MAX_MANIFEST, what), range(1, 6), what)
        containers, top = [read_reference(raw, what) for raw in body.many(3)], body.maybe(2)
        return body, self.tree.entries(read_reference(top, what), containers) if top else iter(())
