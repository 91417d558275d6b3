"""The demo, the way a newcomer meets it: it proves itself, can be repeated, and what it says to try next works when pasted."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.cli.demo.directory import place_for_server
from tests.support.installations import BARE, COMMAND, Answer, run

PROGRAMS = Path(sys.executable).parent
HAS_COMMAND = (PROGRAMS / "drorch").is_file()


def demo(directory: Path, *options: str, expect: int = 0) -> Answer:
    return run([*COMMAND, "demo", "--scale", "1", "--directory", str(directory), *options], expect=expect)


def try_next(out: str) -> str:
    """Return the commands below "Try next", as a shell reads them."""
    lines = out.partition("Try next\n")[2].splitlines()
    return "\n".join(line for line in lines if line.startswith("  "))


def commands_shown(out: str) -> Iterator[str]:
    """Yield every command that the demo shows behind a prompt, its lines joined."""
    lines = iter(out.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line.removeprefix("$ ")
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
            yield command


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a space in its name, as people have."""
    return tmp_path_factory.mktemp("demo") / "my demo"


@pytest.fixture(scope="module")
def shown(directory: Path) -> Answer:
    return demo(directory)


def test_it_proves_that_everything_came_back(shown: Answer) -> None:
    shown.told("land register equal:", "civil register equal:", "OK everything came back equal", "BREAKS A RULE")
    to_read = "\n".join(line for line in shown.out.splitlines() if not line.startswith("land-register "))
    Answer(code=0, out=to_read, err="").fits()  # what goes into a pipe is one line for each check
    assert "land-register PASS" in shown.out
    assert shown.err == ""


def test_nothing_stays_running_and_everything_lies_where_it_says(shown: Answer, directory: Path) -> None:
    assert shown.code == 0
    for name in (
        "etc/drorch.yaml",
        "store/trust",
        "legacy",
        "restored/civil-register.db",
        "custodian.key",
        "passphrase",
        "reports",
    ):
        assert (directory / name).exists(), name
    assert list(directory.glob("pg-*")) == []
    assert sorted(path.name.partition(".")[2] for path in (directory / "reports").iterdir()) == ["en.pdf", "vi.pdf"]
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert os.fsencode(directory) not in command_line.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_every_command_that_it_shows_is_one_that_a_shell_reads_back(shown: Answer) -> None:
    commands = list(commands_shown(shown.out))
    assert [command.split()[1] for command in commands if command.startswith("drorch")] == [
        "keys", "init", "policy", "backup", "backup", "snapshots", "restore", "restore", "drill",
        "evidence",
    ]  # fmt: skip
    told = subprocess.run(["bash", "-n"], input="\n".join(commands), text=True, capture_output=True, check=True)
    assert told.stderr == ""


def test_what_it_says_to_try_next_works_when_pasted(shown: Answer, directory: Path) -> None:
    script = try_next(shown.out)
    if not HAS_COMMAND:
        script = f'drorch() {{ {sys.executable} -m drorch "$@"; }}\n{script}'
    environment = BARE | {"PATH": "/usr/bin:/bin"}
    told = subprocess.run(
        ["bash", "-e", "-o", "pipefail"], input=script, text=True, capture_output=True, env=environment, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Protected  2 of 2" in told.stdout
    assert not any(word in told.stdout for word in ("LATE ", "FAILED ", "MISSED ", "OPEN "))
    assert (directory / "again.db").is_file()


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A demo in a directory that its server cannot use: as root the server is another account, and the quote is not for a socket."""
    closed = tmp_path_factory.mktemp("closed") / "closed"
    closed.mkdir(mode=0o700)
    return closed / "it's", demo(closed / "it's", "--alter-one-cell", expect=73)


def test_one_altered_cell_is_noticed_and_its_table_named(altered: tuple[Path, Answer]) -> None:
    _directory, answer = altered
    answer.told("ERROR the restored land register is not equal", "rows of dia_chinh.thua_dat")
    assert "came back equal" not in answer.out
    answer.fits()


def test_it_can_be_repeated_and_says_nothing_when_asked_to(altered: tuple[Path, Answer]) -> None:
    directory, _answer = altered
    assert (directory / "restored/civil-register.db").is_file()
    second = demo(directory, "--quiet")
    assert (second.out, second.err) == ("", "")
    assert len(list((directory / "reports").iterdir())) == 2


@pytest.mark.parametrize("name", ["it's", "đất", "x" * 107])
def test_a_server_goes_elsewhere_when_its_socket_cannot_be_named_so(name: str) -> None:
    assert place_for_server(Path("/var/tmp/my demo")) == Path("/var/tmp/my demo")
    assert place_for_server(Path("/var/tmp") / name) == Path("/var/tmp")


def test_what_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("work of years")
    demo(tmp_path, expect=72).told("is not empty and no demo made it", "--directory")
    assert (tmp_path / "mine").read_text() == "work of years"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    demo(tmp_path / "link", expect=72).told("belongs to somebody else")
    (tmp_path / "file").touch()
    demo(tmp_path / "file", expect=2)


def test_two_demos_do_not_share_a_directory(tmp_path: Path) -> None:
    here = tmp_path / "demo"
    here.mkdir()
    with (here / ".drorch-demo").open("w") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        demo(here, expect=72).told("another demo is running")
    assert (here / ".drorch-demo").exists()
