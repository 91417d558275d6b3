"""Trees of files for tests, captures of them held in memory, and the two ends of a restore."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drorch.sources.files.capture import FilesCapture
from drorch.sources.files.lines import Line, decode_line
from drorch.sources.files.source import FilesChoices, FilesSource
from drorch.sources.files.target import FilesTarget
from drorch.sources.interface import Bytes, RestoreChoices, RestoreOutcome, StoredStream, StreamSpec
from tests.support.taken_snapshot import SilentObserver, TakenSnapshot

COMPARE = Path(__file__).resolve().parents[2] / "tools" / "compare.py"
NFC = unicodedata.normalize("NFC", "Hồ sơ thửa đất.pdf")
NFD = unicodedata.normalize("NFD", NFC)
MOMENT_NS = 1_700_000_000_123_456_789


class LaterClock:
    """A clock ten seconds ahead, so that files made just now count as old; ``ahead`` may be changed."""

    def __init__(self) -> None:
        self.ahead = timedelta(seconds=10)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic_seconds(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@dataclass
class FileContent(TakenSnapshot):
    """A snapshot in memory of which parts can be asked for; ``ranges`` are those that were."""

    ranges: list[tuple[str, int, int]] = field(default_factory=list)

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        self.ranges.append((stream.spec.name, offset, length))
        content = self.stored[stream.spec.name][1]
        for start in range(offset, offset + length, self.piece_bytes):
            yield memoryview(content)[start : min(start + self.piece_bytes, offset + length)]

    @property
    def lines(self) -> dict[bytes, Line]:
        """What the listing says of each path."""
        lines = map(decode_line, self.bytes_of("listing").splitlines()[1:])
        return {line.path: line for line in lines}

    def forge(self, listing: bytes) -> FileContent:
        """Return this snapshot with another listing."""
        return FileContent(facts=self.facts, stored=self.stored | {"listing": stored(listing_spec(self), listing)})


def listing_spec(content: FileContent) -> StreamSpec:
    return content.stored["listing"][0].spec


def stored(spec: StreamSpec, content: bytes) -> tuple[StoredStream, bytes]:
    digest = hashlib.sha256(content).digest()
    return StoredStream(spec=spec, size_bytes=len(content), rows=None, bytes_digest=digest), content


@dataclass
class Lab:
    """One source with its memory, and what it gave last."""

    base: Path
    choices: dict[str, Any] = field(default_factory=dict)
    clock: LaterClock = field(default_factory=LaterClock)
    last: FileContent | None = None
    lost: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))
    closing_facts: dict[str, Any] = field(default_factory=dict)

    @property
    def tree(self) -> Path:
        path = self.base / "tree"
        path.mkdir(exist_ok=True)
        return path

    def holds(self, name: str) -> bool:
        return self.last is not None and name in self.last.stored and name not in self.lost

    def source(self, **choices: Any) -> FilesSource:
        return FilesSource(
            FilesChoices(**({"paths": (str(self.tree),)} | self.choices | choices)),
            clock=self.clock,
            random_bytes=lambda length: next(self.numbers).to_bytes(length, "big"),
            temporary=lambda: self.base,
            memory=self.base / "source.files",
            memory_key=b"k" * 32,
        )

    def open(self, **choices: Any) -> AbstractContextManager[FilesCapture]:
        return self.source(**choices).capture_since(self)

    def capture(self, *, during: Callable[[StreamSpec], None] = lambda _: None, **choices: Any) -> FileContent:
        """Capture as a run does; ``during`` is called before each stream is read."""
        with self.open(**choices) as capture:
            streams = {}
            for spec in capture.streams():
                if spec.is_carried:
                    assert self.last is not None
                    streams[spec.name] = stored(spec, self.last.bytes_of(spec.name))
                    continue
                during(spec)
                with capture.open(spec) as pieces:
                    streams[spec.name] = stored(spec, b"".join(bytes(piece) for piece in pieces))
            self.closing_facts = dict(capture.closing_facts())
            self.last = FileContent(facts=dict(capture.facts), stored=streams)
        return self.last

    def target(self, name: str = "out") -> FilesTarget:
        return FilesTarget(os.fsencode(self.base / name), clock=self.clock, temporary=lambda: self.base)

    def restore(self, content: FileContent, name: str = "out", **choices: Any) -> RestoreOutcome:
        return self.target(name).restore(content, RestoreChoices(**choices), SilentObserver())


def fresh(content: FileContent) -> list[str]:
    """Return the content streams of a snapshot that were read."""
    return [name for name, (stream, _) in content.stored.items() if name != "listing" and not stream.spec.is_carried]


def compare(one: Path, other: Path, *options: str) -> tuple[int, str]:
    """Let the independent comparer judge."""
    argv = [sys.executable, "-I", str(COMPARE), "files", str(one), str(other), *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def make_scans(root: Path) -> None:
    """Make a tree as an office has it: scans, both forms of one name, links, and everything that is easily lost."""
    year = root / "2024" / "Đức Trọng"
    year.mkdir(parents=True)
    (year / NFC).write_bytes(b"%PDF-1.4 composed\n" + b"x" * 70_000)
    (year / NFD).write_bytes(b"%PDF-1.4 decomposed\n")
    (year / "bản đồ 01.tif").write_bytes(b"II*\0" + bytes(range(256)) * 500)
    (year / "ảnh.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 3_000 + b"\xff\xd9")
    (root / "sổ.txt").write_text("sổ địa chính\n")
    (root / "trống").mkdir()
    (root / "không").touch()
    (root / "link").symlink_to("2024/Đức Trọng")
    (root / "away").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    os.link(root / "sổ.txt", root / "z sổ.txt")
    with (Path(os.fsdecode(os.fsencode(root) + b"/\xc3\x28 odd\nname"))).open("wb") as file:
        file.write(b"odd")
    os.setxattr(root / "sổ.txt", "user.origin", "máy quét 2".encode())
    os.setxattr(root / "trống", "user.empty", b"")
    (root / "2024").chmod(0o2750)
    (root / "sổ.txt").chmod(0o440)
    settle(root)


def settle(root: Path) -> None:
    """Give every name below ``root``, and ``root``, a time of its own to the nanosecond."""
    paths = sorted(root.rglob("*"), reverse=True)
    for number, path in enumerate([*paths, root]):
        moment = MOMENT_NS - number * 1_000_000_001
        os.utime(path, ns=(moment, moment), follow_symlinks=False)


def as_nobody(act: Callable[[], None]) -> int:
    """Run ``act`` in a child that is not root; return the exit code: 0 done, 1 an assertion or error, which is printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of the test run do not matter to the child
        child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65_534)
                os.setuid(65_534)
            act()
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the child must end here
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def anybodys_directory() -> Iterator[Path]:
    """Yield a directory that every account may use: those of pytest belong to the one that runs it."""
    with tempfile.TemporaryDirectory(prefix="drorch-test-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def scans_policy(tree: Path, **more: str) -> str:
    lines = "".join(f"    {key}: {value}\n" for key, value in ({"paths": f"[{tree}]"} | more).items())
    return f'name: scans\nsource:\n  files:\n{lines}schedule: "0 3 * * *"\n'
