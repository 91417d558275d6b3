"""Look back in a chain of one's own: which of these entries are there already, since an append that nobody saw the end of?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from drorch.errors import LedgerBroken
from drorch.evidence.ledger_entry import Entry
from drorch.evidence.ledger_segment import Segment
from drorch.format.json_text import encode_json
from drorch.operations.proof.chain_copies import ChainCopies

_AT_LEAST = 4  # segments that are looked at whatever their time: the clock may have been set back meanwhile


def missing(copies: ChainCopies, entries: Sequence[Entry], since: datetime) -> list[Entry]:
    """Return those of ``entries`` that no segment made since ``since`` holds, whatever their own time.

    A segment that can be read nowhere ends the search: an entry twice does less harm than none.
    """
    left = {_words(one): one for one in entries}
    for segment in _newest_first(copies, since):
        for entry in segment.entries:
            left.pop(_words(entry), None)
        if not left:
            break
    return list(left.values())


def _newest_first(copies: ChainCopies, since: datetime) -> Iterator[Segment]:
    segment, looked_at = copies.tip, 0
    with suppress(LedgerBroken):
        while segment is not None and (segment.made_at >= since or looked_at < _AT_LEAST):
            yield segment
            looked_at += 1
            segment = copies.segment(segment) if segment.number > 1 else None


def _words(entry: Entry) -> bytes:
    return entry.kind.value.encode() + b"\0" + entry.subject.encode() + b"\0" + encode_json(entry.facts)
