"""Secrets, out of the environment or a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from drorch.errors import SecretUnavailable
from drorch.policy.secret import Secret, SecretPlace, SecretReference

_LONGEST_SECRET_BYTES = 2**20
_TOO_OPEN = 0o777 & ~0o640


def reveal(reference: SecretReference, path: Path | None, environment: Mapping[str, str]) -> Secret:
    """Return the secret, which lies in ``path`` unless it is a variable; raise ``SecretUnavailable``, which shows nothing of it."""
    if reference.place is SecretPlace.ENVIRONMENT:
        text = environment.get(reference.name, "")
        if not text:
            raise SecretUnavailable(
                f"the secret {reference} is not set", hint=f"set {reference.name} in the environment of drorch"
            )
        return Secret(text.encode("utf-8", "surrogateescape"), str(reference))
    if path is None:
        raise SecretUnavailable(
            f"the secret {reference} is not there",
            expected="CREDENTIALS_DIRECTORY, which systemd sets",
            found="no such variable",
            hint="add `LoadCredential=` to the unit, or name the secret by `file:`",
        )
    content = _read_secret(reference, path)
    if not content:
        raise SecretUnavailable(f"the secret {reference} is empty", found=f"{path} has no bytes")
    return Secret(content, str(reference))


def _read_secret(reference: SecretReference, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        hint = f"write it: install -m 600 /dev/stdin {path}" if isinstance(error, FileNotFoundError) else ""
        raise SecretUnavailable(
            f"the secret {reference} cannot be read", found=f"{path}: {reason}", hint=hint
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretUnavailable(f"the secret {reference} is no file", found=str(path))
        mode = stat.S_IMODE(status.st_mode)
        if mode & _TOO_OPEN:
            raise SecretUnavailable(
                f"the secret {reference} is open to others",
                expected="mode 0640 or tighter",
                found=f"{path} has mode {mode:04o}",
                hint=f"chmod 0640 {path}",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_LONGEST_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LONGEST_SECRET_BYTES:
        raise SecretUnavailable(f"the secret {reference} is too big", found=f"{path} is larger than 1 MiB")
    return content
