"""What a backup is asked to protect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from drorch.ids import Digest
from drorch.operations.schema_seen import Definitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is to be backed up, and the policy's text that says so."""

    address: str
    policy: str
    policy_text: str
    policy_digest: Digest
    probes: Mapping[str, str]
    rows_digest: bool = True
    definitions: Definitions | None = None  # understands the source's definitions, where they are any
    keeps_bases: bool = True  # whether this host may keep chunks of it, sealed, for later ones to be deltas against
    slot: datetime | None = None
    was: str | None = None  # the name that the source had before, if its lane is to go on
