"""The field table of drorch.yaml."""

from __future__ import annotations

from drorch.policy.fields import Field, ListOf, OneOf, ScalarOr, Table
from drorch.policy.installation import Catalog, Directories, Installation, Keys, Limits, Person, Sandbox, Tools, Upkeep
from drorch.policy.installation_kinds import (
    DefaultsKind,
    NamedKind,
    PathKind,
    VersionKind,
    ZoneKind,
    parse_percent,
    parse_trust,
)
from drorch.policy.kinds import Choice, Integer, Text
from drorch.policy.parsed_kinds import Parsed, ScheduleOrNever, SecretKind, duration, size
from drorch.policy.store_fields import STORE
from drorch.policy.telling_fields import HEARTBEAT, NOTIFICATION

_ROLES = ("backup", "drill", "maintenance")

KEYS = Table(
    build=Keys,
    fields=(
        Field(
            key="trust",
            kind=Parsed(
                parse=parse_trust,
                errors=(ValueError,),
                meaning="the digest of a trust root: 32 hexadecimal digits, in groups of four as on the key sheet",
                schema_pattern=r"^\s*([0-9A-Fa-f]{4}-?){8}(([0-9A-Fa-f]{4}-?){8})?\s*$",
            ),
            summary="Digest of the trust root; also on every key sheet",
        ),
        Field(key="recipients", kind=ListOf(item=PathKind()), summary="Public keys that may read: files", default=()),
        Field(key="host_key", kind=SecretKind(), summary="Where this machine's key lies: it signs and names chunks"),
        Field(
            key="maintenance_key",
            kind=SecretKind(),
            summary="Where the key lies that signs what prune, pin and hold say",
            default="file:secrets/maintenance.key",
        ),
        Field(
            key="drill_key",
            kind=SecretKind(),
            summary="Where the private key lies by which drills read; --key names another",
        ),
        Field(key="drill_passphrase", kind=SecretKind(), summary="Where its passphrase lies; else it is asked for"),
    ),
)

LIMITS = Table(
    build=Limits,
    fields=(
        Field(key="cache", attribute="cache_bytes", kind=size("1MB"), summary="Index and base cache", default="20GB"),
        Field(
            key="temporary",
            attribute="temporary_bytes",
            kind=size("1MB"),
            summary="Sandboxes of drills",
            default="50GB",
        ),
        Field(
            key="keep_free",
            attribute="keep_free_percent",
            kind=Parsed(
                parse=parse_percent,
                errors=(ValueError,),
                meaning="a share; write it as `10%`",
                schema_pattern=r"^\s*[0-9]{1,2}%\s*$",
            ),
            summary="Of each file system; below it nothing starts",
            default="10%",
        ),
        Field(key="parallel_runs", kind=Integer(low=1, high=256), summary="Sources at once", default="4"),
        Field(
            key="parallel_per_server",
            kind=Integer(low=1, high=64),
            summary="Sources of one server at once",
            default="2",
        ),
        Field(
            key="parallel_per_store",
            kind=Integer(low=1, high=256),
            summary="Sources of the daemon into one store at once",
            default="8",
        ),
        Field(
            key="connect_timeout",
            attribute="connect_timeout_seconds",
            kind=duration("1s", "10m"),
            summary="How long a server may take to answer",
            default="10s",
        ),
        Field(
            key="stall_timeout",
            attribute="stall_timeout_seconds",
            kind=duration("1s", "7d"),
            summary="No byte for this long: the run fails",
            default="15m",
        ),
    ),
)

UPKEEP = Table(
    build=Upkeep,
    fields=(
        Field(key="verify", kind=ScheduleOrNever(), summary="When the stores are checked", default="0 5 * * *"),
        Field(
            key="read_data",
            attribute="read_percent",
            kind=Parsed(
                parse=parse_percent,
                errors=(ValueError,),
                meaning="a share; write it as `5%`",
                schema_pattern=r"^\s*[0-9]{1,2}%\s*$",
            ),
            summary="Of what is stored, read at each check; the next check goes on behind it",
            default="2%",
        ),
        Field(
            key="prune", kind=ScheduleOrNever(), summary="When what retention lets go is deleted", default="0 6 * * *"
        ),
        Field(
            key="copy", kind=ScheduleOrNever(), summary="When a store that was away is brought up", default="30 * * * *"
        ),
        Field(
            key="lock",
            kind=ScheduleOrNever(),
            summary="When locks that end too early are extended",
            default="0 4 * * *",
        ),
    ),
)

DIRECTORIES = Table(
    build=Directories,
    fields=(
        Field(
            key="state",
            kind=PathKind(),
            summary="Catalog; /var/lib/drorch, or below the home of another account than root",
        ),
        Field(key="cache", kind=PathKind(), summary="Index and base cache; delete at any time"),
        Field(key="temporary", kind=PathKind(), summary="Sandboxes of drills; dumps never land here"),
    ),
)

TOOLS = Table(
    build=Tools,
    fields=(
        Field(
            key="postgresql",
            kind=PathKind(word="auto"),
            summary="Directory with pg_dump; auto: the newest of /usr/lib/postgresql, then PATH",
            default="auto",
        ),
        Field(key="mariadb", kind=PathKind(word="auto"), summary="Directory with mariadb-dump", default="auto"),
    ),
)


def _server(engine: str) -> Table:
    return Table(
        build=lambda **values: Sandbox(name="", engine=engine, **values),
        fields=(
            Field(key="host", kind=Text(longest=200, exact=True), summary="The scratch server", required=True),
            Field(key="port", kind=Integer(low=1, high=65_535), summary="Its port"),
            Field(key="user", kind=Text(longest=200, exact=True), summary="An account that may create databases"),
            Field(key="password", kind=SecretKind(), summary="Where its password lies"),
        ),
    )


SANDBOX = OneOf(
    noun="engine",
    options=(
        Field(key="postgresql", kind=_server("postgresql"), summary="A PostgreSQL server"),
        Field(key="mariadb", kind=_server("mariadb"), summary="A MariaDB server"),
    ),
)

PERSON = Table(
    build=lambda **values: Person(identifier="", **values),
    fields=(
        Field(key="name", kind=Text(longest=200), summary="Name and office", required=True),
        Field(key="role", kind=Choice(options=("operator", "verifier")), summary="What they may sign", required=True),
        Field(key="key", kind=PathKind(), summary="Public key: a file", required=True),
    ),
)

CATALOG = ScalarOr(
    scalar=Text(
        longest=1_000,
        pattern=r"sqlite|postgresql://\S+",
        meaning="a catalog; write `sqlite` or `postgresql://USER@HOST/DATABASE`",
    ),
    wrap=lambda url: Catalog(url=None if url == "sqlite" else url, password=None),
    table=Table(
        build=Catalog,
        fields=(
            Field(
                key="url",
                kind=Text(
                    longest=1_000,
                    pattern=r"postgresql://\S+",
                    meaning="an address; write `postgresql://USER@HOST/DATABASE`",
                ),
                summary="The catalog's database",
                required=True,
            ),
            Field(key="password", kind=SecretKind(), summary="Where its password lies"),
        ),
    ),
)


def _timestamp(timestamp: str) -> str | None:
    return None if timestamp == "none" else timestamp


EVIDENCE = Table(
    build=_timestamp,
    fields=(
        Field(
            key="timestamp",
            kind=Text(
                longest=1_000, pattern=r"none|https?://\S+", meaning="`none` or the address of an RFC 3161 authority"
            ),
            summary="none, or the address of an RFC 3161 authority",
            default="none",
        ),
    ),
)

INSTALLATION = Table(
    build=Installation,
    fields=(
        Field(key="version", kind=VersionKind(), summary="Version of this file", required=True),
        Field(
            key="time_zone",
            kind=ZoneKind(),
            summary="Zone of all schedules and of what people see",
            default="Asia/Ho_Chi_Minh",
        ),
        Field(key="stores", kind=NamedKind(item=STORE), summary="Where copies go", default={}),
        Field(key="keys", kind=KEYS, summary="Trust root, who may read, this machine's key", default={}),
        Field(key="defaults", kind=DefaultsKind(), summary="Every policy starts from these"),
        Field(
            key="notifications",
            kind=NamedKind(item=NOTIFICATION),
            summary="Whom to tell",
            default={},
        ),
        Field(key="heartbeat", kind=HEARTBEAT, summary="A dead man's switch that is pinged while all goes well"),
        Field(
            key="roles",
            kind=ListOf(item=Choice(options=_ROLES), least=1),
            summary="What this machine may do",
            default=_ROLES,
        ),
        Field(
            key="catalog",
            kind=CATALOG,
            summary="Where runs are recorded; never the only copy of anything",
            default="sqlite",
        ),
        Field(key="directories", kind=DIRECTORIES, summary="Where drorch keeps its files", default={}),
        Field(key="limits", kind=LIMITS, summary="What drorch may use", default={}),
        Field(key="upkeep", kind=UPKEEP, summary="What the daemon does for the stores", default={}),
        Field(key="tools", kind=TOOLS, summary="Where the engines' programs are", default={}),
        Field(
            key="sandboxes",
            kind=NamedKind(item=SANDBOX),
            summary="Scratch servers for drills",
            default={},
        ),
        Field(
            key="people",
            kind=NamedKind(item=PERSON, attribute="identifier"),
            summary="Who may sign drills and disposals",
            default={},
        ),
        Field(
            key="evidence",
            attribute="timestamp_authority",
            kind=EVIDENCE,
            summary="How evidence is dated",
            default={},
        ),
        Field(
            key="metrics",
            kind=Text(
                longest=200, pattern=r"none|\S+:[0-9]{1,5}", meaning="an address; write `127.0.0.1:9187` or `none`"
            ),
            summary="Where metrics are offered",
            default="127.0.0.1:9187",
        ),
        Field(
            key="history",
            attribute="history_seconds",
            kind=duration("1d", "36500d"),
            summary="How long run records stay in the catalog",
            default="400d",
        ),
    ),
)
