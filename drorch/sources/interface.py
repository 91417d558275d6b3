"""The contract between drorch and any engine that it backs up and restores.

A **source** is asked for a **capture**: one consistent snapshot, offered as named byte streams. A **target**
takes the same streams back. What is between them (chunks, keys, stores) is none of their business.

Promises that every capture keeps:

* *One point in time.* All streams, facts and probes of a capture see the same committed state.
* *Complete or an error.* An iterator that ends without raising has yielded the whole stream, proven by the
  engine's own end marker. A dumper that dies, a lost connection, a full disk or a missing end marker raises
  a ``SourceError``; there is no partial stream. (What could not be had at all, ``closing_facts`` may tell as ``incomplete``.)
* *Repeatable bytes.* The same content gives the same bytes, whatever tool version, clock or order: no dates,
  no random markers. Unchanged tables then cost nothing.
* *Nothing is written* to the source, and only locks that readers take.
* *Threads.* Up to ``parallel`` streams may be open at once, each used by one thread.
* *Only our errors* leave, errors raised while iterating included; none holds a secret or a row's content.
"""

from __future__ import annotations

from drorch.sources.contract.capture import (
    Asks,
    Capture,
    DatabaseServer,
    Earlier,
    ProgramEnd,
    RemembersStreams,
    SaysWhenBusy,
    Source,
)
from drorch.sources.contract.proof import (
    DatabaseProof,
    Defined,
    FileDifference,
    FilesCompared,
    Opened,
    OpensFiles,
    Orphans,
    TreeProof,
)
from drorch.sources.contract.restore import Content, Observer, RestoreChoices, RestoreOutcome, StoredStream, Target
from drorch.sources.contract.streams import (
    Bytes,
    Cuts,
    Finding,
    Json,
    Level,
    RowFormat,
    StreamKind,
    StreamSpec,
    table_of,
)

__all__ = [
    "Asks",
    "Bytes",
    "Capture",
    "Content",
    "Cuts",
    "DatabaseProof",
    "DatabaseServer",
    "Defined",
    "Earlier",
    "FileDifference",
    "FilesCompared",
    "Finding",
    "Json",
    "Level",
    "Observer",
    "Opened",
    "OpensFiles",
    "Orphans",
    "ProgramEnd",
    "RemembersStreams",
    "RestoreChoices",
    "RestoreOutcome",
    "RowFormat",
    "SaysWhenBusy",
    "Source",
    "StoredStream",
    "StreamKind",
    "StreamSpec",
    "Target",
    "TreeProof",
    "table_of",
]
