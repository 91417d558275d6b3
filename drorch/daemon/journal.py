"""What the daemon does, as lines of JSON for the journal: one canonical line for each run. docs/json/log.schema.json describes them.

What stands in a line comes from the book and from what runs answered, in which secrets are struck out already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

from drorch.catalog.interface import DaemonRecord, OccurrenceRecord
from drorch.clock import Clock
from drorch.daemon.observing import Observer
from drorch.daemon.results import Answer
from drorch.operations.occurrences.journal_lines import line_of

SCHEMA = "drorch.log/1"


class Journal(Observer):
    """Writes to ``stream``, a line at a time. See ``Observer``."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def started(self, daemon: DaemonRecord, absence: str) -> None:
        """See ``Observer``."""
        self._write("info", "daemon_started", {"host": daemon.host, "pid": daemon.pid, "reason": absence or None})

    def ended(self, occurrences: tuple[OccurrenceRecord, ...], answer: Answer | None) -> None:
        """See ``Observer``: the canonical line of each."""
        for one in occurrences:
            line = line_of(one, None if answer is None else answer.told)
            self._write(line.level, line.event, line.fields)

    def reloaded(self, problems: tuple[str, ...]) -> None:
        """See ``Observer``."""
        self._write("warning" if problems else "info", "configuration_read", {"problems": list(problems)})

    def troubled(self, what: str) -> None:
        """See ``Observer``."""
        self._write("error", "trouble", {"reason": what})

    def beat(self, now: datetime) -> None:
        """See ``Observer``: nothing worth a line."""

    def stopping(self) -> None:
        """See ``Observer``."""
        self._write("info", "daemon_stopping", {})

    def _write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = {"schema": SCHEMA, "at": at, "level": level, "event": event, **fields}
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()
