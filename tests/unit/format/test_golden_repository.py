"""A repository that another encoder wrote from docs/FORMAT.md, taken apart object by object (tests/golden/repository-1)."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch.format import names
from drorch.format.entries import Entry, parse_entries
from drorch.format.keys import LaneKeys, RecipientKey, RunKeys, RunRecord, read_key_bundle
from drorch.format.manifest import Commit, CommitState, Manifest, SealedBody
from drorch.format.objects import ObjectType, digest_of
from drorch.format.pack import PackList, parse_pack
from drorch.format.record import RecordContext, decode_content, open_record
from drorch.format.tree import ChunkPlace, InnerEntry, InnerNode, LeafNode, Reference, decode_node
from drorch.format.trust import TrustChain
from drorch.ids import LaneId, RunId

FOLDER = Path(__file__).parents[2] / "golden" / "repository-1"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
LANE = LaneId(bytes.fromhex(EXPECTED["lane"]))


def read(name: str) -> bytes:
    return (FOLDER / "repository" / name).read_bytes()


class Repository:
    """A reader in forty lines: everything verified by ``drorch.format``, nothing cached."""

    def __init__(self, seed: str) -> None:
        self.trust = TrustChain.verify([read("trust/0"), read("trust/1")], bytes.fromhex(EXPECTED["trust"]))
        self.key = RecipientKey.from_seed(bytes.fromhex(seed))
        bundle = read_key_bundle(
            read("keys/0"),
            repository=self.trust.repository,
            number=0,
            allowed=self.trust.allowed(ObjectType.KEY_BUNDLE, None),
        )
        self.further = {one.run: {one.recipient_id: one.sealed} for one in bundle}

    def place(self, object_type: ObjectType) -> dict[str, Any]:
        return {
            "repository": self.trust.repository,
            "lane": LANE,
            "allowed": self.trust.allowed(object_type, LANE),
        }

    def manifest(self, sequence: int) -> Manifest:
        raw = read(names.manifest(LANE, sequence))
        return Manifest.verify(raw, sequence=sequence, **self.place(ObjectType.MANIFEST))

    def commit(self, sequence: int) -> Commit:
        raw = read(names.commit(LANE, sequence))
        return Commit.verify(raw, sequence=sequence, **self.place(ObjectType.COMMIT))

    def keys(self, run: RunId) -> RunKeys:
        record = RunRecord.verify(read(names.run_record(LANE, run)), run=run, **self.place(ObjectType.RUN_RECORD))
        return record.open([self.key], self.further.get(run))

    def context(self, run: RunId) -> RecordContext:
        return RecordContext(self.trust.repository, LANE, run)

    def packs(self, run: RunId) -> PackList:
        return PackList.verify(read(names.pack_list(LANE, run)), run=run, **self.place(ObjectType.PACK_LIST))

    def plain(self, chunk: ChunkPlace, bases: tuple[ChunkPlace, ...] = ()) -> bytes:
        keys, place = self.keys(chunk.run), chunk.place
        pack = read(names.pack(LANE, self.packs(chunk.run).packs[place.ordinal].digest))
        raw = pack[place.offset : place.offset + place.length]
        header, content = open_record(keys.run_key, self.context(chunk.run), raw)
        assert header.chunk_id == chunk.chunk_id
        base = self.plain(bases[0], bases[1:]) if bases else None
        return decode_content(header, content, base, LaneKeys.derive(keys.lane_secret).chunk_id_key)

    def pieces(self, top: Reference | InnerEntry) -> Iterator[bytes]:
        node = decode_node(self.plain(ChunkPlace(top.chunk_id, top.run, top.place)))
        if top.twin is not None:
            assert decode_node(self.plain(ChunkPlace(top.chunk_id, top.run, top.twin))) == node
        if isinstance(node, LeafNode):
            for entry in node.entries:
                chunk = entry.chunk
                yield self.plain(chunk, entry.bases)
                if chunk.twin is not None:
                    assert chunk.twin.ordinal != chunk.place.ordinal
                    assert self.plain(ChunkPlace(chunk.chunk_id, chunk.run, chunk.twin), entry.bases) != b""
        else:
            assert isinstance(node, InnerNode)
            for child in node.entries:
                yield from self.pieces(child)

    def content(self, entry: Entry, body: SealedBody) -> bytes:
        if entry.tree is not None:
            return b"".join(self.pieces(entry.tree))
        if entry.contained is None:
            return b""
        container = b"".join(self.pieces(body.containers[entry.contained.container]))
        return container[entry.contained.offset : entry.contained.offset + entry.size_bytes]


@pytest.fixture(scope="module")
def repository() -> Repository:
    return Repository(EXPECTED["recipient_seed"])


@pytest.mark.parametrize("snapshot", EXPECTED["snapshots"], ids=lambda one: str(one["sequence"]))
def test_manifests_follow_each_other_and_say_what_they_are(repository, snapshot):
    sequence = snapshot["sequence"]
    manifest = repository.manifest(sequence)
    assert (str(manifest.run), str(manifest.digest)) == (snapshot["id"], snapshot["manifest"])
    if sequence > 1:
        assert manifest.previous == digest_of(read(names.manifest(LANE, sequence - 1)))
    if snapshot["state"] in {"committed", "void"}:
        commit = repository.commit(sequence)
        assert commit.manifest_digest == manifest.digest
        assert commit.state.name.lower() == snapshot["state"]
        assert commit.manifest == read(names.manifest(LANE, sequence))
        if commit.state is CommitState.COMMITTED:
            assert commit.run_record == read(names.run_record(LANE, manifest.run))


@pytest.mark.parametrize(
    "snapshot", [one for one in EXPECTED["snapshots"] if one["streams"]], ids=lambda one: str(one["sequence"])
)
def test_every_stream_is_read_back(repository, snapshot):
    manifest = repository.manifest(snapshot["sequence"])
    run_keys, context = repository.keys(manifest.run), repository.context(manifest.run)
    body = SealedBody.open(run_keys.run_key, context, manifest.sealed_body)
    assert body.entries is not None
    (leaf,) = [decode_node(repository.plain(ChunkPlace(body.entries.chunk_id, body.entries.run, body.entries.place)))]
    assert isinstance(leaf, LeafNode)
    assert all(entry.chunk.twin is not None for entry in leaf.entries)
    found = {}
    for entry in parse_entries(repository.pieces(body.entries)):
        content = repository.content(entry, body)
        found[entry.name] = {
            "kind": entry.kind,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "attributes": entry.attributes,
        }
    assert found == snapshot["streams"]


def test_needs_name_every_pack_that_is_there(repository):
    for snapshot in EXPECTED["snapshots"]:
        for needs in repository.manifest(snapshot["sequence"]).needs:
            packs = repository.packs(needs.run)
            assert packs.digest == needs.pack_list_digest
            assert max(needs.ordinals) < len(packs.packs)


def test_a_heap_of_packs_can_be_decoded(repository):
    folder = FOLDER / "repository" / names.packs_prefix(LANE)
    seen = 0
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        assert names.pack_digest(path.relative_to(FOLDER / "repository").as_posix()) == digest_of(raw)
        header, records = parse_pack(raw)
        assert header.run_record == read(names.run_record(LANE, header.run))
        for offset, length in records:
            open_record(
                repository.keys(header.run).run_key, repository.context(header.run), raw[offset : offset + length]
            )
            seen += 1
    assert seen > 20


def test_a_recipient_who_came_later_opens_what_was_sealed_to_him():
    later = Repository(EXPECTED["later_recipient_seed"])
    for text in EXPECTED["later_recipient_opens"]:
        run = RunId.parse(text)
        assert later.keys(run) == Repository(EXPECTED["recipient_seed"]).keys(run)
