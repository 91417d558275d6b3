"""Which drorch.yaml counts.

First found: ``--config``; ``DRORCH_CONFIG``; ``./drorch.yaml``, but only when it and its directory belong to the caller or root and nobody
else may write there; ``/etc/drorch/drorch.yaml``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import SettingsInvalid
from drorch.policy.encoding import LONGEST_FILE_BYTES
from drorch.settings.files import read_file, why_unsafe

SYSTEM_FILE = Path("/etc/drorch/drorch.yaml")
FILE_VARIABLE = "DRORCH_CONFIG"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """The file that counts, its content if there is one, and why that of the working directory does not count."""

    file: Path
    content: bytes | None
    why_not_here: str = ""


def has_settings_file(path: Path | None, environment: Mapping[str, str], *, system_file: Path = SYSTEM_FILE) -> bool:
    """Return whether ``load_settings`` would find a drorch.yaml, good or bad."""
    try:
        return find(path, environment, system_file).content is not None
    except SettingsInvalid:
        return True


def find(path: Path | None, environment: Mapping[str, str], system_file: Path) -> FoundFile:
    """Return what there is; raise ``SettingsInvalid`` for a file that is named or there, and cannot be read."""
    if path is not None:
        return FoundFile(_absolute(path), read_named(path, "--config"))
    named = environment.get(FILE_VARIABLE, "")
    if named:
        return FoundFile(_absolute(Path(named)), read_named(Path(named), FILE_VARIABLE))
    here = working_directory() / SYSTEM_FILE.name
    content, why_not_here = _read_here(here)
    if content is not None:
        return FoundFile(here, content)
    try:
        return FoundFile(system_file, read_file(system_file), why_not_here)
    except FileNotFoundError:
        return FoundFile(system_file, None, why_not_here)
    except OSError as error:
        raise SettingsInvalid(f"{system_file} cannot be read", found=error.strerror or "") from error


def none_found(system_file: Path, why_not_here: str) -> SettingsInvalid:
    """Return what is told where no drorch.yaml counts."""
    here = f"./{SYSTEM_FILE.name}" + (f" ({why_not_here})" if why_not_here else "")
    return SettingsInvalid(
        "there is no drorch.yaml",
        expected=f"--config, {FILE_VARIABLE}, ./{SYSTEM_FILE.name} or {system_file}",
        found=f"neither {here} nor {system_file}",
        hint="`drorch init DIR` writes one",
    )


def read_named(path: Path, origin: str) -> bytes:
    """Return what a file holds that ``origin`` names, a pipe of the shell's too; raise ``SettingsInvalid``."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsInvalid(
            f"{path} cannot be read, which {origin} names",
            expected="the drorch.yaml of an installation",
            found=error.strerror or "",
            hint="look at the path and at who may read it; `drorch init DIRECTORY` makes an installation",
        ) from error


def working_directory() -> Path:
    """Return where the command was started; raise ``SettingsInvalid`` when somebody deleted that meanwhile."""
    try:
        return Path.cwd()
    except OSError as error:
        raise SettingsInvalid(
            "the working directory is gone", found=error.strerror or "", hint="cd to a directory that is there"
        ) from error


def _absolute(path: Path) -> Path:
    return path if path.is_absolute() else working_directory() / path


def _read_here(path: Path) -> tuple[bytes | None, str]:
    """Return the content of the working directory's drorch.yaml, or why it does not count; ``""``: there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"not used: {error.strerror or 'cannot be opened'}; a link is not followed here"
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None, "not used: it is no file"
        reason = why_unsafe(status) or why_unsafe(path.parent.stat())
        if reason:
            return None, f"not used: it or its directory {reason}"
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LONGEST_FILE_BYTES + 1), ""
    finally:
        os.close(descriptor)
