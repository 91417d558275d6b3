"""What drorch.yaml says about one installation, as frozen values; ``drorch.settings`` reads the file.

Paths are as written, relative ones to the directory of drorch.yaml, until ``drorch.settings`` resolves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from drorch.policy.bandwidth import Bandwidth
from drorch.policy.locks import LockMode, LockRule
from drorch.policy.nodes import Section
from drorch.policy.secret import SecretReference

Role: TypeAlias = Literal["backup", "drill", "maintenance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a store stands."""

    name: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLock:
    """How a bucket locks objects; ``accepted_by`` is who answers for a compliance lock of more than 400 days."""

    promised_seconds: int
    mode: LockMode = LockMode.COMPLIANCE
    accepted_by: str = ""

    @property
    def rule(self) -> LockRule:
        """What the store is asked for."""
        return LockRule(seconds=self.promised_seconds, mode=self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Store:
    """A bucket. ``None``: ``endpoint`` AWS, ``region`` and keys from the standard AWS places, ``path_style`` and ``patience_seconds`` decided by drorch."""

    name: str
    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    access_key: SecretReference | None
    secret_key: SecretReference | None
    authority: Path | None
    path_style: bool | None
    answer_timeout_seconds: int
    patience_seconds: int | None
    object_lock: ObjectLock | None
    site: Site | None
    bandwidth: Bandwidth | None = None

    @property
    def address(self) -> str:
        """What a person would type to mean this store."""
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryStore:
    """A directory of this machine, such as a mounted disk; with ``spool_bytes`` the place where snapshots wait while all stores are away."""

    name: str
    directory: Path
    site: Site | None
    bandwidth: Bandwidth | None = None
    spool_bytes: int | None = None

    @property
    def address(self) -> str:
        """What a person would type to mean this store."""
        return str(self.directory)


Store: TypeAlias = S3Store | DirectoryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """``trust`` is the digest of the trust root (16 or 32 bytes: a prefix of SHA-256, or all of it)."""

    trust: bytes | None
    recipients: tuple[Path, ...]
    host_key: SecretReference | None
    maintenance_key: SecretReference
    drill_key: SecretReference | None
    drill_passphrase: SecretReference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Whom to tell, when, and how long after; the address is a secret, because it often holds one."""

    name: str
    url: SecretReference
    when: tuple[str, ...]
    after_seconds: int
    owners: tuple[str, ...] = ()  # patterns; none: whoever owns it
    digest_minute: int | None = None  # of the day, in the installation's zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A dead man's switch: pinged as long as all goes well."""

    url: SecretReference
    every_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Where runs are recorded: ``url`` is ``None`` for SQLite in the state directory."""

    url: str | None
    password: SecretReference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """``None``: the default of the account, see ``drorch.settings``."""

    state: Path | None
    cache: Path | None
    temporary: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What drorch may use of the machine and of the servers."""

    cache_bytes: int
    temporary_bytes: int
    keep_free_percent: int
    parallel_runs: int
    parallel_per_server: int
    parallel_per_store: int
    connect_timeout_seconds: int
    stall_timeout_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """When the daemon looks after the stores: texts of schedules, or ``never``. ``read_percent`` of what is stored is read each time."""

    verify: str
    read_percent: int
    prune: str
    copy: str
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Directories with the engines' programs; ``None``: found by drorch."""

    postgresql: Path | None
    mariadb: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A scratch server that drills may use."""

    name: str
    engine: str
    host: str
    port: int | None
    user: str | None
    password: SecretReference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who may sign drills and disposals: a person is a public key."""

    identifier: str
    name: str
    role: Literal["operator", "verifier"]
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The whole of drorch.yaml with its defaults. ``defaults`` is what is laid under every policy, as written."""

    version: int
    time_zone: ZoneInfo
    stores: Mapping[str, Store]
    keys: Keys
    defaults: Section | None
    notifications: Mapping[str, Notification]
    heartbeat: Heartbeat | None
    roles: tuple[Role, ...]
    catalog: Catalog
    directories: Directories
    limits: Limits
    upkeep: Upkeep
    tools: Tools
    sandboxes: Mapping[str, Sandbox]
    people: Mapping[str, Person]
    timestamp_authority: str | None
    metrics: str
    history_seconds: int
