"""Which file a policy's argument list starts, and whether anybody else could have written it.

The file, and every directory and link on the way to it, must belong to root or to the account that runs drorch and be
writable by nobody else; a directory where everybody may write counts only with the sticky bit (``/tmp``), where nobody can
replace what is not his. For a shell or another interpreter the first argument that names a file is held to the same.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import ProgramUnsafe, SourceError, SourceUnsupported
from drorch.sources.interface import Finding, Level

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_INTERPRETER = re.compile(r"(?:ba|da|a|k|z)?sh|env|nice|ionice|setpriv|sudo|(?:python|perl|ruby|node|lua|php)[0-9.]*")
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a program is started with: where it is looked for, its variables, and which values are secrets."""

    search_path: str
    variables: Mapping[str, str] = field(repr=False)
    secret_texts: tuple[str, ...] = field(default=(), repr=False)


def trusted(arguments: Sequence[str], search_path: str) -> tuple[str, ...]:
    """Return the argument list with the program's whole path in front.

    Raises:
        SourceUnsupported: there is no such program.
        ProgramUnsafe: somebody else could have written it, or could put another in its place.
    """
    program = _found(arguments[0], search_path)
    _require_safe(program)
    if not program.is_file() or not os.access(program, os.X_OK):
        raise SourceUnsupported(f"{program} is not a program", expected="a file that this account may execute")
    if _INTERPRETER.fullmatch(program.name):
        script = next(
            (one for one in arguments[1:] if not one.startswith("-") and _names_a_file(one, search_path)), None
        )
        if script is not None:
            _require_safe(_found(script, search_path))
    return (str(program), *arguments[1:])


def look_at(what: str, arguments: Sequence[str], search_path: str) -> Finding:
    """Return what a doctor says of a program; it is not started."""
    try:
        found = trusted(arguments, search_path)
    except SourceError as error:
        text = f"{what}: {error.message}" + (f"; {error.found}" if error.found else "")
        return Finding(level=Level.FAIL, text=text, remedy=error.hint)
    name = Path(found[0]).name
    return Finding(level=Level.OK, text=f"{what}: {name} is {found[0]}, and nobody else could have written it")


def _found(name: str, search_path: str) -> Path:
    if name.startswith("/"):
        return Path(name)
    if "/" in name:
        raise ProgramUnsafe(
            f"{name} is not a whole path",
            expected="a program's name, or its path from `/` on",
            found=name,
            hint="what a relative path means depends on where drorch was started",
        )
    found = shutil.which(name, path=search_path)
    if found is None or not found.startswith("/"):
        raise SourceUnsupported(
            f"there is no program {name}",
            expected=f"one in {search_path}",
            found="none" if found is None else found,
            hint="install it, or name it by its whole path",
        )
    return Path(found)


def _names_a_file(argument: str, search_path: str) -> bool:
    if "/" not in argument:
        return shutil.which(argument, path=search_path) is not None
    return argument.startswith("/") and Path(argument).is_file()


def _require_safe(program: Path) -> None:
    for place in _places(program):
        reason = _why_unsafe(place)
        if reason:
            raise ProgramUnsafe(
                f"{program} may have been written by somebody else",
                expected="it and every directory above it belong to root or to this account, writable by nobody else",
                found=f"{place} {reason}",
                hint=f"look at what it does, then: chown root {place}; chmod go-w {place}",
            )


def _why_unsafe(place: Path) -> str:
    try:
        status = place.lstat()
    except OSError as error:
        raise SourceUnsupported(f"{place} cannot be looked at", found=error.strerror or "") from error
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to uid {status.st_uid}"
    is_shared = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(status.st_mode) or is_shared or not status.st_mode & _WRITABLE_BY_OTHERS:
        return ""
    return f"is writable by others (mode {stat.S_IMODE(status.st_mode):04o})"


def _places(path: Path) -> Iterator[Path]:
    """Yield every entry on the way to a file, links followed: whoever may replace one of them may replace the file."""
    here, ahead, links = Path("/"), list(path.parts[1:]), 0
    yield here
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            here = here.parent
            continue
        following = here / part
        yield following
        if not following.is_symlink():
            here = following
            continue
        links += 1
        if links > _MOST_LINKS:
            raise SourceUnsupported(f"{path} is a loop of links")
        goal = Path(following.readlink())
        ahead = [*(goal.parts[1:] if goal.is_absolute() else goal.parts), *ahead]
        here = Path("/") if goal.is_absolute() else here
