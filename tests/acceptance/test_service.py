"""The files that `drorch service install` writes, judged by systemd itself."""

import re
import subprocess
from pathlib import Path

from tests.support.installations import Installation

HIGHEST_SCORE = 3.0


def test_systemd_takes_the_unit_and_finds_it_little_exposed(office: Installation, tmp_path: Path) -> None:
    root = tmp_path / "root"
    words = ("--root", str(root), "--credential", "maintenance-key=/root/maintenance.key")
    office.drorch("service", "install", *words).told("OK", "systemctl enable --now drorch")
    unit = root / "etc/systemd/system/drorch.service"
    text = unit.read_text()
    assert "LoadCredential=maintenance-key:/root/maintenance.key" in text
    assert f"--config {office.settings}" in text
    # the program of the test is a module of python; systemd wants a file that can be executed
    unit.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (told.returncode, [line for line in told.stderr.splitlines() if "drorch" in line]) == (0, [])
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(unit)], capture_output=True, text=True, check=False
    )
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert score is not None, judged
    assert float(score[1]) <= HIGHEST_SCORE


def test_a_credential_is_a_name_and_a_file(office: Installation, tmp_path: Path) -> None:
    words = ("service", "install", "--root", str(tmp_path), "--credential", "key")
    office.drorch(*words, expect=2).told("not a credential")
    assert not (tmp_path / "etc/systemd").exists()
