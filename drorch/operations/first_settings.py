"""The text of a new drorch.yaml: what ``drorch init`` writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drorch.ids import Digest, grouped

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9/._-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStore:
    """One store of a new installation; ``url`` is a directory or ``s3://BUCKET/PREFIX``, ``endpoint`` ``None`` for AWS."""

    name: str
    url: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSettings:
    """What ``init`` was told. ``recipients`` are paths relative to drorch.yaml; directories are ``None`` for the defaults."""

    trust_root: Digest
    stores: Sequence[FirstStore]
    recipients: Sequence[str]
    time_zone: str
    owner: str
    state: str | None = None
    cache: str | None = None
    temporary: str | None = None

    def text(self) -> str:
        """Return the file."""
        names = ", ".join(store.name for store in self.stores)
        lines = [
            "# check: drorch doctor      help: drorch policy schema",
            "version: 1",
            f"time_zone: {self.time_zone}",
            "",
            "stores:",
            *(line for store in self.stores for line in _store_lines(store)),
            "",
            "keys:",
            f"  trust: {grouped(self.trust_root.raw[:16])}   # also on the recovery sheet",
            f"  recipients: [{', '.join(_plain_or_quoted(path) for path in self.recipients)}]     # public halves only",
            "  host_key: file:secrets/host.key               # signs, names chunks; opens no finished run",
            "",
            "defaults:                                     # every policy starts from these",
            f"  stores: [{names}]",
            "  objectives: {rpo: 24h, rto: 8h}",
            "  retention: {keep_daily: 30, keep_weekly: 13, keep_monthly: 12, keep_yearly: forever}",
            "  security_level: 3",
            f"  owner: {_quoted(self.owner)}",
            *self._directory_lines(),
        ]
        return "\n".join(lines) + "\n"

    def _directory_lines(self) -> list[str]:
        given = [("state", self.state), ("cache", self.cache), ("temporary", self.temporary)]
        lines = [f"  {name}: {_quoted(path)}" for name, path in given if path is not None]
        return ["", "directories:", *lines] if lines else []


def _store_lines(store: FirstStore) -> list[str]:
    if not store.url.startswith("s3://"):
        return [f"  {store.name}:", f"    directory: {_quoted(store.url)}"]
    lines = [f"  {store.name}:", f"    s3: {store.url}"]
    if store.endpoint is not None:
        lines.append(f"    endpoint: {store.endpoint}")
    lines.append(f"    access_key: file:secrets/{store.name}.access-key")
    lines.append(f"    secret_key: file:secrets/{store.name}.secret-key")
    return lines


def _plain_or_quoted(path: str) -> str:
    return path if _PLAIN.fullmatch(path) else _quoted(path)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
