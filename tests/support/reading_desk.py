"""The person with a downloaded bucket, a private key and a key sheet, and what lies in that bucket."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.forge import RecipientKey, Stream
from tools import recover

Streams = Mapping[str, bytes | Stream]


def rows(count: int, seed: int = 0) -> bytes:
    dice = random.Random(seed)
    return b"".join(
        b"%d\tTh\xe1\xbb\xada %d\t%d\n" % (row, dice.randrange(999), dice.getrandbits(64)) for row in range(count)
    )


@dataclass
class Result:
    code: int
    out: str
    err: str
    written: dict[str, bytes]


class Desk:
    """The person with a downloaded bucket, a private key and a key sheet."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys, self._count = folder, capsys, 0

    def __call__(self, directory: Path, *words: str, key: RecipientKey | None, trust: str | None) -> Result:
        self._count += 1
        target = self.folder / f"out-{self._count}"
        argv = [str(directory)]
        if key:
            seed = self.folder / "seed.hex"
            seed.write_text(key.seed.hex() + "\n")
            argv += ["--seed-hex-file", str(seed)]
        argv += ["--trust", trust] if trust else []
        argv += words
        if "restore" in words:
            argv += ["--to", str(target)]
        self._capsys.readouterr()
        code = recover.main(argv)
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err, self.streams(target))

    @staticmethod
    def streams(target: Path) -> dict[str, bytes]:
        index = target / "streams.jsonl"
        if not index.exists():
            return {}
        lines = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
        return {line["name"]: (target / line["file"]).read_bytes() for line in lines}


def plain(streams: Streams) -> dict[str, bytes]:
    return {name: stream.content if isinstance(stream, Stream) else stream for name, stream in streams.items()}


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x40
    path.write_bytes(raw)


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def days(count: int) -> list[Streams]:
    """The same tables on several days: each day a few bytes differ here and there."""
    content = bytearray(rows(9000))
    every: list[Streams] = []
    for day in range(count):
        for at in range(day * 97, len(content), 30011):
            content[at] = ord("x")
        small = {f"table/public.small_{number}": rows(number, seed=day) for number in range(9)}
        schema = Stream(content=b'{"sql": "CREATE TABLE parcel ()"}\n', kind=1, attributes={"encoding": "UTF8"})
        table = Stream(content=bytes(content), row_format=1, attributes={"columns": ["id", "tên"]})
        every.append({"schema": schema, "table/public.parcel": table, **small})
    return every
