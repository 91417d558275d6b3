"""Names that capture and restore share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drorch.errors import CaptureFailed
from drorch.sources.interface import Content, Finding, Level, RestoreChoices, StoredStream

ENGINE = "command"
STREAM = "output"
TARGET = "{target}"


def shown(arguments: Sequence[str]) -> str:
    """Return an argument list for people; it is never given to a shell. Nothing in it moves a cursor."""
    return " ".join(one if one.isprintable() and one and not set(one) & set(" '\"") else repr(one) for one in arguments)


def address_of(arguments: Sequence[str]) -> str:
    """Return what is shown for a source: the program, without its arguments."""
    return f"{ENGINE}:{arguments[0]}"


def name_of(program: str) -> str:
    """Return a program's own name."""
    return Path(program).name


def output_of(content: Content) -> StoredStream | None:
    """Return the one stream of a snapshot that a program wrote; ``None`` for a snapshot of another engine."""
    streams = content.streams()
    if content.facts.get("engine") != ENGINE or len(streams) != 1 or streams[0].spec.name != STREAM:
        return None
    return streams[0]


def restored_by(content: Content) -> tuple[str, ...]:
    """Return the argument list by which the policy restored when the snapshot was taken: to be told, never to be run."""
    found = content.facts.get("restore")
    return tuple(str(one) for one in found) if isinstance(found, list | tuple) else ()


def unfit(content: Content, choices: RestoreChoices) -> list[Finding]:
    """Return what stands in the way whatever the place: another engine, or a choice that means nothing here."""
    findings = []
    if output_of(content) is None:
        text = f"the snapshot is of {content.facts.get('engine')}, not what one program wrote"
        findings.append(Finding(level=Level.STOP, text=text, remedy="choose a target of that kind"))
    if choices.tables:
        text = "what a program wrote is restored whole: drorch sees no tables in it"
        findings.append(Finding(level=Level.STOP, text=text, remedy="leave --table out"))
    return findings


def stopped(address: str) -> CaptureFailed:
    """Return the error of a capture that was aborted."""
    return CaptureFailed(f"{address}: the capture was stopped")
