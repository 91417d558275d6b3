"""Which drorch.yaml counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.errors import SettingsInvalid
from drorch.settings import default_settings, has_settings_file, load_policies, load_settings
from tests.support.settings_files import MINIMAL, write

NOWHERE = Path("/nonexistent/drorch.yaml")


class TestWhichFileCounts:
    def test_the_named_one_before_all_others(self, directory: Path):
        named = write(directory / "a/drorch.yaml", MINIMAL)
        variable = write(directory / "b/drorch.yaml", MINIMAL)
        write(directory / "drorch.yaml", MINIMAL)
        system = write(directory / "etc/drorch.yaml", MINIMAL)
        environment = {"DRORCH_CONFIG": str(variable)}
        assert load_settings(Path("a/drorch.yaml"), environment, system_file=system).file == named
        assert load_settings(None, environment, system_file=system).file == variable
        assert load_settings(None, {}, system_file=system).file == directory / "drorch.yaml"
        (directory / "drorch.yaml").unlink()
        assert load_settings(None, {}, system_file=system).file == system

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda path: path.chmod(0o660), "is writable by others (mode 0660)"),
            (lambda path: path.chmod(0o646), "is writable by others (mode 0646)"),
            (lambda path: path.parent.chmod(0o777), "is writable by others (mode 0777)"),
            (
                lambda path: path.rename(path.with_name("real")).with_name("drorch.yaml").symlink_to("real"),
                "a link is not followed",
            ),
        ],
        ids=["group may write", "all may write", "directory is open", "link"],
    )
    def test_an_unsafe_file_of_the_working_directory_is_passed_over(
        self, spoil: Callable[[Path], object], reason: str, directory: Path, tmp_path_factory: pytest.TempPathFactory
    ):
        spoil(write(directory / "drorch.yaml", MINIMAL))
        system = write(tmp_path_factory.mktemp("etc") / "drorch.yaml", MINIMAL)
        found = load_settings(None, {}, system_file=system)
        assert found.file == system
        assert reason in found.why_not_here
        with pytest.raises(SettingsInvalid, match=r"there is no drorch\.yaml") as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert reason in caught.value.found

    def test_a_file_of_somebody_else_is_passed_over(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        path = write(directory / "drorch.yaml", MINIMAL)
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
        else:
            monkeypatch.setattr("os.geteuid", lambda: 4_242_424)
        assert not has_settings_file(None, {}, system_file=NOWHERE)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert f"belongs to uid {path.stat().st_uid}" in caught.value.found

    def test_none_at_all(self, directory: Path):
        assert not has_settings_file(None, {}, system_file=NOWHERE)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert "drorch init" in caught.value.hint

    @pytest.mark.parametrize("given", ["--config", "DRORCH_CONFIG"])
    def test_a_named_file_that_is_not_there_is_an_error(self, given: str, directory: Path):
        write(directory / "drorch.yaml", MINIMAL)
        path, environment = (NOWHERE, {}) if given == "--config" else (None, {"DRORCH_CONFIG": str(NOWHERE)})
        assert has_settings_file(path, environment)
        with pytest.raises(SettingsInvalid, match=f"which {given} names"):
            load_settings(path, environment)

    def test_a_bare_machine(self, directory: Path):
        found = default_settings({"AWS_ACCESS_KEY_ID": "x"})
        assert (found.file, found.stores, found.base_directory) == (None, {}, directory)
        assert load_policies(found).policies == ()


def test_a_working_directory_that_is_gone_is_said(directory: Path, monkeypatch: pytest.MonkeyPatch):
    here = directory / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with pytest.raises(SettingsInvalid, match="the working directory is gone"):
        load_settings(None, {}, system_file=NOWHERE)
    with pytest.raises(SettingsInvalid, match="the working directory is gone"):
        default_settings({})
