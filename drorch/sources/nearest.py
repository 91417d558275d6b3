"""What somebody may have meant by the name of a table that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_SHOWN = 12


def nearest(name: str, existing: Iterable[str]) -> str:
    """Return ``did you mean ...?`` with the likeliest names, else the first of those that exist."""
    names = sorted(set(existing))
    same_end = [one for one in names if one.rpartition(".")[2] == name.rpartition(".")[2]]
    close = same_end[:3] or get_close_matches(name, names, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if not names:
        return "it has no tables"
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    return f"it has {', '.join(names[:_MOST_SHOWN])}{more}"
