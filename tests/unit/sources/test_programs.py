"""Only root or the account that runs drorch can have written what drorch runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.errors import ProgramUnsafe, SourceUnsupported
from drorch.sources.programs import Surroundings, trusted

SOMEBODY = 65_534
SYSTEM = "/usr/bin:/bin"


def program(path: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def test_a_name_is_looked_up_and_told_as_a_whole_path(folder: Path) -> None:
    path = program(folder / "bin/dump")
    assert trusted(["dump", "-x", "a b"], f"/nowhere:{folder}/bin") == (str(path), "-x", "a b")
    assert trusted([str(path)], SYSTEM) == (str(path),)
    assert trusted(["sh", "-c", "exit 3"], SYSTEM)[1:] == ("-c", "exit 3")


def by_mode(mode: int) -> Callable[[Path], None]:
    return lambda path: path.chmod(mode)


@pytest.mark.parametrize("where", ["bin/dump", "bin", "."])
@pytest.mark.parametrize("spoil", [by_mode(0o775), by_mode(0o757)], ids=["its group", "everybody"])
def test_one_that_others_may_write_is_refused_and_so_is_any_directory_above(
    folder: Path, where: str, spoil: Callable[[Path], None]
) -> None:
    path = program(folder / "bin/dump")
    spoil(folder / where)
    with pytest.raises(ProgramUnsafe) as caught:
        trusted([str(path)], SYSTEM)
    assert str((folder / where).resolve()) in caught.value.found
    assert "writable by others" in caught.value.found
    (folder / where).chmod(0o755)
    assert trusted([str(path)], SYSTEM) == (str(path),)


@pytest.mark.parametrize("where", ["bin/dump", "bin"])
def test_one_that_somebody_else_owns_is_refused(folder: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(folder / "bin/dump")
    owner = os.geteuid() or SOMEBODY
    if os.geteuid() == 0:
        os.chown(folder / where, owner, owner)
    else:  # only root gives files away: then we are somebody else
        monkeypatch.setattr("drorch.sources.programs.os.geteuid", lambda: owner + 1)
    with pytest.raises(ProgramUnsafe, match="somebody else") as caught:
        trusted([str(path)], SYSTEM)
    assert f"belongs to uid {owner}" in caught.value.found


def test_a_link_is_followed_and_every_place_on_the_way_counts(folder: Path) -> None:
    program(folder / "opt/v1/dump")
    (folder / "bin").mkdir(mode=0o755)
    (folder / "opt/current").symlink_to("v1")
    (folder / "bin/dump").symlink_to("../opt/current/dump")
    assert trusted([f"{folder}/bin/dump"], SYSTEM) == (f"{folder}/bin/dump",)
    (folder / "opt").chmod(0o777)
    with pytest.raises(ProgramUnsafe) as caught:
        trusted([f"{folder}/bin/dump"], SYSTEM)
    assert caught.value.found.startswith(f"{folder}/opt is writable")
    (folder / "opt").chmod(0o1777)  # as /tmp: nobody replaces what is not his
    assert trusted([f"{folder}/bin/dump"], SYSTEM) == (f"{folder}/bin/dump",)


def test_the_script_of_an_interpreter_is_held_to_the_same(folder: Path) -> None:
    script = program(folder / "dump.sh")
    (folder / "data.fdb").write_text("data")
    (folder / "data.fdb").chmod(0o666)
    for words in (["sh", "-e", str(script)], ["/bin/sh", str(script), str(folder / "data.fdb")]):
        assert trusted(words, SYSTEM)[1:] == tuple(words[1:])
    script.chmod(0o777)
    for words in (["sh", "-e", str(script)], ["/usr/bin/env", str(script)], ["env", "A=1", str(script)]):
        with pytest.raises(ProgramUnsafe):
            trusted(words, SYSTEM)


def test_what_is_not_there_or_no_program(folder: Path) -> None:
    (folder / "text").write_text("no program")
    (folder / "loop").symlink_to("loop")
    for name in ("no-such-program", f"{folder}/none", f"{folder}/text", str(folder), f"{folder}/loop"):
        with pytest.raises(SourceUnsupported):
            trusted([name], SYSTEM)


def test_a_relative_path_depends_on_who_starts_drorch_and_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(folder / "dump")
    monkeypatch.chdir(folder)
    for name in ("./dump", "../bin/dump"):
        with pytest.raises(ProgramUnsafe, match="not a whole path"):
            trusted([name], SYSTEM)
    with pytest.raises(SourceUnsupported):
        trusted(["dump"], ".:relative")


def test_surroundings_do_not_show_what_is_secret() -> None:
    shown = repr(Surroundings(search_path=SYSTEM, variables={"P": "canary"}, secret_texts=("canary",)))
    assert "canary" not in shown
