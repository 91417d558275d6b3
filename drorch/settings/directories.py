"""Where drorch keeps its own files when drorch.yaml does not say."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path


def default_directories(environment: Mapping[str, str]) -> dict[str, Path]:
    """Return the directories of this account, by their names in `directories:`."""
    temporary = Path("/var/tmp")  # noqa: S108  survives a restart; whoever uses the directory makes it 0700
    if os.geteuid() == 0:
        return {"state": Path("/var/lib/drorch"), "cache": Path("/var/cache/drorch"), "temporary": temporary / "drorch"}
    home = _home(environment)
    return {
        "state": _absolute(environment.get("XDG_STATE_HOME"), home / ".local/state") / "drorch",
        "cache": _absolute(environment.get("XDG_CACHE_HOME"), home / ".cache") / "drorch",
        "temporary": temporary / f"drorch-{os.geteuid()}",
    }


def _absolute(named: str | None, otherwise: Path) -> Path:
    return Path(named) if named and named.startswith("/") else otherwise


def _home(environment: Mapping[str, str]) -> Path:
    named = environment.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return Path("/nonexistent")
