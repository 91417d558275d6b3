"""Files that somebody names on the command line."""

from __future__ import annotations

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
