"""Kinds of values that only drorch.yaml has."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drorch.policy.fields import MapOf
from drorch.policy.kinds import INVALID, Integer, Kind, Text, nearest, scalar_of, shown
from drorch.policy.name_kinds import name_kind
from drorch.policy.nodes import Node, Scalar, Section
from drorch.policy.policy_fields import DEFAULTS
from drorch.policy.problems import Problems

NEWEST_VERSION = 1
_TRUST = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{64})")


class VersionKind:
    """The version of drorch.yaml."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        version = Integer(low=1, high=10**6).read(node, key, problems)
        if version is not INVALID and version > NEWEST_VERSION:
            problems.add(node.place, f"version {version} is of a newer drorch; this one reads up to {NEWEST_VERSION}")
            return INVALID
        return version

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"const": NEWEST_VERSION}


_HANOI = "hanoi"  # what everybody tries first; the database has no such zone
_OURS = "; did you mean `Asia/Ho_Chi_Minh`?"


class ZoneKind:
    """A time zone of the IANA database."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        try:
            return ZoneInfo(scalar.text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones

            problems.add(
                scalar.place,
                f"unknown time zone {shown(scalar.text)}"
                + (_OURS if _HANOI in scalar.text.lower() else nearest(scalar.text, sorted(available_timezones()))),
            )
            return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathKind:
    """A path, relative ones to the directory of drorch.yaml; ``word`` stands for ``None``."""

    word: str = ""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if self.word and isinstance(node, Scalar) and node.text == self.word:
            return None
        text = Text(longest=4_000, exact=True).read(node, key, problems)
        return INVALID if text is INVALID else Path(text)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "minLength": 1}


class DefaultsKind:
    """What is laid under every policy. Only its shape is read here: its values are read with the policies."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if isinstance(node, Section):
            return node
        problems.add(node.place, f"`{key}` is a map with keys such as `stores`, `objectives`, `retention`")
        return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return DEFAULTS.schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKind:
    """A map from names to things that know their name."""

    item: Kind
    attribute: str = "name"

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        entries = MapOf(key=name_kind, item=self.item).read(node, key, problems)
        if entries is INVALID:
            return INVALID
        return {name: replace(item, **{self.attribute: name}) for name, item in entries.items()}

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return MapOf(key=name_kind, item=self.item).schema()


def parse_bucket(text: str) -> tuple[str, str]:
    """Return bucket and prefix of ``s3://bucket/prefix``; raise ``ValueError``."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*))?", text)
    if match is None or ".." in text:
        raise ValueError(text)
    return match[1], (match[2] or "").strip("/")


def parse_trust(text: str) -> bytes:
    """Return the digest that 32 or 64 hexadecimal digits spell, dashes or not; raise ``ValueError``."""
    digits = text.strip().lower().replace("-", "")
    if not _TRUST.fullmatch(digits):
        raise ValueError(text)
    return bytes.fromhex(digits)


def parse_percent(text: str) -> int:
    """Return the whole number of ``10%``; raise ``ValueError``."""
    match = re.fullmatch(r"([0-9]{1,2})%", text.strip())
    if match is None:
        raise ValueError(text)
    return int(match[1])


def parse_minute(text: str) -> int:
    """Return the minute of the day that ``07:00`` spells; raise ``ValueError``."""
    match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", text.strip())
    if match is None:
        raise ValueError(text)
    return int(match[1]) * 60 + int(match[2])
