"""The lines of a schema stream: one definition each, in the order in which they are restored.

A line is a JSON object with sorted keys, ASCII only (bytes that are no text survive as lone surrogates), without what
is empty. It holds no date, no tool version and no OID, so the same definitions are the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drorch.errors import ObjectCorrupt
from drorch.sources.contract.definitions import stored_lines

PRE, DATA, POST, GRANTS, LAST, DATABASE = "pre", "data", "post", "grants", "last", "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One definition.

    ``number`` is its place in the stream; ``depends`` are places of others. ``section`` says when it is replayed.
    ``alter`` is how ``ALTER ... OWNER TO`` names it (empty: it has no owner of its own). ``values`` hold what is no SQL.
    """

    number: int
    section: str
    kind: str
    schema: str = ""
    name: str = ""
    owner: str = ""
    alter: str = ""
    tablespace: str = ""
    access_method: str = ""
    sql: str = ""
    depends: tuple[int, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How people are told of it: ``INDEX public.parcel_unit_idx``."""
        return f"{self.kind} {self.schema}.{self.name}" if self.schema else f"{self.kind} {self.name}"


_KEYS = (
    "number",
    "section",
    "kind",
    "schema",
    "name",
    "owner",
    "alter",
    "tablespace",
    "access_method",
    "sql",
    "depends",
    "values",
)


def encode_entry(entry: Entry) -> bytes:
    """Return the line of ``entry``."""
    filled = {key: getattr(entry, key) for key in _KEYS}
    document = {key: value for key, value in filled.items() if value or key == "number"}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def decode_entries(pieces: Iterable[bytes | bytearray | memoryview]) -> Iterator[Entry]:
    """Yield the entries of a schema stream; unknown keys of later versions are ignored. Raises ``ObjectCorrupt``."""
    for line in stored_lines(pieces):
        try:
            document = json.loads(line)
            document["depends"] = tuple(document.get("depends", ()))
            yield Entry(**{key: value for key, value in document.items() if key in _KEYS})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ObjectCorrupt("a line of the schema stream is not a definition") from error
