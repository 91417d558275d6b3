"""Numbers that somebody forged cost nobody memory or time: whoever has a key of the repository may sign any."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from drorch.format import tree
from drorch.format.index import IndexPack, IndexSegment
from drorch.format.manifest import Needs, SealedBody
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.format.record import RecordContext
from drorch.ids import Digest, LaneId, RepositoryId, RunId
from drorch.repository import streams, sweep_plan, writer
from drorch.repository.chain import ChainLink
from drorch.repository.checker import CheckRequest, check
from drorch.repository.copier import catch_up
from drorch.repository.data_checker import DataChecker, Depth
from drorch.repository.findings import Kind
from drorch.repository.index import LaneIndex
from drorch.repository.lane import LaneWriter, SecondCopy
from drorch.repository.lane_contents import read_contents
from drorch.repository.opening import Replica, Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.replicas import Replicas
from drorch.repository.walking import leaves
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, snapshots

HOUSEHOLD = Household()
EVERY_PACK = b"\xff" * 2**22  # 33 million packs, in a manifest of 4 MiB
FEW_BYTES = 100 * 2**20


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < FEW_BYTES, f"{peak:,} bytes"


@pytest.fixture
def repository() -> Repository:
    """One good snapshot, and behind it one that says that it needs every pack that a manifest can name."""
    made = HOUSEHOLD.create(MemoryStore(ManualClock()))
    back_up(made, {"table": b"content" * 100_000})
    (good,) = snapshots(made)
    forge(made, good.link)
    return made


def forge(made: Repository, link: ChainLink) -> None:
    (need, *_) = link.manifest.needs
    manifest = replace(
        link.manifest,
        sequence=link.sequence + 1,
        previous=link.digest,
        run=RunId(b"forged".ljust(16)),
        needs=(Needs(need.run, need.pack_list_digest, EVERY_PACK),),
    )
    context = RecordContext(made.trust.repository, link.lane, manifest.run)
    body = SealedBody(facts={}, entries=None).seal(bytes(32), bytes(32), context)
    lane = LaneWriter(made.trust, link.lane, HOUSEHOLD.host.signing_key(), ManualClock())
    lane.commit(manifest, body, SecondCopy(b"", b""), Replicas(made.replicas))


def test_a_prune_is_planned_in_little_memory_and_keeps_what_is_needed(repository: Repository) -> None:
    (replica,) = repository.replicas
    (good, forged) = sorted(snapshots(repository), key=lambda one: one.link.sequence)
    contents = read_contents(replica, repository.trust, good.link.lane)
    with little_memory():
        found = sweep_plan.plan(contents, [good.link.manifest.run], now=EPOCH)
    assert forged.link.manifest.needs[0].bitmap == EVERY_PACK
    assert found.object_names == []


def test_a_check_tells_it_in_one_line(repository: Repository) -> None:
    report = check(repository, CheckRequest())
    told = [finding for finding in report.errors if finding.kind is Kind.MISSING and "packs are needed" in finding.text]
    assert len(told) == 1
    assert told[0].snapshots == (str(RunId(b"forged".ljust(16))),)


def test_a_copy_brings_what_is_good_and_names_the_rest(repository: Repository) -> None:
    (source,) = repository.replicas
    target = Replica(name="there", store=MemoryStore(ManualClock()))
    with little_memory():
        report = catch_up([source], target, repository.trust)
    assert len(report.snapshots) == 1
    assert [problem.error.message for problem in report.problems] != []


def test_a_list_that_names_every_pack_there_could_be_marks_those_that_are_known() -> None:
    run, known = RunId(b"run".ljust(16)), IndexPack(ordinal=3, digest=Digest(bytes(32)), size_bytes=9)
    index = LaneIndex(None)
    context = RecordContext(RepositoryId(bytes(16)), LaneId(bytes(16)), run)
    index.add_segment("a", run, IndexSegment(context=context, number=0, packs=(known,), entries=()))
    index.assume_present()
    assert len(index.packs(run)) == 1
    longest = b"\xff" * OBJECT_LIMIT_BYTES
    with little_memory():
        index.mark_unreliable(run, longest)
    assert index.packs(run) == ()
    index.close()


def test_a_tree_whose_nodes_are_named_again_and_again_is_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine forged nodes that each name the next 4,096 times stand for more than anybody can walk."""
    monkeypatch.setattr(tree, "MOST_ENTRIES", 4)
    monkeypatch.setattr(writer, "CHUNKER_PARAMETERS", streams.SMALL_CHUNKS)
    made = HOUSEHOLD.create(MemoryStore(ManualClock()))
    back_up(made, {"zeros": bytes(256 * 2**18)})
    (one,) = snapshots(made)
    visited: list[object] = []

    def node(checker: DataChecker, *told: object) -> object:
        visited.append(told)
        return look(checker, *told)  # type: ignore[arg-type]

    look = DataChecker._node
    monkeypatch.setattr(DataChecker, "_node", node)
    depth = Depth(recipients=(HOUSEHOLD.custodian,), seed=bytes(32))
    assert check(made, CheckRequest(depth=depth)).errors == ()
    with closing(SnapshotReader(made, one.link, [HOUSEHOLD.custodian])) as reader:
        (zeros,) = reader.entries()
        assert zeros.tree is not None
        count = sum(1 for _ in leaves(reader.fetcher, zeros.tree))
    assert count == 64
    assert 0 < len(visited) < count / 4
