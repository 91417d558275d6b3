"""What can be had from a heap of packs with nothing but a private key: ``tools/salvage.py``."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.forge import Forge, RecipientKey, build_repository
from tests.support.reading_desk import Streams, days, flip, only, plain, rows
from tools import recover

Salvage = Callable[..., tuple[int, str]]


@pytest.fixture
def salvage(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Salvage:
    """It lies beside recover.py, as in a repository's help folder."""
    monkeypatch.syspath_prepend(Path(recover.__file__).parent)
    script: Any = importlib.import_module("salvage")

    def act(directory: Path, key: RecipientKey | None) -> tuple[int, str]:
        words = [str(directory), "--to", str(tmp_path / "out-1")]
        if key:
            (tmp_path / "seed.hex").write_text(key.seed.hex(), encoding="ascii")
            words += ["--seed-hex-file", str(tmp_path / "seed.hex")]
        return script.main(words), capsys.readouterr().err

    return act


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    made = Forge(tmp_path / "repository", fanout=8)
    made.trust()
    return made


@pytest.fixture
def three_days(tmp_path: Path) -> tuple[Forge, list[Streams]]:
    snapshots = days(3)
    made = build_repository(tmp_path / "repository", snapshots=snapshots, delta_depth=2, fanout=16, pack_bytes=150_000)
    return made, snapshots


def test_salvage_restores_whole_snapshots_from_a_heap_of_packs(
    salvage: Salvage, three_days: tuple[Forge, list[Streams]], tmp_path: Path
) -> None:
    forge, snapshots = three_days
    heap = tmp_path / "heap"
    heap.mkdir()
    for number, path in enumerate(sorted(forge.directory.glob("l/*/p/*/*"))):
        shutil.copy(path, heap / f"found-{number}.bin")
    (heap / "something else").write_bytes(b"not a pack")
    assert salvage(heap, forge.recipient)[0] == 0
    for made, streams in zip(forge.snapshots, snapshots, strict=True):
        folder = only(tmp_path, f"out-1/*-{made.run_text}")
        found = sorted(path.read_bytes() for path in folder.iterdir())
        assert found == sorted(plain(streams).values())


def test_salvage_without_trees_gives_chunks_at_their_offsets(salvage: Salvage, forge: Forge, tmp_path: Path) -> None:
    content, small = rows(9000), b"small stream"
    forge.snapshot({"a": content, "b": small})
    for name, group in forge.pack_groups.items():
        if group != "data":
            (forge.directory / name).unlink()
    assert salvage(forge.directory, forge.recipient)[0] == 0
    assert only(tmp_path, "out-1/*/ordinal-0000000000.loose").read_bytes() == content
    assert only(tmp_path, f"out-1/*/ordinal-{2**31:010d}.loose").read_bytes() == small


def test_salvage_goes_on_behind_damage(salvage: Salvage, forge: Forge, tmp_path: Path) -> None:
    content = rows(9000)
    forge.snapshot({"a": content})
    pack = forge.directory / next(name for name, group in forge.pack_groups.items() if group == "data")
    flip(pack, pack.stat().st_size // 2)
    code, said = salvage(forge.directory, forge.recipient)
    assert (code, "authentication tag is wrong" in said) == (0, True)
    kept = only(tmp_path, "out-1/*/ordinal-0000000000.loose").read_bytes()
    assert len(kept) == len(content)
    assert 0 < sum(a != b for a, b in zip(kept, content, strict=True)) <= forge.chunk_bytes


def test_salvage_without_the_right_key_says_so(salvage: Salvage, forge: Forge) -> None:
    forge.snapshot({"a": b"1"})
    code, said = salvage(forge.directory, RecipientKey(b"\x09" * 32))
    assert (code, "no pack here opens with this private key" in said) == (1, True)
    assert "this needs the private key" in salvage(forge.directory, None)[1]


def test_a_chunk_that_another_pack_holds_too_is_found_there(salvage: Salvage, forge: Forge, tmp_path: Path) -> None:
    """The reader goes by places and says what is lost; this goes by what chunks are."""
    forge.snapshot({"a": rows(9000)})
    pack = forge.directory / next(name for name, group in forge.pack_groups.items() if group == "data")
    forge.known.clear()  # as the writer does once a year: everything is stored afresh
    forge.snapshot({"a": rows(9000)})
    flip(pack, pack.stat().st_size // 2)
    assert salvage(forge.directory, forge.recipient)[0] == 0
    found = only(tmp_path, f"out-1/*-{forge.snapshots[0].run_text}")
    assert [path.read_bytes() for path in found.iterdir()] == [rows(9000)]
