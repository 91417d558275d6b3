"""Files that somebody names on the command line."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from drorch.errors import UsageInvalid


def is_file(name: str) -> bool:
    """Whether a file of that name is there; what cannot be a name is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def bytes_of(path: Path, expected: str, limit_bytes: int) -> bytes:
    """Return what a file holds, at most ``limit_bytes``; raise ``UsageInvalid``. ``expected`` says what it should be."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit_bytes + 1)
    except OSError as error:
        raise UsageInvalid(f"{path} cannot be read", expected=expected, found=str(error.strerror)) from error
    if len(raw) > limit_bytes:
        raise UsageInvalid(f"{path} is too long", expected=expected, found=f"more than {limit_bytes:,} bytes")
    return raw


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old or the new one, never a part; raise ``UsageInvalid``.

    What is there and is no regular file (``/dev/null``, ``/dev/stdout``, a named pipe) is written into and stays what it is.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        fresh.write_bytes(content)
        fresh.chmod(mode)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise UsageInvalid(f"{path} cannot be written", found=error.strerror or "") from error
