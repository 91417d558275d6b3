"""The command source keeps the contract of a source: complete or an error, whatever the program does."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.errors import (
    Bug,
    CaptureFailed,
    DecisionNeeded,
    ProgramUnsafe,
    RestoreDiffers,
    SourceStalled,
    SourceUnsupported,
    TargetRefused,
    UsageInvalid,
)
from drorch.sources.command.capture import Whole
from drorch.sources.command.file_target import FileTarget
from drorch.sources.command.file_target import parse_location as parse_file
from drorch.sources.command.source import CommandSource
from drorch.sources.command.target import CommandTarget, parse_location
from drorch.sources.interface import Level, RestoreChoices, StreamKind
from drorch.sources.programs import Surroundings
from tests.support.manual_clock import ManualClock
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture

WHEN = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
CANARY = "canary-7f31"
END = "-- end\n"
NOW = RestoreChoices()


def surroundings(variables: Mapping[str, str] | None = None) -> Surroundings:
    return Surroundings(
        search_path="/usr/bin:/bin",
        variables={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "DUMP_PASSWORD": CANARY, **(variables or {})},
        secret_texts=(CANARY,),
    )


def script(path: Path, code: str) -> str:
    """Make a program of Python text; the folder of the test is nobody else's."""
    path.write_text(f"#!{sys.executable} -I\nimport os, sys, time, signal\nout = sys.stdout.buffer\n{code}\n")
    path.chmod(0o755)
    return str(path)


def source(
    folder: Path, code: str, *, minimum: int = 1, ends_with: str = "", stall: float | None = 20
) -> CommandSource:
    return CommandSource(
        capture=[script(folder / "dump", code), "--all"],
        restore=["restore-it", "{target}"],
        verify=[],
        product="Ledger",
        whole=Whole(minimum_bytes=minimum, ends_with=ends_with.encode()),
        surroundings=surroundings,
        stall_seconds=stall,
        clock=ManualClock(WHEN),
    )


def taken(one: CommandSource) -> MemoryContent:
    with one.capture() as capture:
        return read_capture(capture)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


# -- captures that are whole


def test_what_the_program_writes_is_the_snapshot(folder: Path) -> None:
    code = f"for i in range(300): out.write(bytes([i % 256]) * 9973)\nout.write({END.encode()!r})"
    one = source(folder, code, minimum=2_000_000, ends_with=END)
    with one.capture() as capture:
        assert [(spec.name, spec.kind) for spec in capture.streams()] == [("output", StreamKind.FILE)]
        assert capture.restore_point == WHEN
        content = read_capture(capture)
    assert content.blobs["output"] == b"".join(bytes([i % 256]) * 9973 for i in range(300)) + END.encode()
    facts = content.facts
    assert (facts["engine"], facts["product"], facts["program"]) == ("command", "Ledger", str(folder / "dump"))
    assert facts["capture"] == [str(folder / "dump"), "--all"]
    assert facts["restore"] == ["restore-it", "{target}"]
    assert one.address == f"command:{folder}/dump"
    assert CANARY not in repr(facts)


def test_an_end_that_comes_in_pieces_is_seen(folder: Path) -> None:
    code = "for letter in b'abc-- end\\n': out.write(bytes([letter])); out.flush(); time.sleep(0.005)"
    assert taken(source(folder, code, ends_with=END)).blobs["output"] == b"abc-- end\n"


def test_the_program_gets_its_variables_and_no_others_and_no_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    code = "out.write(repr((sorted(os.environ), os.environ['DUMP_PASSWORD'], sys.argv[1:], sys.stdin.read())).encode())"
    found = taken(source(folder, code)).blobs["output"].decode()
    assert found == f"(['DUMP_PASSWORD', 'LC_ALL', 'PATH'], '{CANARY}', ['--all'], '')"


def test_nothing_is_given_to_a_shell(folder: Path) -> None:
    mark = folder / "mark"
    one = source(folder, "out.write(repr(sys.argv[1:]).encode())")
    one._capture = (one._capture[0], f"$(touch {mark})", f"; touch {mark}", "*")
    assert taken(one).blobs["output"].decode() == repr([f"$(touch {mark})", f"; touch {mark}", "*"])
    assert not mark.exists()


# -- captures that are not


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pass", "wrote nothing"),
        ("out.write(b'x' * 99)", "wrote too little"),
        ("os.close(1)", "wrote nothing"),
        ("out.write(b'x' * 99); out.flush(); os.close(1); time.sleep(0.1)", "wrote too little"),
        ("out.write(b'x' * 100 + b'-- en')", "ends unlike"),
        ("out.write(b'x' * 100 + b'-- end')", "ends unlike"),
        ("out.write(b'-- end\\n' + b'x' * 100)", "ends unlike"),
    ],
    ids=["nothing", "too little", "closed at once", "closed early", "cut in the end", "cut at the end", "in between"],
)
def test_one_that_exits_0_and_is_not_whole_has_failed(folder: Path, code: str, words: str) -> None:
    with pytest.raises(CaptureFailed, match=words) as caught:
        taken(source(folder, code, minimum=100, ends_with=END))
    assert caught.value.exit_code == 20


def test_what_it_says_while_it_writes_nothing_is_told(folder: Path) -> None:
    code = "print('no rights on table parcel', file=sys.stderr)"
    with pytest.raises(CaptureFailed) as caught:
        taken(source(folder, code))
    assert "no rights on table parcel" in caught.value.found


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 3_000_000])
@pytest.mark.parametrize("how", ["sys.exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
def test_one_that_dies_at_any_byte_has_failed(folder: Path, size: int, how: str) -> None:
    code = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nout.write(bytes({size})); out.flush(); {how}"
    with pytest.raises(CaptureFailed, match="dump failed") as caught:
        taken(source(folder, code, minimum=0))
    assert caught.value.found.startswith(("exit code 3", "signal 9", "signal 6"))


@pytest.mark.parametrize("code", ["time.sleep(60)", "out.write(b'x' * 10); out.flush(); time.sleep(60)"])
def test_one_that_hangs_stalls_and_is_ended(folder: Path, code: str) -> None:
    code = f"open({str(folder / 'pid')!r}, 'w').write(str(os.getpid()))\nprint('waiting for a lock', file=sys.stderr, flush=True)\n{code}"
    with pytest.raises(SourceStalled, match=r"sent nothing for 0\.5 s") as caught:
        taken(source(folder, code, stall=0.5))
    assert "waiting for a lock" in caught.value.found
    assert "stall_timeout" in caught.value.hint
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_what_it_says_is_told_as_a_tail_without_the_secret(folder: Path) -> None:
    code = (
        "for i in range(20): print('line', i, file=sys.stderr)\n"
        "sys.exit('cannot log in with ' + os.environ['DUMP_PASSWORD'] + '\\x1b[2J')"
    )
    with pytest.raises(CaptureFailed) as caught:
        taken(source(folder, code))
    lines = caught.value.found.splitlines()
    assert lines[0] == "exit code 1"
    assert lines[-2:] == ["line 19", "cannot log in with (secret)?[2J"]
    assert len(lines) == 11
    assert CANARY not in repr(caught.value) + caught.value.found + caught.value.hint


def test_an_abort_ends_it_even_when_it_ignores_the_polite_signal(folder: Path) -> None:
    code = "signal.signal(15, signal.SIG_IGN); out.write(b'up'); out.flush(); time.sleep(60)"
    started = time.monotonic()
    with source(folder, code).capture() as capture:
        threading.Timer(0.3, capture.abort).start()
        with capture.open(capture.streams()[0]) as pieces, pytest.raises(CaptureFailed, match="stopped"):
            list(pieces)
        capture.abort()
    assert time.monotonic() - started < 30  # its sleep is twice that


def test_a_capture_that_nobody_reads_leaves_nothing_running(folder: Path) -> None:
    code = f"open({str(folder / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True: out.write(bytes(100000))"
    with source(folder, code).capture():
        while not (folder / "pid").exists() or not (folder / "pid").read_text():
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_a_program_that_others_may_write_is_not_started(folder: Path) -> None:
    one = source(folder, f"open({str(folder / 'mark')!r}, 'w')")
    (folder / "dump").chmod(0o777)
    with pytest.raises(ProgramUnsafe):
        taken(one)
    assert not (folder / "mark").exists()


def test_there_is_one_stream_to_be_read_once_and_nobody_to_ask(folder: Path) -> None:
    with source(folder, "out.write(b'x')").capture() as capture:
        with pytest.raises(SourceUnsupported, match="answers no probes"):
            capture.ask("select 1")
        with pytest.raises(Bug), capture.open(replace(capture.streams()[0], name="other")):
            pass
        read_capture(capture)
        with pytest.raises(Bug), capture.open(capture.streams()[0]):
            pass


def test_examine_looks_at_every_program_and_starts_none(folder: Path) -> None:
    one = source(folder, f"open({str(folder / 'mark')!r}, 'w')")
    found = one.examine()
    assert [finding.level for finding in found] == [Level.OK, Level.FAIL, Level.NOTE]
    assert "there is no program restore-it" in found[1].text
    assert "ends_with" in found[2].remedy
    assert not (folder / "mark").exists()


# -- restores


def content(size: int = 200_000, **facts: object) -> MemoryContent:
    from drorch.sources.interface import StreamSpec

    told = {"engine": "command", "product": "Ledger", "restore": ["restore-it", "{target}"], **facts}
    return MemoryContent(
        facts=told,  # type: ignore[arg-type]
        short_id="7kq2m9xd",
        specs=[StreamSpec(name="output", kind=StreamKind.FILE)],
        blobs={"output": bytes(i % 251 for i in range(size))},
    )


class Differing(MemoryContent):
    """A content whose last piece is found to be another than at backup, after it was handed out."""

    def open(self, stream):
        yield from super().open(stream)
        raise RestoreDiffers("output is not what was captured")


def target(folder: Path, code: str, place: str, *words: str) -> CommandTarget:
    return CommandTarget(
        place,
        restore=[script(folder / "load", code), *(words or ("{target}",))],
        verify=["check", "{target}"],
        surroundings=surroundings,
        stall_seconds=20,
    )


COPY = "import shutil; shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1], 'wb'))"


def test_the_program_gets_every_byte_and_the_place(folder: Path) -> None:
    whole = content(3_000_000)
    outcome = target(folder, COPY, f"{folder}/a b", "{target}").restore(whole, NOW, SilentObserver())
    assert (folder / "a b").read_bytes() == whole.blobs["output"]
    assert outcome.lines == ("check it:", f"  check '{folder}/a b'")


def test_the_place_is_filled_in_within_a_word(folder: Path) -> None:
    code = "sys.stdin.buffer.read(); open(sys.argv[1][3:], 'w').write(sys.argv[2])"
    target(folder, code, f"{folder}/x", "to={target}", "{target}.{target}").restore(content(), NOW, SilentObserver())
    assert (folder / "x").read_text() == f"{folder}/x.{folder}/x"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sys.stdin.buffer.read(); sys.exit('table parcel exists ' + os.environ['DUMP_PASSWORD'])", "table parcel exists (secret)"),
        ("pass", "before it had read everything"),
        ("sys.stdin.buffer.read(100)", "before it had read everything"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
    ],
    ids=["refuses", "reads nothing", "reads a little", "dies"],
)  # fmt: skip
def test_a_program_that_does_not_take_it_all_has_failed(folder: Path, code: str, words: str) -> None:
    with pytest.raises(TargetRefused) as caught:
        target(folder, code, "x").restore(content(), NOW, SilentObserver())
    assert words in caught.value.found
    assert CANARY not in caught.value.found


def test_a_program_never_sees_the_end_of_what_is_not_as_at_backup(folder: Path) -> None:
    code = f"sys.stdin.buffer.read(); open({str(folder / 'saw the end')!r}, 'w')"
    false = Differing(**{name: getattr(content(), name) for name in ("facts", "short_id", "specs", "blobs")})
    with pytest.raises(RestoreDiffers):
        target(folder, code, "x").restore(false, NOW, SilentObserver())
    assert not (folder / "saw the end").exists()


def levels(found: object) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in found]  # type: ignore[attr-defined]


def test_preflight_names_everything_at_once_and_starts_nothing(folder: Path) -> None:
    one = target(folder, f"open({str(folder / 'mark')!r}, 'w')", "")
    (folder / "load").chmod(0o777)
    found = one.preflight(content(engine="sqlite"), RestoreChoices(tables=("public.x",), replace=True))
    told = levels(found)
    assert [level for level, _ in told] == [Level.STOP] * 4 + [Level.FAIL]
    for words in ("of sqlite", "no tables", "--replace", "needs a place", "somebody else"):
        assert any(words in text for _, text in told), words
    with pytest.raises(DecisionNeeded):
        one.restore(content(), NOW, SilentObserver())
    assert not (folder / "mark").exists()


def test_preflight_tells_that_the_command_is_another_than_at_backup(folder: Path) -> None:
    found = target(folder, "", "x").preflight(content(restore=["gbak", "-c", "\x1b[2J"]), NOW)
    assert [finding.level for finding in found] == [Level.OK, Level.NOTE, Level.NOTE]
    assert "\\x1b" in found[-1].text
    assert found[-1].text.isprintable()


def test_a_place_that_is_an_option_or_that_goes_nowhere_is_refused(folder: Path) -> None:
    for one in (target(folder, "", "-x"), target(folder, "", "x", "no-place")):
        assert Level.STOP in [finding.level for finding in one.preflight(content(), NOW)]


@pytest.mark.parametrize("url", ["command:sysdba:masterkey@host", "command:fb://u:secret@host/x", "command:password=x"])
def test_a_password_in_the_address_is_refused(url: str) -> None:
    with pytest.raises(UsageInvalid):
        parse_location(url)


# -- into a file


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def file_target(path: Path) -> FileTarget:
    return FileTarget(path, clock=ManualClock(WHEN))


def test_a_file_takes_the_bytes_and_is_for_its_owner_alone(folder: Path) -> None:
    whole = content()
    outcome = file_target(folder / "back").restore(whole, NOW, SilentObserver())
    assert (folder / "back").read_bytes() == whole.blobs["output"]
    assert (folder / "back").stat().st_mode & 0o777 == 0o600
    assert files_of(folder) == ["back"]
    assert outcome.lines[-1].split() == ["restore-it", "{target}"]


def test_a_file_that_is_there_stays_and_with_replace_is_kept_aside(folder: Path) -> None:
    (folder / "back").write_text("old")
    with pytest.raises(DecisionNeeded, match="exists"):
        file_target(folder / "back").restore(content(), NOW, SilentObserver())
    assert (folder / "back").read_text() == "old"
    outcome = file_target(folder / "back").restore(content(), RestoreChoices(replace=True), SilentObserver())
    kept = "back__before_20261123_013000"
    assert files_of(folder) == ["back", kept]
    assert (folder / kept).read_text() == "old"
    assert outcome.lines[1] == f"  mv {kept} back"


@pytest.mark.parametrize("spoil", ["differs", "appears"])
def test_a_restore_into_a_file_that_fails_leaves_nothing(folder: Path, spoil: str) -> None:
    parts = {name: getattr(content(), name) for name in ("facts", "short_id", "specs", "blobs")}

    class Appearing(MemoryContent):
        def open(self, stream):
            yield from super().open(stream)
            (folder / "back").write_text("somebody's")

    made: Callable[..., MemoryContent] = Differing if spoil == "differs" else Appearing
    with pytest.raises((RestoreDiffers, DecisionNeeded)):
        file_target(folder / "back").restore(made(**parts), NOW, SilentObserver())
    assert files_of(folder) == ([] if spoil == "differs" else ["back"])


def test_what_stands_in_the_way_of_a_file(folder: Path) -> None:
    (folder / "directory").mkdir()
    (folder / "link").symlink_to("nowhere")
    for path in (folder / "none/back", folder / "directory", folder / "link"):
        assert Level.STOP in [finding.level for finding in file_target(path).preflight(content(), NOW)], path
    assert file_target(folder / "x").preflight(content(engine="sqlite"), NOW)[0].level is Level.STOP
    for url in ("file:", "file:/somewhere/"):
        with pytest.raises(UsageInvalid):
            parse_file(url)
    assert parse_file("file:///srv/a b") == parse_file("file:/srv/a b") == Path("/srv/a b")
