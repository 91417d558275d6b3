"""Compile ``drorch/native/rows.c`` when drorch is built or installed, where there is a compiler; without one drorch does the same in Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("drorch/native/rows.c")
LIBRARY = SOURCE.with_name("librows.so.1")
FLAGS = ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-shared", "-fPIC", "-Wl,--build-id=none"]
LONGEST_SECONDS = 120


class CompileNative(BuildHookInterface[Any]):
    """Called by hatchling for a wheel, editable ones included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See ``BuildHookInterface``: put the library beside its source, and say that the wheel is for this machine."""
        root = Path(self.root)
        if compiled(root / SOURCE, root / LIBRARY) and version != "editable":
            build_data["artifacts"].append(f"/{LIBRARY}")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compiled(source: Path, library: Path) -> bool:
    """Compile and return whether the library is there now; it appears whole or not at all."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    unfinished = library.with_name(f"{library.name}.{os.getpid()}")
    library.unlink(missing_ok=True)
    if compiler is None:
        return False
    try:
        command = [compiler, *FLAGS, "-o", str(unfinished), str(source)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_SECONDS, check=False
        )
        if done.returncode == 0:
            unfinished.replace(library)
    except (OSError, subprocess.TimeoutExpired):
        pass
    unfinished.unlink(missing_ok=True)
    return library.exists()
