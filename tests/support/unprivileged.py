"""The account that throw-away servers run as, and what belongs to it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def unprivileged(
    arguments: list[Any], *, before: Sequence[str] = (), check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a server's program: PostgreSQL refuses root, so root becomes somebody who owns nothing."""
    told = subprocess.run(
        [*before, *as_account(), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    if check and told.returncode:
        raise RuntimeError(f"{Path(arguments[0]).name}: {told.stdout}")
    return told


def as_account() -> list[str]:
    """Return the words that start a program as that account; who is not root keeps his own."""
    if os.geteuid() != 0:
        return []
    owner = account()
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]


def account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return pwd.getpwuid(65534)


@contextlib.contextmanager
def private_directory(prefix: str) -> Iterator[Path]:
    """A short path (sockets allow 107 bytes) that belongs to the unprivileged account."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        give(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, account().pw_uid, account().pw_gid)
