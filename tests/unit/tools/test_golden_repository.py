"""The golden repository of format major 1, read by the independent reader. If this fails, the reader is wrong."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tools import recover

GOLDEN = Path(__file__).resolve().parents[2] / "golden/repository-1"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
SNAPSHOTS: list[dict[str, Any]] = EXPECTED["snapshots"]


def call(tmp_path: Path, *words: str, seed: str = EXPECTED["recipient_seed"]) -> int:
    (tmp_path / "seed.hex").write_text(seed, encoding="ascii")
    key = ["--seed-hex-file", str(tmp_path / "seed.hex")]
    return recover.main([str(GOLDEN / "repository"), *key, "--trust", EXPECTED["trust"], *words])


def streams(target: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (target / "streams.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        line["name"]: {
            "kind": line["kind"],
            "size": line["bytes"],
            "sha256": hashlib.sha256((target / line["file"]).read_bytes()).hexdigest(),
            "attributes": line["attributes"],
        }
        for line in lines
    }


def test_the_listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, "list") == 0
    shown = capsys.readouterr().out
    for snapshot in SNAPSHOTS:
        (line,) = [line for line in shown.splitlines() if snapshot["id"] in line]
        assert snapshot["state"] in line
    assert SNAPSHOTS[-1]["manifest"] in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=[each["state"] for each in SNAPSHOTS])
def test_each_snapshot(tmp_path: Path, snapshot: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = call(tmp_path, "restore", snapshot["id"], "--to", str(tmp_path / "out"))
    if snapshot["state"] != "committed":
        assert (code, snapshot["state"] in capsys.readouterr().err) == (1, True)
        return
    assert (code, capsys.readouterr().err) == (0, "")
    assert streams(tmp_path / "out") == snapshot["streams"]


def test_the_recipient_who_came_later(tmp_path: Path) -> None:
    words = ("restore", SNAPSHOTS[0]["id"], "--to", str(tmp_path / "out"))
    assert call(tmp_path, *words, seed=EXPECTED["later_recipient_seed"]) == 0
    assert streams(tmp_path / "out") == SNAPSHOTS[0]["streams"]
    assert SNAPSHOTS[0]["id"] in EXPECTED["later_recipient_opens"]
