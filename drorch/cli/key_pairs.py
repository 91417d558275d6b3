"""Write the two halves of a key to files that were not there before, and tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drorch.cli.invocation import Invocation
from drorch.errors import TargetRefused
from drorch.ids import KeyId, grouped


def write_new(path: Path, text: str, *, secret: bool) -> Path:
    """Write a file with mode 0600 or 0644 and return its path; raise ``TargetRefused`` when it is there or cannot be written."""
    try:
        path.touch(mode=0o600 if secret else 0o644, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise TargetRefused(
            f"{path} is there already", expected="a new file", hint="name another, or move the old one away"
        ) from error
    except OSError as error:
        hint = f"mkdir -p {path.parent}" if isinstance(error, FileNotFoundError) else ""
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "", hint=hint) from error
    return path


def tell_key(name: str, key_id: KeyId, told: Sequence[str], invocation: Invocation) -> None:
    """Say which key was made, and where its halves go."""
    if invocation.output.as_json:
        invocation.output.document("drorch.key/1", {"ok": True, "label": name, "id": str(key_id)})
    elif not invocation.output.quiet:
        invocation.output.lines([f"OK  key {name} {grouped(key_id.raw[:8])}", *told])
