"""Kinds of values that are words with a grammar of their own: durations, sizes, secrets, schedules, windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from drorch.errors import UsageInvalid
from drorch.policy.blackout import BlackoutInvalid, parse_blackout
from drorch.policy.kinds import INVALID, scalar_of, shown
from drorch.policy.nodes import Node, Scalar
from drorch.policy.problems import Problems
from drorch.policy.schedule import ScheduleInvalid, parse_schedule
from drorch.policy.secret import SecretReference
from drorch.policy.window import WindowInvalid, parse_window
from drorch.quantities import parse_duration, parse_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A value in a notation of its own; ``parse`` raises one of ``errors``. ``example`` is shown with a problem."""

    parse: Callable[[str], Any]
    errors: tuple[type[Exception], ...]
    meaning: str
    schema_pattern: str = ""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        try:
            return self.parse(scalar.text)
        except self.errors:
            problems.add(scalar.place, f"{shown(scalar.text)} is not {self.meaning}")
            return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "pattern": self.schema_pattern or "^.+$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A duration in seconds or a size in bytes between two bounds, which are written as people write them."""

    parse: Callable[[str], int]
    low: str
    high: str
    meaning: str
    schema_pattern: str

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        try:
            value = self.parse(scalar.text) if len(scalar.text) <= 40 else None
        except UsageInvalid:
            value = None
        if value is None:
            problems.add(scalar.place, f"{shown(scalar.text)} is not {self.meaning}")
            return INVALID
        if not self.parse(self.low) <= value <= self.parse(self.high):
            problems.add(scalar.place, f"`{key}` is {scalar.text}; it must lie between {self.low} and {self.high}")
            return INVALID
        return value

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "pattern": self.schema_pattern}


def duration(low: str = "1s", high: str = "36500d") -> Bounded:
    """Return the kind of a duration; its value is in seconds."""
    return Bounded(
        parse=parse_duration,
        low=low,
        high=high,
        meaning="a duration; write a number and one of s m h d w, such as 24h",
        schema_pattern=r"^\s*([0-9]+[smhdw])+\s*$",
    )


def size(low: str = "1B", high: str = "1000PB") -> Bounded:
    """Return the kind of a size; its value is in bytes."""
    return Bounded(
        parse=parse_size,
        low=low,
        high=high,
        meaning="a size; write a number and a unit, such as 20GB or 8GiB",
        schema_pattern=r"^\s*[0-9]+(\.[0-9]+)?\s*([kKMGTP]?i?B)\s*$",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKind:
    """A reference to a secret. Anything else is taken for the secret itself and never shown."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if isinstance(node, Scalar) and scalar_of(node, key, problems) is None:
            return INVALID
        reference = SecretReference.parse(node.text) if isinstance(node, Scalar) else None
        if reference is None:
            problems.add(
                node.place, f"a secret stands in the file; write it as `{key}: file:secrets/NAME` or `env:NAME`"
            )
            return INVALID
        return reference

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {
            "type": "string",
            "pattern": r"^(file:\S.*|env:[A-Za-z_][A-Za-z0-9_]*|credential:[A-Za-z0-9][A-Za-z0-9._-]*)$",
        }


_ANY_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKind:
    """A schedule; its value is the text, which is known to be good in any zone."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        text = " ".join(scalar.text.split())
        try:
            parse_schedule(text, _ANY_ZONE)
        except ScheduleInvalid as error:
            reason = str(error)
            joined = f" {reason}" if reason.startswith("never comes") else f" is not a schedule: {reason}"
            problems.add(scalar.place, shown(text) + joined)
            return INVALID
        return text

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "pattern": r"^\s*(once|every\s+([0-9]+[mhdw]\s*)+|(\S+\s+){4}\S+)\s*$"}


window_kind = Parsed(
    parse=parse_window,
    errors=(WindowInvalid,),
    meaning='a window; write it as `"22:00-05:30"`',
    schema_pattern=r"^\s*[0-2][0-9]:[0-5][0-9]\s*-\s*[0-2][0-9]:[0-5][0-9]\s*$",
)
blackout_kind = Parsed(
    parse=parse_blackout,
    errors=(BlackoutInvalid,),
    meaning='a blackout; write it as `"2027-02-05..2027-02-12"`, with hours as `"2027-02-05 18:00..2027-02-06 06:00"`',
    schema_pattern=r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}( +[0-2][0-9]:[0-5][0-9])? *\.\. *[0-9]{4}-[0-9]{2}-[0-9]{2}( +[0-2][0-9]:[0-5][0-9])?\s*$",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOrNever:
    """A schedule of what drorch does by itself, or ``never``; ``once`` makes no sense for it."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if isinstance(node, Scalar) and node.text == "never":
            return node.text
        text = ScheduleKind().read(node, key, problems)
        if text == "once":
            problems.add(node.place, f"`{key}` comes again and again; `once` is for policies")
            return INVALID
        return text

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "pattern": r"^\s*(never|every\s+([0-9]+[mhdw]\s*)+|(\S+\s+){4}\S+)\s*$"}
