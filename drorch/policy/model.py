"""What the sysadmin promised, as frozen values. Made only by ``policy.document``; every value has been checked.

A ``Policy`` is one file. A ``SourcePromise`` is one source of it: the policy itself, one line of its
``for_each`` list, or, when ``needs_discovery``, all databases that a server is asked for before a run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import quote

from drorch.errors import Bug
from drorch.policy.blackout import Blackout
from drorch.policy.nodes import Section
from drorch.policy.schedule import Schedule
from drorch.policy.secret import SecretReference
from drorch.policy.window import Window

_UNIT_CODE = re.compile(r"([a-z][a-z0-9_-]*):([0-9A-Za-z.]+)")

Tls: TypeAlias = Literal["verify-full", "require", "none"]
RowsDigest: TypeAlias = Literal["always", "sample", "never"]
Classification: TypeAlias = Literal["public", "internal", "personal", "sensitive_personal"]
WITHOUT_BASES = frozenset({"personal", "sensitive_personal"})  # no part of them stays on the host, sealed or not


class Keep(Enum):
    """For ever: a number of years is not permanent retention."""

    FOREVER = "forever"


KeepCount: TypeAlias = int | Literal[Keep.FOREVER]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Databases that a server is asked for: glob patterns; ``expect`` is their number, any other is an alarm."""

    match: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    expect: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoad:
    """While a server has more to do than that, a run waits. ``None`` is no limit."""

    max_active_sessions: int | None = None
    max_replication_lag_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlSource:
    """One database, or with ``databases`` several, of one PostgreSQL server. ``None`` is left to libpq."""

    host: str | None
    port: int | None
    service: str | None
    database: str | None
    databases: Discovery | None
    user: str | None
    password: SecretReference | None
    password_file: str | None
    tls: Tls
    tls_authority: str | None
    tls_certificate: str | None
    tls_key: str | None
    exclude_data: tuple[str, ...]
    jobs: int
    max_snapshot_age_seconds: int
    max_lag_seconds: int
    lock_timeout_seconds: int
    split_size_bytes: int
    roles: Literal["with_passwords", "without", "none"]
    rows_digest: RowsDigest
    source_load: SourceLoad | None = None
    engine: str = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSource:
    """One database, or with ``databases`` several, of one MariaDB server. ``jobs`` is kept: one session reads; ``max_lag_seconds``: ``None`` asks nobody."""

    host: str | None
    port: int | None
    socket: str | None
    database: str | None
    databases: Discovery | None
    user: str | None
    password: SecretReference | None
    option_file: str | None
    tls: Tls
    tls_authority: str | None
    exclude_data: tuple[str, ...]
    jobs: int
    max_snapshot_age_seconds: int
    lock_timeout_seconds: int
    roles: Literal["with_passwords", "without", "none"]
    non_transactional: Literal["refuse", "lock"]
    rows_digest: RowsDigest
    max_lag_seconds: int | None = None
    source_load: SourceLoad | None = None
    engine: str = "mariadb"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSource:
    """One SQLite file. ``lock_timeout_seconds`` is how long a writer's lock is waited for."""

    file: str
    exclude_data: tuple[str, ...]
    lock_timeout_seconds: int
    rows_digest: RowsDigest
    engine: str = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSource:
    """Trees of files; ``exclude`` are patterns, a final ``/`` means directories.

    Files of ``immutable`` trees must never change or go. Every file is read again within ``reread_within`` runs.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...]
    one_file_system: bool
    immutable: bool
    reread_within: int
    engine: str = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSource:
    """A program that writes a backup to its standard output, and one that reads it; argument lists, no shell.

    ``{target}`` in ``restore`` and ``verify`` is where the restore goes. ``product`` names the engine in reports.
    ``stall_timeout_seconds`` is ``None`` where the installation's limit is meant.
    """

    product: str
    capture: tuple[str, ...]
    restore: tuple[str, ...]
    verify: tuple[str, ...]
    minimum_size_bytes: int
    ends_with: str
    environment: Mapping[str, SecretReference]
    stall_timeout_seconds: int | None = None
    engine: str = "command"


Source: TypeAlias = PostgresqlSource | MariadbSource | SqliteSource | FilesSource | CommandSource


@dataclass(frozen=True, slots=True)
class UnitReference:
    """An administrative unit: ``scheme:code`` such as ``gso2024:68``, or free text. A bare code is never a key."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def scheme(self) -> str | None:
        """The list that the code is from, ``None`` for free text."""
        match = _UNIT_CODE.fullmatch(self.text)
        return match[1] if match else None

    @property
    def code(self) -> str | None:
        """The code as written, leading zeros kept; ``None`` for free text."""
        match = _UNIT_CODE.fullmatch(self.text)
        return match[2] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """What is promised: at most so much lost (``rpo``), usable again after at most so long (``rto``)."""

    rpo_seconds: int
    rto_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many snapshots stay. ``preset`` names the row of ``retention_presets`` that it came from.

    ``stores`` has the whole rule of each store that keeps other numbers; those have no ``stores`` of their own.
    """

    keep_last: KeepCount = 0
    keep_hourly: KeepCount = 0
    keep_daily: KeepCount = 0
    keep_weekly: KeepCount = 0
    keep_monthly: KeepCount = 0
    keep_yearly: KeepCount = 0
    preset: str | None = None
    stores: Mapping[str, Retention] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def keeps_nothing(self) -> bool:
        """Whether every number is 0."""
        return not any(
            (
                self.keep_last,
                self.keep_hourly,
                self.keep_daily,
                self.keep_weekly,
                self.keep_monthly,
                self.keep_yearly,
            )
        )

    def in_store(self, store: str) -> Retention:
        """Return the rule for the copies in ``store``."""
        return self.stores.get(store, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A consistency group: captures of one name start within ``max_skew_seconds`` of each other."""

    name: str
    max_skew_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Programs around a capture; ``after`` always runs, a failing ``before`` fails the run."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    timeout_seconds: int
    environment: Mapping[str, SecretReference] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePromise:
    """One source. ``address`` (``POLICY`` or ``POLICY/NAME``) is what people type and never changes its meaning."""

    address: str
    policy_name: str
    source_name: str | None
    source: Source
    owner: UnitReference
    custodian: UnitReference | None
    successors: tuple[UnitReference, ...]
    needs_discovery: bool
    was: str | None = None  # the address that the source had before

    def discovered(self, database: str) -> SourcePromise:
        """Return the promise of one database that the server named; only for one that ``needs_discovery``."""
        if not isinstance(self.source, PostgresqlSource | MariadbSource) or not self.needs_discovery:
            raise Bug(f"{self.address} does not discover databases")
        name = source_name_of(database)
        if self.source_name is not None:  # of a line of a list: two servers may have databases of one name
            name = f"{self.source_name}.{name}"
        return replace(
            self,
            address=f"{self.policy_name}/{name}",
            source_name=name,
            source=replace(self.source, database=database, databases=None),
            needs_discovery=False,
            was=None if self.was is None else f"{self.was}/{name}",
        )


def source_name_of(database: str) -> str:
    """Return the name under which a discovered database is addressed: others than ``a-z 0-9 . _ -`` as ``%xx``."""
    kept = "abcdefghijklmnopqrstuvwxyz0123456789._-"
    return "".join(
        letter if letter in kept else "".join(f"%{byte:02x}" for byte in letter.encode()) for letter in database
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy file with the defaults laid under it.

    For a ``for_each`` policy ``owner``, ``custodian``, ``successors`` and ``source`` are those of its first line;
    ``sources()`` has them for every line. ``written`` is the merged text with the place of every value.
    """

    name: str
    description: str
    for_each: str | None
    schedule: Schedule
    spread_seconds: int
    window: Window | None
    blackouts: tuple[Blackout, ...]
    after: tuple[str, ...]
    group: Group | None
    hooks: Hooks | None
    objectives: Objectives
    retention: Retention
    stores: tuple[str, ...]
    security_level: int
    classification: Classification | None
    owner: UnitReference
    custodian: UnitReference | None
    successors: tuple[UnitReference, ...]
    legal_basis: tuple[str, ...]
    probes: Mapping[str, str]
    drill_at_least_seconds: int | None
    notify: tuple[str, ...]
    was: str | None
    file: str
    promises: tuple[SourcePromise, ...] = field(repr=False)
    written: Section = field(repr=False, compare=False)

    @property
    def source(self) -> Source:
        """The source, or the first of many."""
        return self.promises[0].source

    def sources(self) -> tuple[SourcePromise, ...]:
        """Return every source, in the order of the list; one that needs discovery stands for all it will find."""
        return self.promises


def source_address(source: Source) -> str:
    """Return what is shown to people: ``postgresql://db1.example/land``, ``/srv/x.db``; never a user or password."""
    if isinstance(source, SqliteSource):
        return f"sqlite://{quote(source.file)}"
    if isinstance(source, FilesSource):
        return ", ".join(source.paths)
    if isinstance(source, CommandSource):
        return f"command:{source.capture[0]}"
    if isinstance(source, PostgresqlSource) and source.service is not None:
        return f"postgresql:///{quote(source.database or '')}?service={source.service}"
    host = source.host or ""
    database = quote(source.database or "")
    if not host or host.startswith("/"):
        return f"{source.engine}:///{database}" + (f"?host={host}" if host else "")
    usual_port = 5432 if source.engine == "postgresql" else 3306
    port = "" if source.port in {None, usual_port} else f":{source.port}"
    return f"{source.engine}://{f'[{host}]' if ':' in host else host}{port}/{database}"
