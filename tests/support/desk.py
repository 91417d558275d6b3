"""A small real installation, driven by the command line inside the test's own process: quick enough for unit tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drorch.cli.main import main
from drorch.format.keyfile import KeyKind, ScryptCost, encode_public, public_of, seal_key_file
from tests.support.installations import ZONE
from tests.support.repositories import counting_random, seed

CIVIL = """
create table birth (id integer primary key, name text not null);
create table request_log (id integer primary key, caller text);
insert into birth (name) values ('Nguyễn Thị Một'), ('Trần Văn Hai');
insert into request_log (caller) values ('0912-canary-345');
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def says(self, *words: str) -> None:
        """Assert that every one of ``words`` was said, wherever the lines break."""
        said = " ".join(f"{self.out} {self.err}".split())
        for word in words:
            assert word in said, f"{word!r} is not in:\n{self.out}\n{self.err}"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An installation below ``base``: one SQLite database, policy ``civil``, stores ``disk`` and ``vault``."""

    base: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def civil(self) -> Path:
        return self.base / "civil.db"

    def drorch(self, *words: str, expect: int = 0) -> Answer:
        """Run one command; its exit code must be ``expect``."""
        answer = self.call(*words, "--config", str(self.base / "drorch.yaml"))
        assert answer.code == expect, f"exit {answer.code}, not {expect}\n{answer.out}\n{answer.err}"
        return answer

    def call(self, *words: str) -> Answer:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        out, err = self.capsys.readouterr()
        assert "--json" in words or all(len(line) <= 80 or len(line.split()) <= 4 for line in out.splitlines()), out
        return Answer(code=int(stop.value.code or 0), out=out, err=err)

    def policy(self, name: str, more: str = "", *, source: str = "", body: str = "") -> None:
        """Write a policy of the SQLite file; ``source`` are lines below ``sqlite:``, ``body`` replaces all of the source."""
        inner = "".join(f"    {line}\n" for line in source.splitlines())
        described = body or f"source:\n  sqlite:\n    file: {self.civil}\n{inner}"
        text = f'name: {name}\n{described}schedule: "0 2 * * *"\n{more}'
        (self.base / "policies" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def back_up(self, name: str = "civil", expect: int = 0) -> Any:
        """Back up and return what ``--json`` says of the one snapshot."""
        return self.drorch("backup", name, "--json", expect=expect).json()["snapshots"][0]

    def restore(self, snapshot: str, to: Path, *words: str) -> Answer:
        key = ("--key", str(self.base / "custodian.key"), "--passphrase-file", str(self.base / "passphrase"))
        return self.drorch("restore", snapshot, "--to", f"sqlite://{to}", *key, *words)

    def change(self, statements: str) -> None:
        """Change the database."""
        with closing(sqlite3.connect(self.civil)) as connection:
            connection.executescript(statements)


@pytest.fixture(scope="session")
def desk_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is copied for each test: stretching a root key's passphrase takes a second."""
    base = tmp_path_factory.mktemp("desk") / "etc"
    base.mkdir(mode=0o750)
    custodian = seed("test custodian")
    key = seal_key_file(
        kind=KeyKind.RECIPIENT,
        seed=custodian,
        label="custodian",
        passphrase="right",
        random_bytes=counting_random(),
        cost=ScryptCost(n=2, r=1, p=1),
    )
    (base / "custodian.key").write_text(key, encoding="utf-8")
    public = encode_public(public_of(KeyKind.RECIPIENT, custodian, "custodian"))
    (base / "custodian.pub").write_text(public, encoding="utf-8")
    (base / "passphrase").write_text("right, and so long that it is accepted\n", encoding="utf-8")
    words = ["--recipient", str(base / "custodian.pub"), "--root-passphrase-file", str(base / "passphrase")]
    words += ["--store", "disk=disk", "--store", "vault=vault"]
    for folder in ("state", "cache", "temporary"):
        words += [f"--{folder}", f"var/{folder}"]
    words += ["--time-zone", str(ZONE)]
    told = subprocess.run([sys.executable, "-m", "drorch", "init", str(base), *words], capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
    (base / "passphrase").write_text("right\n", encoding="utf-8")
    return base


@pytest.fixture
def desk(
    desk_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    umask, terminate = os.umask(0o077), signal.getsignal(signal.SIGTERM)
    made = Desk(base=tmp_path / "etc", capsys=capsys)
    shutil.copytree(desk_template, made.base)
    monkeypatch.chdir(made.base)
    made.change(CIVIL)
    made.policy("civil")
    yield made
    os.umask(umask)
    signal.signal(signal.SIGTERM, terminate)
