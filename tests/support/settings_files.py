"""A small drorch.yaml, and what lies beside it."""

from __future__ import annotations

from pathlib import Path

from drorch.settings import Settings, load_settings

MINIMAL = "version: 1\n"
LAND = 'name: land\nsource: {sqlite: {file: /x.db}}\nschedule: "0 1 * * *"\n'
DEFAULTS = """\
stores: {disk: {directory: disk}}
defaults: {stores: [disk], objectives: {rpo: 24h, rto: 8h}, retention: {keep_daily: 7}, security_level: 3, owner: x}
"""


def write(path: Path, text: str, mode: int = 0o640) -> Path:
    """Make a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def load(text: str, directory: Path, **environment: str) -> Settings:
    """Return the settings of a drorch.yaml with this text."""
    return load_settings(write(directory / "drorch.yaml", text), environment)
