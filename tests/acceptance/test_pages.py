"""README.md and docs/OPERATIONS.md, done by somebody who copies every command: each works, and answers what the page shows.

One installation is made by README's commands; OPERATIONS goes on with it. Only places and numbers are exchanged: paths go below a
temporary directory, the bucket is a directory, the two servers are throw-away ones.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import drorch
from tests.support.installations import LAND, ROOT, ZONE, Answer, equal, socket_url
from tests.support.pages import Command, commands, files, not_said
from tests.support.postgresql import BACKUP_PASSWORD, Server, running_server

README, OPERATIONS = ROOT / "README.md", ROOT / "docs/OPERATIONS.md"
README_COMMANDS, OPERATIONS_COMMANDS = list(commands(README)), list(commands(OPERATIONS))
EVERY = [*README_COMMANDS, *OPERATIONS_COMMANDS]
TRUST = "1f0c-77d2-93ab-5e10-4a9c-0c11-b7f2-63de"
PASSPHRASE = "of the test"
PLACES = ("/etc/drorch", "/srv/drorch", "/srv/restored.db", "/mnt/second")
LONGEST_SECONDS = 120


def can_make_terminals() -> bool:
    """A bare chroot has no /dev/pts."""
    try:
        for end in os.openpty():
            os.close(end)
    except OSError:
        return False
    return True


TERMINALS = can_make_terminals()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where the commands are typed."""

    base: Path
    production: Server
    bare: Server

    @property
    def settings(self) -> Path:
        return self.base / "etc/drorch/drorch.yaml"

    def translated(self, text: str) -> str:
        """Return a text of a page with our places in it."""
        for server, name in ((self.production, "db1"), (self.bare, "db2")):
            text = text.replace(
                f"postgresql://postgres@{name}.lamdong.example/land", shlex.quote(socket_url(server, "land"))
            )
            text = text.replace(f"-h {name}.lamdong.example", f"-h {server.sockets} -p {server.port}")
        host = f"host: 127.0.0.1\n    port: {self.production.port}\n    tls_authority: {self.production.authority}"
        text = text.replace("host: db1.lamdong.example", host)
        text = text.replace(r"'\password drorch_backup'", f"\"alter role drorch_backup password '{BACKUP_PASSWORD}'\"")
        text = text.replace("s3://drorch-lamdong/main", "/srv/drorch").replace(
            "/help/0.1.0/", f"/help/{drorch.__version__}/"
        )
        for place in PLACES:
            text = text.replace(place, f"{self.base}{place}")
        if text.startswith("drorch init "):
            text += f" --state var/state --cache var/cache --temporary var/temporary --time-zone {ZONE}"
        if self.settings.exists():
            digest = re.search(r"trust: ([0-9a-f-]+)", self.settings.read_text())
            assert digest
            text = text.replace(TRUST, digest[1])
        return text.replace("python3 ", f"{sys.executable} ")

    def run(self, command: Command) -> Answer:
        environment = {
            "PATH": f"{self.base}/bin:{self.production.programs}:/usr/bin:/bin",
            "HOME": str(self.base),
            "LC_ALL": "C.UTF-8",
        }
        if not command.is_bare:
            environment["DRORCH_CONFIG"] = str(self.settings)
        text = self.translated(command.text)
        if command.is_for_people and TERMINALS:
            text = f"script -qec {shlex.quote(f'{text} 2>/dev/null')} /dev/null"
        told = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            input=f"{BACKUP_PASSWORD if 'secrets/' in command.text else PASSPHRASE}\n",
            capture_output=True,
            text=True,
            check=False,
            cwd=self.base,
            env=environment,
            timeout=LONGEST_SECONDS,
            start_new_session=True,  # no terminal that could be asked
        )
        return Answer(code=told.returncode, out=told.stdout.replace("\r", ""), err=told.stderr)

    def write(self, page: Path) -> None:
        for path, text in files(page):
            place = Path(f"{self.base}{path}")
            place.write_text(self.translated(text))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    base = tmp_path_factory.mktemp("desk")
    (base / "bin").mkdir()
    (base / "bin/drorch").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m drorch "$@"\n')
    (base / "bin/drorch").chmod(0o755)
    with running_server(15) as production, running_server(15) as bare:
        production.run("create role land_app")
        production.run("create database land owner land_app")
        production.run(LAND, "land")
        production.run("alter table parcel owner to land_app", "land")
        yield Desk(base=base, production=production, bare=bare)


@pytest.fixture(scope="module")
def told(desk: Desk) -> dict[Command, Answer]:
    """Every command's answer, in the order of the pages."""
    answers: dict[Command, Answer] = {}
    for command in README_COMMANDS:
        if "secrets/" in command.text:
            desk.write(README)
        answers[command] = desk.run(command)
    for name, answer in ((command.text, answers[command]) for command in README_COMMANDS):
        assert answer.code == 0, f"{name}\n{answer.out}\n{answer.err}"
    words = [socket_url(server, "land") for server in (desk.production, desk.bare)]
    assert equal("postgresql", *words, programs=desk.production.programs).startswith("equal")
    desk.bare.run("drop database land")
    desk.bare.run("drop role land_app, drorch_backup")
    for command in OPERATIONS_COMMANDS:
        _arrange(desk, command)
        answers[command] = desk.run(command)
    return answers


def _arrange(desk: Desk, command: Command) -> None:
    """Make what a page takes for granted: shares that were made earlier, a second store in drorch.yaml."""
    if command.text.startswith("drorch keys combine"):
        (desk.base / "ceremony").mkdir()
        shares = "drorch keys split --key custodians.key --threshold 2 --shares 3 --directory ceremony"
        answer = desk.run(Command(page="", text=shares, shown=(), is_bare=False, is_for_people=False, expect=0))
        assert answer.code == 0, answer.err
        for letter, path in zip("abc", sorted((desk.base / "ceremony").iterdir()), strict=True):
            path.rename(desk.base / f"share-{letter}.txt")
    if command.text.startswith("drorch keys split"):
        (desk.base / "shares").mkdir()
    if command.text.endswith("--to second --new"):
        (desk.base / "mnt/second").mkdir(parents=True)
        text = desk.settings.read_text()
        second = f"stores:\n  second:\n    directory: {desk.base}/mnt/second\n"
        desk.settings.write_text(text.replace("stores:\n", second, 1))


@pytest.mark.parametrize("number", range(len(EVERY)), ids=lambda number: EVERY[number].text[:40].replace("\n", " "))
def test_a_command_of_the_pages_works_and_answers_what_the_page_shows(told: dict[Command, Answer], number: int) -> None:
    command = EVERY[number]
    answer = told[command]
    assert answer.code == command.expect, f"{command.text}\n{answer.out}\n{answer.err}"
    if TERMINALS or not command.is_for_people:
        assert not_said(command.shown, answer.out) == [], answer.out


def test_the_pages_hold_what_they_promise() -> None:
    assert {"init", "backup", "restore", "doctor"} <= {command.text.split()[1] for command in README_COMMANDS}
    assert len(README.read_text().splitlines()) <= 130
    assert "3 a.m." in OPERATIONS.read_text().partition("\n## ")[2].splitlines()[0]
    assert any(command.is_bare and "restore" in command.text for command in OPERATIONS_COMMANDS)


def test_every_line_of_a_block_can_be_read_at_80_columns() -> None:
    for page in (README, OPERATIONS):
        blocks = re.findall(r"^```.*?^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        long = [
            line for block in blocks for line in block.splitlines() if len(line) > 80 and "requirements/" not in line
        ]
        assert [line for line in long if "s3://" not in line and "--connect" not in line] == []
