"""Which process works, on which machine: what the catalog keeps of whoever began something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Which process this is, on which machine; ``host`` is a name that no two machines share."""

    host: str
    machine_id: str
    pid: int
    process_started: str
