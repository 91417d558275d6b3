"""The independent reader against repositories that the forge built: neither imports drorch, nor the other."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support import forge as forging
from tests.support.forge import Forge, RecipientKey, SigningKey, Stream, build_repository
from tests.support.reading_desk import Desk, Result, Streams, days, flip, only, plain, rows
from tools import recover

RECOVER = Path(recover.__file__)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    made = Forge(tmp_path / "repository", fanout=8)
    made.trust()
    return made


def restored(desk: Desk, forge: Forge, number: int, *words: str) -> Result:
    run = forge.snapshots[number - 1].run_text
    return desk(forge.directory, *words, "restore", run, key=forge.recipient, trust=forge.trust_root)


def listed(desk: Desk, forge: Forge, *words: str) -> Result:
    return desk(forge.directory, *words, "list", key=None, trust=forge.trust_root)


# What it reads


def test_every_snapshot_comes_back_equal(desk: Desk, tmp_path: Path) -> None:
    snapshots = days(6)
    forge = build_repository(tmp_path / "repository", snapshots=snapshots, delta_depth=4, fanout=2, pack_bytes=50_000)
    for number, streams in enumerate(snapshots, 1):
        result = restored(desk, forge, number)
        assert (result.code, result.err) == (0, "")
        assert result.written == plain(streams)


def test_the_forge_makes_what_the_equality_test_claims_to_cover(tmp_path: Path) -> None:
    forge = build_repository(tmp_path / "repository", snapshots=days(6), delta_depth=4, fanout=2, pack_bytes=50_000)
    assert {len(known.bases) for known in forge.known.values()} == {0, 1, 2, 3, 4}
    assert max(forge.levels) >= 4
    assert max(forge.pack_counts.values()) > 5


def test_names_facts_and_attributes_are_written_beside_the_streams(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    stream = Stream(content=b"1\ta\n", row_format=1, attributes={"columns": ["số", "chữ"]})
    forge.snapshot({"table/public.thửa": stream, "empty": b""}, facts={"server_version": "15.18"}, source="land/00678")
    assert restored(desk, forge, 1).code == 0
    (facts,) = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("out-1/facts.json")]
    assert (facts["source"], facts["facts"]["server_version"]) == ("land/00678", "15.18")
    lines = [json.loads(line) for line in (tmp_path / "out-1/streams.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["name"], line["rows"], line["attributes"]) for line in lines] == [
        ("table/public.thửa", 1, {"columns": ["số", "chữ"]}),
        ("empty", None, {}),
    ]


def test_the_chain_and_not_the_clock_says_what_is_newest(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    forge.clock -= 10**10  # the writer's clock was set back by four months
    forge.snapshot({"a": b"2"})
    result = desk(forge.directory, "restore", "latest:land/00678", key=forge.recipient, trust=forge.trust_root)
    assert result.written == {"a": b"2"}


def test_one_stream_alone(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1", "b": b"2"})
    run = forge.snapshots[0].run_text
    result = desk(forge.directory, "restore", run, "--stream", "b", key=forge.recipient, trust=forge.trust_root)
    assert (result.code, result.written) == (0, {"b": b"2"})
    result = desk(forge.directory, "restore", run, "--stream", "c", key=forge.recipient, trust=forge.trust_root)
    assert (result.code, result.written) == (1, {})


def test_an_id_may_be_shortened_and_latest_is_the_newest_committed_of_a_source(desk: Desk, forge: Forge) -> None:
    for number, state in enumerate((forging.COMMITTED, forging.COMMITTED, forging.VOID, None), 1):
        forge.snapshot({"a": b"%d" % number}, state=state)
    forge.snapshot({"a": b"other"}, source="civil")
    key, trust = forge.recipient, forge.trust_root
    short = desk(forge.directory, "restore", forge.snapshots[0].run_text[:8].upper(), key=key, trust=trust)
    assert short.written == {"a": b"1"}
    assert desk(forge.directory, "restore", "latest:land/00678", key=key, trust=trust).written == {"a": b"2"}
    assert "no snapshot latest:land" in desk(forge.directory, "restore", "latest:land", key=key, trust=trust).err


@pytest.mark.parametrize("start", [b"\x37\xa4\x30\xec", b"\x28\xb5\x2f\xfd"], ids=["dictionary", "frame"])
def test_a_delta_against_a_base_that_looks_like_zstd(desk: Desk, tmp_path: Path, start: bytes) -> None:
    first = start + rows(2000)
    second = first[:3000] + b"changed" + first[3007:]
    directory = tmp_path / "repository"
    forge = build_repository(directory, snapshots=[{"t": first}, {"t": second}], delta_depth=1, small_bytes=1)
    assert max(len(known.bases) for known in forge.known.values()) == 1
    assert restored(desk, forge, 2).written == {"t": second}


def test_names_from_a_repository_stay_inside_the_directory_and_off_the_terminal(
    desk: Desk, forge: Forge, tmp_path: Path
) -> None:
    names = ["../../escape", "/etc/passwd", "..", "a/b", "bell\x07\x1b[2J", "x" * 5000, "bảng\n1"]
    forge.snapshot({name: name.encode() for name in names})
    result = restored(desk, forge, 1)
    assert result.written == {name: name.encode() for name in names}
    assert {path.parent for path in tmp_path.rglob("0*-*")} == {tmp_path / "out-1"}
    assert "\x1b" not in result.out
    assert "\x07" not in result.out


def test_a_recipient_that_was_added_later_reads_old_runs(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"old"})
    added = RecipientKey(b"\x07" * 32)
    run = forge.snapshots[0].run_text
    before = desk(forge.directory, "restore", run, key=added, trust=forge.trust_root)
    assert (before.code, "not readable with this private key" in before.err) == (1, True)
    forge.reseal(added, forge.run_keys)
    assert desk(forge.directory, "restore", run, key=added, trust=forge.trust_root).written == {"a": b"old"}


@pytest.mark.parametrize("who", ["the writer", "a revoked maintainer"])
def test_a_bundle_that_no_maintainer_signed_is_not_read(desk: Desk, forge: Forge, who: str) -> None:
    forge.snapshot({"a": b"old"})
    added = RecipientKey(b"\x07" * 32)
    forge.reseal(added, forge.run_keys, signer=forge.writer if who == "the writer" else forge.maintainer)
    if who == "a revoked maintainer":
        forge.trust(revoked=[(forge.maintainer, [])])
    result = desk(forge.directory, "restore", forge.snapshots[0].run_text, key=added, trust=forge.trust_root)
    assert (result.code, "keys/0: not signed by a key" in result.err) == (1, True)


def test_a_bundle_with_the_wrong_keys_is_caught_by_the_commitment(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"old"})
    added = RecipientKey(b"\x07" * 32)
    forge.reseal(added, {run: bytes(32) for run in forge.run_keys})
    run = forge.snapshots[0].run_text
    result = desk(forge.directory, "restore", run, key=added, trust=forge.trust_root)
    assert (result.code, "does not fit the commitment" in result.err) == (1, True)


def test_restoring_never_touches_a_directory_with_something_in_it(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    forge.snapshot({"a": b"1"})
    (tmp_path / "out-1").mkdir()
    (tmp_path / "out-1/mine").write_bytes(b"mine")
    assert "is not empty" in restored(desk, forge, 1).err
    assert [path.name for path in (tmp_path / "out-1").iterdir()] == ["mine"]


# Damage: one object after the other, and what is lost then


@pytest.fixture
def three_days(tmp_path: Path) -> tuple[Forge, list[Streams]]:
    snapshots = days(3)
    made = build_repository(tmp_path / "repository", snapshots=snapshots, delta_depth=2, fanout=16, pack_bytes=150_000)
    return made, snapshots


def role(path: Path) -> str:
    """Which object of section 2 a path is; packs by what is in them."""
    parts = path.parts
    if "p" in parts:
        return "pack"
    return "commit" if path.suffix == ".c" else next(part for part in ("m", "q", "r", "trust") if part in parts)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "flipped": lambda path: flip(path, path.stat().st_size * 2 // 3),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "exchanged": lambda path: path.write_bytes(b"DRORCH\x07\x01\x00" + bytes(5000)),
}


SAID = {
    "trust": "trust/0 is missing|this is not the repository that you trust",
    "commit": "is undecided: it has no commit that counts, so it does not exist",
    "pack": "not restored: [1-9][0-9]* streams?; good: [0-9]+",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_object_in_turn_never_gives_wrong_bytes(
    desk: Desk, three_days: tuple[Forge, list[Streams]], tmp_path: Path, damage: str
) -> None:
    forge, snapshots = three_days
    lost: dict[str, set[int]] = {}
    for path in sorted(path for path in forge.directory.rglob("*") if path.is_file()):
        saved = path.read_bytes()
        DAMAGES[damage](path)
        for number, streams in enumerate(snapshots, 1):
            result = restored(desk, forge, number)
            wanted = plain(streams)
            assert all(wanted[name] == content for name, content in result.written.items())
            assert (result.code == 0) == (result.written == wanted)
            if result.code:
                lost.setdefault(role(path), set()).add(number)
                assert re.search(f"^recover: error: .*({SAID[role(path)]})", result.err.strip().splitlines()[-1])
        path.write_bytes(saved)
    # Manifests, run records, pack lists and tree packs exist twice; trust, commits and data packs do not.
    assert lost.keys() <= {"trust", "commit", "pack"}
    assert lost["trust"] == lost["commit"] == {1, 2, 3}


@pytest.mark.parametrize("damage", ["deleted", "flipped"])
def test_what_exists_twice_is_taken_from_its_second_place(
    desk: Desk, three_days: tuple[Forge, list[Streams]], damage: str
) -> None:
    forge, snapshots = three_days
    lane = forge.directory / forge.folder
    run = forge.snapshots[1].run_text
    for path in (lane / f"m/{2:012d}", lane / f"q/{run}", lane / f"r/{run}"):
        saved = path.read_bytes()
        DAMAGES[damage](path)
        result = restored(desk, forge, 2)
        assert (result.code, result.written) == (0, plain(snapshots[1]))
        assert f"took the copy in l/{forge.lane.hex()}/m/{2:012d}.c" in result.err
        path.write_bytes(saved)


def test_a_damaged_tree_pack_is_replaced_by_its_twins(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": rows(9000)})
    pack = forge.directory / next(name for name, group in forge.pack_groups.items() if group == "tree")
    pack.write_bytes(pack.read_bytes()[:12000])
    result = restored(desk, forge, 1)
    assert (result.code, result.written) == (0, {"a": rows(9000)})
    assert "took its twin" in result.err


def test_a_lost_data_pack_costs_exactly_the_streams_in_it(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    big, other = rows(9000), rows(9000, seed=1)
    forge.snapshot({"big": big})
    forge.snapshot({"big": big, "other": other})
    pack = forge.directory / next(name for name in forge.snapshots[1].objects if forge.pack_groups.get(name) == "data")
    saved = pack.read_bytes()
    flip(pack, len(saved) // 2)
    result = restored(desk, forge, 2)
    assert (result.code, result.written) == (1, {"big": big})
    assert "LOST  other: bytes " in result.out
    assert "not restored: 1 stream; good: 1" in result.err
    assert not list(tmp_path.glob("out-1/*other*"))
    run = forge.snapshots[1].run_text
    words = ("restore", run, "--keep-damaged")
    assert desk(forge.directory, *words, key=forge.recipient, trust=forge.trust_root).code == 1
    kept = only(tmp_path, "out-2/*other.damaged").read_bytes()
    assert len(kept) == len(other)
    differing = [at for at in range(len(other)) if kept[at] != other[at]]
    assert {kept[at] for at in differing} == {0}
    assert differing[-1] - differing[0] < forge.chunk_bytes


@pytest.mark.parametrize("kind", ["trust/0", "manifest", "pack", "commit"])
def test_an_alternate_stands_in_for_a_damaged_object(desk: Desk, forge: Forge, kind: str) -> None:
    forge.snapshot({"a": rows(9000)})
    pack = next(name for name, group in forge.pack_groups.items() if group == "data")
    names = {"manifest": f"{forge.folder}/m/{1:012d}", "commit": f"{forge.folder}/m/{1:012d}.c", "pack": pack}
    name = names.get(kind, kind)
    shutil.copy(forge.directory / name, forge.directory / f"{name}~3")
    flip(forge.directory / name, (forge.directory / name).stat().st_size // 2)
    (forge.directory / f"{name}~1").write_bytes(b"also damaged")
    result = restored(desk, forge, 1)
    assert (result.code, result.written) == (0, {"a": rows(9000)})
    assert f"took {name}~3" in result.err


# The chain


def test_a_gap_in_the_chain_ends_it_unless_told_to_go_on(desk: Desk, forge: Forge) -> None:
    for number in range(1, 5):
        forge.snapshot({"a": b"%d" % number})
    for suffix in ("", ".c"):
        (forge.directory / f"{forge.folder}/m/{2:012d}{suffix}").unlink()
    assert "manifest 2 is missing, a later one is here" in listed(desk, forge).err
    assert listed(desk, forge).code == 1
    assert restored(desk, forge, 1).written == {"a": b"1"}
    assert (restored(desk, forge, 4).code, restored(desk, forge, 4).written) == (1, {})
    assert restored(desk, forge, 4, "--past-damage").written == {"a": b"4"}


def test_a_snapshot_that_the_maintainer_gave_up_is_listed_as_such(desk: Desk, forge: Forge) -> None:
    for number in (1, 2):
        forge.snapshot({"a": b"%d" % number})
    first, second = (made.run for made in forge.snapshots)
    for number, (run, signer) in enumerate(((first, forge.maintainer), (second, forge.writer))):
        name = f"{forge.folder}/g/{number}"
        fields = forging.one(16, number, 32) + forging.one(18, run, critical=False)
        forge.put(name, forge.signed(9, name, fields, [signer], lane=forge.lane))
    said = listed(desk, forge)
    assert [line.split()[2:] for line in said.out.splitlines() if "complete" in line] == [
        ["given", "up", "complete"],
        ["committed", "complete"],
    ]
    assert "g/1: not signed by a key" in said.err
    assert restored(desk, forge, 1).written == {"a": b"1"}  # as long as its packs are there


def test_a_hidden_suffix_is_seen_only_by_who_knows_the_head(desk: Desk, forge: Forge) -> None:
    for number in (1, 2):
        forge.snapshot({"a": b"%d" % number})
    head = forging.sha256(forge.snapshots[1].manifest).hex()
    assert head in listed(desk, forge).out
    for suffix in ("", ".c"):
        (forge.directory / f"{forge.folder}/m/{2:012d}{suffix}").unlink()
    assert listed(desk, forge).code == 0  # nothing in the repository itself can tell
    result = listed(desk, forge, "--expect-head", head)
    assert (result.code, "newer snapshots are hidden or lost" in result.err) == (1, True)


@pytest.mark.parametrize(("state", "word"), [(forging.VOID, "void"), (None, "undecided")])
def test_a_snapshot_without_a_good_commit_does_not_exist(
    desk: Desk, forge: Forge, state: int | None, word: str
) -> None:
    forge.snapshot({"a": b"1"}, state=state)
    forge.snapshot({"a": b"2"})
    result = restored(desk, forge, 1)
    assert (result.code, result.written) == (1, {})
    assert f"is {word}: it has no commit that counts, so it does not exist" in result.err
    assert restored(desk, forge, 2).written == {"a": b"2"}


def test_a_void_snapshot_stays_void_past_damage(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"}, state=forging.VOID)
    assert restored(desk, forge, 1, "--past-damage").code == 1


def test_manifests_cannot_change_places(desk: Desk, forge: Forge) -> None:
    for number in (1, 2):
        forge.snapshot({"a": b"%d" % number})
    one, two = (forge.directory / f"{forge.folder}/m/{number:012d}" for number in (1, 2))
    raw = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(raw)
    for suffix in (1, 2):
        (forge.directory / f"{forge.folder}/m/{suffix:012d}.c").unlink()
    result = restored(desk, forge, 1, "--past-damage")
    assert (result.code, "is another object than its name says" in result.err) == (1, True)


def test_a_second_history_with_the_same_key_does_not_chain(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    """A cloned machine wrote its own manifest 2; its manifest 3 does not continue ours."""
    forge.snapshot({"a": b"1"})
    shutil.copytree(forge.directory, tmp_path / "clone")
    directory, forge.directory = forge.directory, tmp_path / "clone"
    forge.snapshot({"a": b"clone's 2"})
    forge.snapshot({"a": b"clone's 3"})
    forge.directory = directory
    clone, forge.snapshots[1:] = forge.snapshots[1:], []
    forge.snapshot({"a": b"2"})
    for made in clone[1:]:
        for name in made.objects:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "clone" / name, directory / name)
    result = listed(desk, forge)
    assert (result.code, "does not follow the manifest before it" in result.err) == (1, True)


# A writer that signs nonsense: a fault of ours, or a thief with the writer's key


def test_a_record_with_other_content_than_its_id_is_refused() -> None:
    keys = recover.RunKeys(bytes(48), bytes(32), bytes(32))
    identity = blake3(b"\x01abc", key=recover.derive(bytes(32), "drorch/1 chunk id", 32)).digest()
    good = recover.Record(1, 0, 3, identity, bytes(32), 0, 0, b"abc")
    assert good.decode(keys, lambda _: b"", "it") == b"abc"
    for wrong in (good._replace(content=b"xyz"), good._replace(kind=2), good._replace(plain_length=4)):
        with pytest.raises(recover.Refused, match="decodes to other bytes than its id says"):
            wrong.decode(keys, lambda _: b"", "it")


def exchange(forge: Forge, **changes: Any) -> None:
    """Let the forge's next trees say something else of the first big chunk that it knows."""
    (chunk_id, known), *_ = [item for item in forge.known.items() if len(item[1].plain) == forge.chunk_bytes]
    forge.known[chunk_id] = dataclasses.replace(known, **changes)


def test_a_place_that_holds_another_chunk_is_not_taken(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": rows(9000)})
    exchange(forge, place=list(forge.known.values())[3].place)
    forge.snapshot({"a": rows(9000)})
    result = restored(desk, forge, 2)
    assert (result.code, result.written) == (1, {})
    assert f"LOST  a: bytes 0 to {forge.chunk_bytes - 1}: " in result.out
    assert "holds another chunk" in result.out


def test_a_delta_with_another_base_than_the_tree_names_is_not_taken(desk: Desk, tmp_path: Path) -> None:
    first, second = rows(9000), rows(9000).replace(b"\t1", b"\t2")
    forge = build_repository(tmp_path / "repository", snapshots=[{"a": first}], delta_depth=1)
    forge.snapshot({"a": second})
    chunk_id, known = next(item for item in forge.known.items() if item[1].bases)
    other = next(each for each in forge.known.values() if not each.bases and each != known.bases[0])
    forge.known[chunk_id] = dataclasses.replace(known, bases=(other,))
    forge.snapshot({"a": second})
    result = restored(desk, forge, 3)
    assert (result.code, result.written) == (1, {})
    assert "a delta against another base than the tree names" in result.out


def test_a_commit_of_another_manifest_is_no_commit(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"}, state=None)
    name = f"{forge.folder}/m/{1:012d}.c"
    fields = forging.one(16, 1, 64) + forging.one(17, bytes(32)) + forging.one(18, forging.COMMITTED, 8)
    forge.put(name, forge.signed(8, name, fields, [forge.writer], lane=forge.lane))
    result = restored(desk, forge, 1)
    assert (result.code, "is not the one that the commit names" in result.err) == (1, True)


def test_the_commit_says_which_of_two_manifests_of_a_number_counts(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    """Two runs took number 1 in two stores; what came to be committed was copied beside what had not."""
    here, there, name = forge.directory, tmp_path / "there", f"{forge.folder}/m/{1:012d}"
    shutil.copytree(here, there)
    forge.snapshot({"a": b"lost the number"}, state=None)
    forge.directory = there
    forge.snapshots.clear()
    for each in forge.snapshot({"a": b"counts"}).objects:
        (here / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(there / each, here / (f"{each}~1" if each == name else each))
    forge.directory = here
    assert restored(desk, forge, 1).written == {"a": b"counts"}
    (here / f"{name}~1").unlink()
    assert restored(desk, forge, 1).written == {"a": b"counts"}  # the commit holds it, too
    (here / f"{name}.c").unlink()
    result = restored(desk, forge, 1)
    assert (result.code, result.written) == (1, {})


def test_a_pack_list_that_the_manifest_does_not_name_is_not_taken(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": rows(9000)})
    forge.pack_lists[forge.snapshots[0].run] = bytes(32)
    forge.snapshot({"a": rows(9000)})
    result = restored(desk, forge, 2)
    assert (result.code, result.written) == (1, {})
    assert "is not the one that the manifest names" in result.out


def test_two_secrets_in_one_lane_are_refused(desk: Desk, forge: Forge) -> None:
    """The third run refers to a chunk of the first, whose secret is another."""
    forge.snapshot({"a": rows(9000)})
    forge.lane_secret = b"\x01" * 32
    forge.snapshot({"a": rows(9000)})
    exchange_from = len(forge.known) // 2  # the second run's chunks, whose ids are those of the new secret
    chunk_id, known = list(forge.known.items())[exchange_from]
    forge.known[chunk_id] = dataclasses.replace(known, run=forge.snapshots[0].run)
    forge.snapshot({"a": rows(9000)})
    result = restored(desk, forge, 3)
    assert (result.code, result.written) == (1, {})
    assert "has another lane secret than the rest of its lane" in result.out


def test_a_stream_is_kept_only_with_its_digest(
    desk: Desk, forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_for_streams(raw: bytes, *, key: bytes | None = None) -> Any:
        return blake3(raw, key=key) if key else blake3(raw + b"x")

    monkeypatch.setattr(forging, "blake3", wrong_for_streams)
    forge.snapshot({"a": b"1"})
    result = restored(desk, forge, 1)
    assert (result.code, "the digest of the whole stream is wrong" in result.out) == (1, True)
    assert not list(tmp_path.glob("out-1/*-a*"))


def reference(size: int, level: int = 0) -> bytes:
    return bytes(16 + 24 + 32) + bytes([level]) + size.to_bytes(8, "big")


@pytest.mark.parametrize(
    "places",
    [
        b"",
        forging.one(4, reference(9)),
        forging.one(4, reference(10, level=9)),
        forging.one(4, reference(10)) + forging.one(5, bytes(10)),
        forging.one(5, b"\0\1" + bytes(8)),
        forging.one(5, b"\0\0" + (91).to_bytes(8, "big")),
        forging.one(5, b"\0\0" + b"\xff" * 8),
    ],
)
def test_an_entry_whose_place_cannot_be_is_refused(places: bytes) -> None:
    container = recover.read_reference(reference(100), "it")
    front = forging.one(1, b"a") + forging.one(2, 2, 8) + forging.one(3, 10, 64)
    back = forging.one(6, bytes(32)) + forging.one(7, 0, 8) + forging.one(11, b"{}")
    good = front + forging.one(5, b"\0\0" + (90).to_bytes(8, "big")) + back
    assert recover.read_entry(good, 0, [container]).start == 90
    with pytest.raises(recover.Refused, match="malformed"):
        recover.read_entry(front + places + back, 0, [container])


def test_a_node_adds_up_to_what_its_parent_says() -> None:
    node = bytes([1, 0, 0, 1]) + bytes(16) + b"\0\0\0\1" + b"\0" + b"\0\0\0\7" + bytes(32 + 2 + 24)
    assert [child.size for child in recover.read_node(node, recover.Child(7, bytes(32), (), 0))] == [7]
    with pytest.raises(recover.Refused, match="is not the node that its parent describes"):
        recover.read_node(node, recover.Child(8, bytes(32), (), 0))


# Who may sign


def test_a_forged_repository_sealed_to_the_genuine_recipient_is_refused(
    desk: Desk, forge: Forge, tmp_path: Path
) -> None:
    forge.snapshot({"a": b"genuine"})
    forger = Forge(tmp_path / "forged", seed=b"evil", recipients=forge.recipients, repository=forge.repository)
    forger.trust()
    forger.snapshot({"a": b"forged"})
    run = forger.snapshots[0].run_text
    result = desk(tmp_path / "forged", "restore", run, key=forge.recipient, trust=forge.trust_root)
    assert (result.code, result.written) == (1, {})
    assert "this is not the repository that you trust" in result.err
    control = desk(tmp_path / "forged", "restore", run, key=forge.recipient, trust=forger.trust_root)
    assert control.written == {"a": b"forged"}  # so that nothing but the trust root stood in its way


def test_a_forged_lane_in_a_genuine_repository_does_not_count(desk: Desk, forge: Forge, tmp_path: Path) -> None:
    forge.snapshot({"a": b"genuine"})
    forger = Forge(tmp_path / "forged", seed=b"evil", recipients=forge.recipients, repository=forge.repository)
    forger.snapshot({"a": b"forged"})
    shutil.copytree(tmp_path / "forged/l", forge.directory / "l", dirs_exist_ok=True)
    result = desk(forge.directory, "restore", forger.snapshots[0].run_text, key=forge.recipient, trust=forge.trust_root)
    assert (result.code, result.written) == (1, {})
    assert "no trusted writer may sign here" in result.err
    assert restored(desk, forge, 1).written == {"a": b"genuine"}


def test_a_forged_manifest_in_a_genuine_lane_does_not_count(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"genuine"})
    stranger = SigningKey(b"\x01" * 32)
    stranger.key_id = forge.writer.key_id  # what the signature block claims is free to choose
    forge.snapshot({"a": b"forged"}, signer=stranger)
    result = restored(desk, forge, 2)
    assert (result.code, result.written) == (1, {})
    assert "not signed by a key that the trust root vouches for" in result.err
    assert restored(desk, forge, 1).written == {"a": b"genuine"}


def test_a_maintainer_cannot_write_snapshots(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"by the maintainer"}, signer=forge.maintainer)
    assert "not signed by a key" in restored(desk, forge, 1).err


@pytest.mark.parametrize("broken", ["ed25519", "ml-dsa", "both", "none"])
def test_one_good_signature_of_the_two_is_worth_nothing(desk: Desk, forge: Forge, broken: str) -> None:
    """A quantum forger, or a lattice breaker, or one who strips signatures: all fail."""
    genuine = forge.writer.signature

    def signature(kind: int, payload: bytes) -> bytes:
        raw = bytearray(genuine(kind, payload))
        if broken in {"ed25519", "both"}:
            raw[32:96] = SigningKey(b"\x02" * 32).signature(kind, payload)[32:96]
        if broken in {"ml-dsa", "both"}:
            raw[96:] = SigningKey(b"\x02" * 32).signature(kind, payload)[96:]
        return bytes(raw)

    forge.writer.signature = signature  # type: ignore[method-assign]
    forge.snapshot({"a": b"1"})
    assert restored(desk, forge, 1).code == (0 if broken == "none" else 1)


def test_no_signature_at_all(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    path = forge.directory / f"{forge.folder}/m/{1:012d}"
    payload, _, attachment = recover.split_signed(path.read_bytes(), 7, "m")
    path.write_bytes(forging.wrap(7, b"", forging.unsigned(len(payload), 32) + payload + b"\0" + attachment))
    (forge.directory / f"{forge.folder}/m/{1:012d}.c").unlink()
    assert "not signed by a key" in restored(desk, forge, 1, "--past-damage").err


def test_an_attachment_cannot_be_exchanged(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    path = forge.directory / f"{forge.folder}/m/{1:012d}.c"
    path.write_bytes(path.read_bytes() + forging.one(9, b"more", critical=False))
    assert "has another attachment" in restored(desk, forge, 1).err


def test_a_writer_cannot_sign_in_another_writers_lane(desk: Desk, forge: Forge) -> None:
    """The thief of one host reaches that host's lanes and no other."""
    stolen = SigningKey(b"\x03" * 32)
    forge.trust(writers=[forge.writer, stolen])
    forge.snapshot({"a": b"forged"}, signer=stolen)
    result = restored(desk, forge, 1)
    assert (result.code, "not signed by a key that the trust root vouches for" in result.err) == (1, True)


def test_a_run_record_of_another_run_opens_nothing(desk: Desk, forge: Forge) -> None:
    """Records that a writer genuinely signed cannot stand in for each other."""
    for number in (1, 2):
        forge.snapshot({"a": b"%d" % number})
    one, two = (forge.directory / f"{forge.folder}/r/{made.run_text}" for made in forge.snapshots)
    one.write_bytes(two.read_bytes())
    (forge.directory / f"{forge.folder}/m/{1:012d}.c").unlink()
    for pack in forge.directory.glob("l/*/p/*/*"):
        pack.unlink()
    result = restored(desk, forge, 1, "--past-damage")
    assert (result.code, "is another object than its name says" in result.err) == (1, True)


# Trust


def test_without_the_digest_of_the_trust_root_nothing_is_read(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    for trust in (None, "", forge.trust_root[:30], forge.trust_root[:-2], "zz" * 16):
        result = desk(forge.directory, "restore", forge.snapshots[0].run_text, key=forge.recipient, trust=trust)
        assert (result.code, "give --trust" in result.err) == (1, True)


def test_the_digest_may_be_the_short_form_of_the_key_sheet(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    short = "-".join(forge.trust_root[at : at + 4] for at in range(0, 32, 4))
    assert desk(forge.directory, "list", key=None, trust=short).code == 0
    wrong = short[:-1] + ("0" if short[-1] != "0" else "1")
    result = desk(forge.directory, "list", key=None, trust=wrong)
    assert (result.code, short in result.err) == (1, True)


def test_root_keys_hand_over_to_new_ones(desk: Desk, forge: Forge) -> None:
    new = [SigningKey(bytes([number]) * 32) for number in range(3)]
    forge.trust(roots=new, threshold=2)
    forge.trust(signed_by=new[1:])
    forge.snapshot({"a": b"1"})
    assert "trust root verified, 3 records" in listed(desk, forge).out


@pytest.mark.parametrize("signers", [[], [0], [0, 0], [3], [0, 3]], ids=str)
def test_a_trust_record_below_the_threshold_is_an_error(desk: Desk, forge: Forge, signers: list[int]) -> None:
    new = [SigningKey(bytes([number]) * 32) for number in range(3)]
    everybody = [*new, forge.roots[0]]
    forge.trust(roots=new, threshold=2)
    forge.trust(signed_by=[everybody[number] for number in signers])
    result = listed(desk, forge)
    assert (result.code, "trust/2: not signed by a key" in result.err) == (1, True)


def test_a_trust_record_must_name_the_one_before_it(desk: Desk, forge: Forge) -> None:
    first = forge.trust_records[0]
    forge.trust_records[0] = first + b"x"
    forge.trust()
    forge.trust_records[0] = first
    assert "trust/1: does not follow the record before it" in listed(desk, forge).err


def test_a_repository_that_wants_a_newer_reader_is_refused(desk: Desk, forge: Forge) -> None:
    forge.trust(minimum_reader=2)
    assert "needs a newer reader" in listed(desk, forge).err


def test_two_signers_with_the_same_six_bytes_are_refused(desk: Desk, forge: Forge) -> None:
    forge.trust(writers=[forge.writer, forge.writer])
    assert "share the first 6 bytes" in listed(desk, forge).err


def test_a_revoked_writer_counts_up_to_the_named_head(desk: Desk, forge: Forge) -> None:
    for number in range(1, 4):
        forge.snapshot({"a": b"%d" % number})
    head = (forge.lane, 2, forging.sha256(forge.snapshots[1].manifest))
    forge.trust(writers=[SigningKey(b"\x05" * 32)], revoked=[(forge.writer, [head])])
    assert [restored(desk, forge, number).written for number in (1, 2, 3)] == [{"a": b"1"}, {"a": b"2"}, {}]
    assert listed(desk, forge).code == 0


def test_a_revoked_writer_without_a_named_head_counts_for_nothing(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    forge.trust(revoked=[(forge.writer, [])])
    assert (restored(desk, forge, 1).code, restored(desk, forge, 1).written) == (1, {})


def test_a_revoked_writers_rewritten_history_counts_for_nothing(desk: Desk, forge: Forge) -> None:
    for number in range(1, 3):
        forge.snapshot({"a": b"%d" % number})
    forge.trust(revoked=[(forge.writer, [(forge.lane, 2, bytes(32))])])
    result = restored(desk, forge, 1)
    assert (result.code, "does not lead to the head that its writer's revocation names" in result.err) == (1, True)


def test_a_writer_that_is_no_longer_listed_counts_for_nothing(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    forge.trust(writers=[])
    assert "no trusted writer may sign here" in restored(desk, forge, 1).err


# Keys


def test_a_wrong_private_key_opens_nothing(desk: Desk, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    run = forge.snapshots[0].run_text
    result = desk(forge.directory, "restore", run, key=RecipientKey(b"\x09" * 32), trust=forge.trust_root)
    assert (result.code, "not readable with this private key" in result.err) == (1, True)
    result = desk(forge.directory, "restore", run, key=None, trust=forge.trust_root)
    assert (result.code, "give --key" in result.err) == (1, True)


PASSPHRASE = "ba con mèo đen"


def key_file(key: RecipientKey, passphrase: str = PASSPHRASE, *, trust: str = "", cost: str = "1024 8 1") -> str:
    """A private key file as section 13 describes it."""
    n, r, p = (int(number) for number in cost.split())
    front = f"drorch private key 1\nkind: recipient\nlabel: Két sắt 2\nid: {key.key_id.hex()}\n"
    front += f"repository: {'00' * 16}\ntrust: {trust}\n" if trust else ""
    front += f"scrypt: {cost} {'ab' * 16}\n"
    secret = unicodedata.normalize("NFC", passphrase).encode()
    stretched = hashlib.scrypt(secret, salt=b"\xab" * 16, n=min(n, 1 << 14), r=r, p=p, dklen=32, maxmem=1 << 28)
    sealed = b"\x07" * 12 + AESGCM(stretched).encrypt(b"\x07" * 12, key.seed, front.encode())
    return f"{front}sealed: {sealed.hex()}\n"


def with_key_file(forge: Forge, tmp_path: Path, text: str, *words: str, passphrase: str = PASSPHRASE) -> list[str]:
    (tmp_path / "private.key").write_bytes(text.encode())
    (tmp_path / "passphrase").write_text(passphrase + "\n", encoding="utf-8")
    key = ["--key", str(tmp_path / "private.key"), "--passphrase-file", str(tmp_path / "passphrase")]
    return [str(forge.directory), *key, *words, "restore", forge.snapshots[0].run_text, "--to", str(tmp_path / "out")]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "  \n"])
def test_a_key_file_opens_with_its_passphrase(
    forge: Forge, tmp_path: Path, form: Literal["NFC", "NFD"], ending: str
) -> None:
    forge.snapshot({"a": b"1"})
    text = key_file(forge.recipient, trust=forge.trust_root).replace("\n", ending)
    typed = unicodedata.normalize(form, PASSPHRASE)
    assert recover.main(with_key_file(forge, tmp_path, text, passphrase=typed)) == 0
    assert only(tmp_path, "out/*-a").read_bytes() == b"1"


def test_the_passphrase_is_asked_for_on_the_terminal(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge.snapshot({"a": b"1"})
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PASSPHRASE

    monkeypatch.setattr("getpass.getpass", ask)
    argv = with_key_file(forge, tmp_path, key_file(forge.recipient, trust=forge.trust_root))
    del argv[3:5]
    assert recover.main(argv) == 0
    assert asked == ["Passphrase of the key Két sắt 2: "]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("Két", "Cái"), "the passphrase is wrong, or the file was changed"),
        (lambda text: text.replace("sealed: 07", "sealed: 08"), "the passphrase is wrong, or the file was changed"),
        (lambda text: text.replace("recipient", "root"), "is not the private key file of a recipient"),
        (lambda text: text.replace("key 1", "key 2"), "is not the private key file of a recipient"),
        (lambda text: text.replace("1024 8 1", "1073741824 8 1"), "its numbers are out of bounds"),
        (lambda text: text.replace("1024 8 1", "1000 8 1"), "its numbers are out of bounds"),
        (lambda text: text.replace("1024 8 1", "many 8 1"), "is damaged"),
        (lambda text: text[:-2], "is damaged"),
        (lambda text: text[:-3], "its numbers are out of bounds"),
        (lambda _: "", "is not the private key file of a recipient"),
    ],
)
def test_a_key_file_that_is_not_as_it_was(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], reason: str
) -> None:
    forge.snapshot({"a": b"1"})
    text = change(key_file(forge.recipient, trust=forge.trust_root))
    assert recover.main(with_key_file(forge, tmp_path, text)) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_wrong_passphrase(forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge.snapshot({"a": b"1"})
    assert recover.main(with_key_file(forge, tmp_path, key_file(forge.recipient), passphrase="meo")) == 1
    assert "the passphrase is wrong" in capsys.readouterr().err


def test_the_key_file_and_the_key_sheet_must_name_one_repository(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.snapshot({"a": b"1"})
    text = key_file(forge.recipient, trust="11" * 32)
    assert recover.main(with_key_file(forge, tmp_path, text, "--trust", forge.trust_root)) == 1
    assert "the key file belongs to another repository than --trust names" in capsys.readouterr().err
    assert recover.main(with_key_file(forge, tmp_path, text)) == 1
    assert "this is not the repository that you trust" in capsys.readouterr().err
    text = key_file(forge.recipient)  # older than its repository: names none
    assert recover.main(with_key_file(forge, tmp_path, text)) == 1
    assert "give --trust" in capsys.readouterr().err


def test_a_removed_recipient_opens_what_was_sealed_before_and_nothing_after(desk: Desk, forge: Forge) -> None:
    removed = forge.recipient
    forge.snapshot({"a": b"before"})
    forge.recipients = [RecipientKey(b"\x0a" * 32)]
    forge.trust()
    forge.snapshot({"a": b"after"})
    before, after = (
        desk(forge.directory, "restore", made.run_text, key=removed, trust=forge.trust_root) for made in forge.snapshots
    )
    assert before.written == {"a": b"before"}
    assert (after.code, "not readable with this private key" in after.err) == (1, True)
    assert restored(desk, forge, 2).written == {"a": b"after"}


def first_record(pack: Path) -> bytes:
    _, body = recover.unwrap(pack.read_bytes(), 4, range(1, 6), "pack")
    return body.take(body.number(4))


def test_what_a_writer_keeps_opens_no_finished_run(desk: Desk, forge: Forge) -> None:
    """Signing seed and lane secret, tried as a recipient's seed and as a run key."""
    forge.snapshot({"a": rows(500)})
    (made,), packs = forge.snapshots, [forge.directory / name for name in forge.pack_groups]
    where = forge.repository + forge.lane + made.run
    for kept in (forge.writer.seed, forge.lane_secret):
        result = desk(forge.directory, "restore", made.run_text, key=RecipientKey(kept), trust=forge.trust_root)
        assert (result.code, result.written) == (1, {})
        for pack in packs:
            with pytest.raises(recover.Refused, match="authentication tag is wrong"):
                recover.open_record(first_record(pack), recover.RunKeys(where, kept, forge.lane_secret), "it")
    genuine = recover.RunKeys(where, forge.run_keys[made.run], forge.lane_secret)
    assert {recover.open_record(first_record(pack), genuine, "it").kind for pack in packs} == {1, 2}


def test_the_store_sees_no_plaintext_and_two_lanes_share_no_chunk_id(tmp_path: Path) -> None:
    secret = b"Nguyen Thi Bich Ngoc, 079200000001"
    streams = {"table/public.secret_name": secret * 1000, "small": secret}
    made = [build_repository(tmp_path / seed, snapshots=[streams], seed=seed.encode()) for seed in ("one", "two")]
    for path in (path for forge in made for path in forge.directory.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        assert secret not in raw
        assert b"secret_name" not in raw
    assert made[0].known.keys().isdisjoint(made[1].known)


# Evolution and limits


def test_fields_that_only_a_newer_reader_knows() -> None:
    skipped = forging.one(1, b"a") + forging.one(900, b"x", critical=False)
    assert recover.Fields(skipped, {1}, "it").one(1) == b"a"
    with pytest.raises(recover.Refused, match="has field 900, which only a newer reader knows"):
        recover.Fields(forging.one(1, b"a") + forging.one(900, b"x"), {1}, "it")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (forging.one(2, b"") + forging.one(1, b""), "out of order"),
        (forging.one(1, b"abc")[:-1], "cut off"),
        (b"\x80", "cut off"),
        (b"\x80\x01\xff\xff\xff\xff", "cut off"),
    ],
)
def test_malformed_fields(raw: bytes, reason: str) -> None:
    with pytest.raises(recover.Refused, match=reason):
        recover.Fields(raw, {1, 2}, "it")


def test_a_field_that_may_stand_once_stands_once() -> None:
    with pytest.raises(recover.Refused, match="malformed"):
        recover.Fields(forging.one(1, b"a") + forging.one(1, b"b"), {1}, "it").one(1)


def test_another_major_version_is_refused() -> None:
    with pytest.raises(recover.Refused, match="format major 2 needs a newer reader"):
        recover.unwrap(forging.wrap(7, b"", b"", major=2), 7, (), "it")


def test_a_frame_that_would_unfold_to_more_than_it_may_is_refused_before_memory_is_taken() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    with pytest.raises(recover.Refused, match="over the limit"):
        recover.unzstd(bomb, 1 << 20, "it")
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 28))
    with pytest.raises(recover.Refused, match="damaged"):
        recover.unzstd(unsized, 1 << 20, "it")


def test_a_frame_with_too_large_a_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = compressor.compress(bytes(1000)) + compressor.flush()
    with pytest.raises(recover.Refused, match="over the limit"):
        recover.unzstd(frame, 1 << 20, "it")


def test_bytes_behind_a_frame_are_refused() -> None:
    frame = zstandard.ZstdCompressor().compress(b"abc")
    assert recover.unzstd(frame, 3, "it") == b"abc"
    with pytest.raises(recover.Refused, match="damaged"):
        recover.unzstd(frame + b"x", 3, "it")


@pytest.mark.parametrize(
    "node",
    [
        bytes([1, 0]) + b"\0\0" + b"\xff\xff\xff\xff",  # four thousand million entries
        bytes([1, 0]) + b"\xff\xff",
        bytes([2, 0]) + b"\0\0" + bytes(4),
        bytes([1, 1]) + b"\0\0" + bytes(4),
        bytes([1, 0]) + b"\0\0" + b"\0\0\0\1" + b"\5" + bytes(5 * 46 + 4),
        bytes([1, 0]) + b"\0\0" + bytes(4) + b"x",
    ],
)
def test_malformed_tree_nodes(node: bytes) -> None:
    with pytest.raises(recover.Refused):
        recover.read_node(node, recover.Child(-1, bytes(32), (), 0))


# Independence


def test_the_reader_imports_nothing_but_the_standard_library_and_three_packages() -> None:
    parts = [RECOVER, *RECOVER.parent.glob("recover_*.py")]
    nodes = [node for part in parts for node in ast.walk(ast.parse(part.read_text(encoding="utf-8")))]
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    roots = {module.split(".")[0] for module in modules} - {"tools"}  # what only a type checker sees
    own = {part.stem for part in parts} - {"recover"}
    assert roots - set(sys.stdlib_module_names) == {"blake3", "cryptography", "zstandard", *own}


def test_the_reader_works_from_a_directory_of_its_own(forge: Forge, tmp_path: Path) -> None:
    for part in RECOVER.parent.glob("recover*.py"):
        shutil.copy(part, tmp_path)
    argv = [sys.executable, str(tmp_path / "recover.py"), str(forge.directory), "--trust", forge.trust_root, "list"]
    told = subprocess.run(argv, capture_output=True, text=True, cwd="/", env={"PATH": "/usr/bin"}, check=False)
    assert told.returncode == 0, told.stderr


def test_every_line_of_help_fits_a_terminal(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        recover.main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
