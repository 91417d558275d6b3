"""Why sources failed, in few words: what has one cause is told once, with the names of all that it struck."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drorch.errors import (
    DecisionNeeded,
    DrorchError,
    SourceLocked,
    SourceLoginFailed,
    SourceRightsMissing,
    SourceUnreachable,
)

# What libpq and the drivers say, in the words of a list; the first that is found in the error counts.
_SAID = (
    ("Connection refused", "connection refused"),
    ("timeout", "no answer in time"),
    ("timed out", "no answer in time"),
    ("could not translate host name", "host name unknown"),
    ("Name or service not known", "host name unknown"),
    ("No route to host", "no route to the host"),
    ("Network is unreachable", "network unreachable"),
    ("certificate", "TLS certificate not accepted"),
    ("does not support SSL", "server without TLS"),
    ("too many", "all connections of the server taken"),
    ("starting up", "server is starting up"),
    ("shutting down", "server is shutting down"),
    ("No such file or directory", "no server on that socket"),
    # what our own hints say: of a run that ended long ago only these are kept
    ("is the server running, and listening", "connection refused"),
    ("a firewall may drop the packets", "no answer in time"),
    ("the name of the host is unknown", "host name unknown"),
    ("connections of the server are taken", "all connections of the server taken"),
)
NOTHING_SUCCEEDED = 20  # the exit code of many failures without one class, or of several causes
_PLACE = re.compile(r"[a-z]+://[^\s,;]+|(?<!\S)/[^\s,;:]+")  # an address, or a file
_NUMBER = re.compile(r"\d[\d,.]*")
_LOCKED = re.compile(r"locked: ([^\s,;]+)")
_LONGEST_DETAIL = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of one failure; the catalog does not keep ``found``."""

    slug: str
    message: str
    found: str = ""

    @classmethod
    def of(cls, error: DrorchError) -> Failure:
        """Return what an error says."""
        return cls(slug=error.slug, message=error.message, found=error.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """``text`` is shared by all failures of this cause; ``detail`` is this one's own, often empty."""

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseGroup:
    """One cause and whom it struck, in the order given; ``members`` are addresses with their details."""

    text: str
    members: tuple[tuple[str, str], ...]


def cause_of(address: str, failure: Failure) -> Cause:
    """Return why the source failed, without what only names the source itself."""
    message = failure.message.removeprefix(f"{address}: ")
    said = f"{message} {failure.found}"
    if failure.slug == SourceUnreachable.slug:
        return Cause(text=next((text for word, text in _SAID if word in said), message))
    if failure.slug == SourceLoginFailed.slug:
        return Cause(text="password rejected" if "rejected the password" in message else "account refused")
    if failure.slug == SourceLocked.slug and "lock timeout" in said:
        match = _LOCKED.search(said)
        return Cause(text="table locked for too long", detail=match[1] if match else "")
    if failure.slug == DecisionNeeded.slug and failure.found:
        name = address.partition("/")[2] or address
        message = failure.found.split("\n", maxsplit=1)[0].replace(name, "it")
    text = " ".join(_PLACE.sub("it", message.replace(address, "it")).split())
    if failure.slug == SourceRightsMissing.slug:  # how many it may not read differs; the cause does not
        text = _NUMBER.sub("some", text, count=1)
        return Cause(text=text, detail=_first_name(failure.found))
    return Cause(text=text)


def grouped(failures: Iterable[tuple[str, Failure]]) -> tuple[CauseGroup, ...]:
    """Return the failures by cause, the most frequent first, equal ones in the order in which they came up."""
    found: dict[str, list[tuple[str, str]]] = {}
    for address, failure in failures:
        cause = cause_of(address, failure)
        found.setdefault(cause.text, []).append((address, cause.detail))
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return tuple(CauseGroup(text=text, members=tuple(members)) for text, members in ordered)


def _first_name(found: str) -> str:
    """Return the first of the names that an error lists, if it is short."""
    first = found.split(",", maxsplit=1)[0].split(" and ", maxsplit=1)[0].strip()
    return first if len(first) <= _LONGEST_DETAIL and " " not in first else ""


def common_code(errors: Sequence[DrorchError]) -> int:
    """Return the exit code for failures without any success: theirs if it is one, else their class, else 20."""
    codes = {error.exit_code for error in errors}
    if len(codes) == 1:
        return codes.pop()
    classes = {code // 10 for code in codes}
    one = classes.pop() * 10 if len(classes) == 1 else 0
    return one if one >= 20 else NOTHING_SUCCEEDED
