"""A tree of many small files: ``drorch`` and ``restic``, first and unchanged, to S3."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.contestants import Bench, Contestant, Drorch, Restic
from benchmarks.measure import Measured, timed

FOLDER_FILES = 500
POLICY = """\
name: land
source:
  files:
    paths: [{directory}]
schedule: "30 1 * * *"
"""
Note = Callable[[str, Contestant, Callable[[], Measured]], None]


class DrorchTree(Drorch):
    """drorch, of a tree."""

    def __init__(self, bench: Bench, tree: Path) -> None:
        self._tree = tree
        super().__init__(bench)
        (self._home / "etc" / "policies" / "land.yaml").write_text(POLICY.format(directory=tree))

    def restore_tree(self, into: Path) -> None:
        """Restore into an absent directory."""
        key = ["--key", str(self._key), "--passphrase-file", str(self._passphrase)]
        timed(self._command("restore", "latest:land", *key, "--to", f"files://{into}"), self._environment())


class ResticTree(Restic):
    """restic, of a tree."""

    def __init__(self, bench: Bench, program: str, tree: Path) -> None:
        super().__init__(bench, program, "auto")
        self._tree = tree

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        return self._shell(f"{self._program} -q -r {self._repository} backup {self._tree}")

    def restore_tree(self, into: Path) -> None:
        """Restore into an absent directory; restic keeps the whole path below it."""
        self._shell(f"{self._program} -q -r {self._repository} restore latest --target {into}")


def measure_trees(bench: Bench, files: int, rounds: int, restic: str, note: Note) -> None:
    """Measure both in turns; the last round is restored and compared, untimed."""
    tree = bench.directory / "tree"
    _plant(tree, files)
    for number in range(rounds):
        drorch, peer = DrorchTree(bench, tree), ResticTree(bench, restic, tree)
        for row in ("tree first", "tree unchanged"):
            for contestant in (drorch, peer):
                note(row, contestant, contestant.back_up)
        if number == rounds - 1:
            drorch.restore_tree(bench.directory / "back-drorch")
            peer.restore_tree(bench.directory / "back-restic")
            for back in (bench.directory / "back-drorch", bench.directory / "back-restic" / tree.relative_to("/")):
                subprocess.run(["diff", "-rq", "--no-dereference", str(tree), str(back)], check=True)
            print("  compared    tree              both equal", flush=True)


def _plant(tree: Path, files: int) -> None:
    draw = random.Random(200)
    for number in range(files):
        folder = tree / f"xã {number // FOLDER_FILES:04}"
        if number % FOLDER_FILES == 0:
            folder.mkdir(parents=True)
        text = f"Hồ sơ {number} " + draw.randbytes(draw.randrange(50, 2_000)).hex()
        (folder / f"thửa đất {number}.txt").write_text(text, encoding="utf-8")
