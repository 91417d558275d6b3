"""Where sandboxes may lie, and who makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drorch.clock import Clock
from drorch.sandbox.housing import IsAlive, Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where sandboxes may lie and who makes them. ``postgresql`` is the folder that `tools:` names, if it names one."""

    temporary: Path
    owner: Owner
    is_alive: IsAlive
    clock: Clock
    postgresql: Path | None = None
