"""The field table of drorch.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drorch.policy.alert_words import WHEN_WORDS
from drorch.policy.bandwidth import Bandwidth, BandwidthInvalid, parse_bandwidth
from drorch.policy.fields import Field, ListOf, OneOf, ScalarOr, Table
from drorch.policy.installation import (
    Catalog,
    Directories,
    DirectoryStore,
    Heartbeat,
    Installation,
    Keys,
    Limits,
    Notification,
    ObjectLock,
    Person,
    S3Store,
    Sandbox,
    Site,
    Store,
    Tools,
    Upkeep,
)
from drorch.policy.installation_kinds import (
    DefaultsKind,
    NamedKind,
    PathKind,
    VersionKind,
    ZoneKind,
    parse_bucket,
    parse_minute,
    parse_percent,
    parse_trust,
)
from drorch.policy.kinds import (
    Boolean,
    Choice,
    Integer,
    Parsed,
    ScheduleOrNever,
    SecretKind,
    Text,
    duration,
    size,
)
from drorch.policy.locks import LONGEST_UNACCEPTED, LockMode
from drorch.policy.nodes import Section
from drorch.policy.problems import Problems

_OF_ANY_STORE = frozenset({"s3", "directory", "site", "bandwidth", "spool"})
_ROLES = ("backup", "drill", "maintenance")


def _is_given(value: object) -> bool:
    return value is not None


def _check_store(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    if _is_given(values["s3"]) == _is_given(values["directory"]):
        problems.add(node.place, "a store is either `s3: s3://BUCKET/PREFIX` or `directory: PATH`")
    elif _is_given(values["s3"]) and _is_given(values["spool_bytes"]):
        problems.add(
            node.keys["spool"], "a spool is a directory of this machine: a bucket may be away when it is needed"
        )
    elif _is_given(values["directory"]):
        for key in node.entries:
            if key not in _OF_ANY_STORE and any(field.key == key for field in _STORE_FIELDS):
                problems.add(node.keys[key], f"`{key}` belongs to an s3 store; this one is a directory")
    lock = values["object_lock"]
    if (
        lock is not None
        and lock.mode is LockMode.COMPLIANCE
        and lock.promised_seconds > LONGEST_UNACCEPTED.total_seconds()
        and not lock.accepted_by
    ):
        problems.add(
            node.keys["object_lock"],
            "nobody can end a compliance lock of more than 400 days, nor what it costs;"
            ' who accepts that? `object_lock: {for: 800d, accepted_by: "Name, office"}`',
        )
    if (values["access_key"] is None) != (values["secret_key"] is None):
        problems.add(node.place, "`access_key` and `secret_key` belong together: one of them is missing")


def _build_store(
    s3: tuple[str, str] | None,
    directory: Path | None,
    site: Site | None,
    bandwidth: Bandwidth | None,
    spool_bytes: int | None,
    **rest: Any,
) -> Store:
    if s3 is None:
        assert directory is not None
        return DirectoryStore(name="", directory=directory, site=site, bandwidth=bandwidth, spool_bytes=spool_bytes)
    return S3Store(name="", bucket=s3[0], prefix=s3[1], site=site, bandwidth=bandwidth, **rest)


_URL = Text(
    longest=1_000, pattern=r"https?://[^\s/]+(?:/\S*)?", meaning="an address; it starts with `https://` or `http://`"
)

_LOCK_DURATION = duration(
    "1d", "3500d"
)  # with what is added at a put it stays below the ten years of the bucket policies
OBJECT_LOCK = ScalarOr(
    scalar=_LOCK_DURATION,
    wrap=lambda seconds: ObjectLock(promised_seconds=seconds),
    table=Table(
        build=lambda mode, **values: ObjectLock(mode=LockMode(mode), **values),
        fields=(
            Field(
                key="for",
                attribute="promised_seconds",
                kind=_LOCK_DURATION,
                summary="How long everything that a snapshot needs stays locked",
                required=True,
            ),
            Field(
                key="mode",
                kind=Choice(options=tuple(mode.value for mode in LockMode)),
                summary="compliance: nobody ends a lock; governance: who has the right to can",
                default="compliance",
            ),
            Field(
                key="accepted_by",
                kind=Text(longest=200),
                summary="Who answers for a compliance lock of more than 400 days",
                absent="",
            ),
        ),
    ),
)

_STORE_FIELDS = (
    Field(
        key="s3",
        kind=Parsed(
            parse=parse_bucket,
            errors=(ValueError,),
            meaning="a bucket; write `s3://BUCKET/PREFIX`",
            schema_pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$",
        ),
        summary="Bucket and prefix",
    ),
    Field(key="directory", kind=PathKind(), summary="A directory of this machine"),
    Field(key="endpoint", kind=_URL, summary="Address of the object storage; leave out for AWS"),
    Field(key="region", kind=Text(longest=100), summary="Region, where the storage has them"),
    Field(
        key="access_key", kind=SecretKind(), summary="Where the access key lies; leave out for the standard AWS places"
    ),
    Field(key="secret_key", kind=SecretKind(), summary="Where the secret key lies"),
    Field(
        key="ca",
        attribute="authority",
        kind=PathKind(),
        summary="File with the authority that signed the endpoint's certificate",
    ),
    Field(
        key="path_style",
        kind=Boolean(),
        summary="Whether the bucket stands in the path; decided by the endpoint when left out",
    ),
    Field(
        key="answer_timeout",
        attribute="answer_timeout_seconds",
        kind=duration("1s", "10m"),
        summary="No byte for this long: the request is tried again",
        default="30s",
    ),
    Field(
        key="patience",
        attribute="patience_seconds",
        kind=duration("1s", "1h"),
        summary="How long one request is tried again; left out: 5 minutes, 1 minute where there are other stores",
    ),
    Field(
        key="object_lock",
        kind=OBJECT_LOCK,
        summary="How long everything that a snapshot needs stays locked; leave out if the bucket has no object lock",
    ),
    Field(
        key="spool",
        attribute="spool_bytes",
        kind=size("1MB"),
        summary="This directory is no copy: snapshots wait here, up to so much, while every store is away",
    ),
    Field(
        key="bandwidth",
        kind=Parsed(
            parse=parse_bandwidth,
            errors=(BandwidthInvalid,),
            meaning='a bandwidth; write `"20 Mbit/s"` or `"20 Mbit/s 07:00-18:00"`',
            schema_pattern=r"^[0-9.]+\s*[kMG]bit/s",
        ),
        summary="How much of the line drorch may take, and when",
    ),
    Field(
        key="site",
        kind=Table(
            build=Site,
            fields=(
                Field(key="name", kind=Text(longest=200), summary="Name of the place", required=True),
                Field(
                    key="country",
                    kind=Text(
                        longest=2, pattern="[A-Z]{2}", meaning="a country; write two capital letters, such as VN"
                    ),
                    summary="Two letters",
                    required=True,
                ),
            ),
        ),
        summary="Where it stands",
    ),
)
STORE = Table(build=_build_store, check=_check_store, fields=_STORE_FIELDS)

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

NOTIFICATION = Table(
    build=lambda **values: Notification(name="", **values),
    fields=(
        Field(key="url", kind=SecretKind(), summary="Where the address lies", required=True),
        Field(
            key="when",
            kind=ListOf(item=Choice(options=WHEN_WORDS)),
            summary="Which alerts: codes, or error, warning, info; left out: errors and warnings",
            default=(),
        ),
        Field(
            key="after",
            attribute="after_seconds",
            kind=duration("0s", "365d"),
            summary="Only when it lasts so long",
            absent=0,
        ),
        Field(
            key="owners",
            kind=ListOf(item=Text(longest=200)),
            summary="Only of sources of these owners; `*` stands for anything",
            default=(),
        ),
        Field(
            key="digest",
            attribute="digest_minute",
            kind=Parsed(
                parse=parse_minute,
                errors=(ValueError,),
                meaning="a time of day; write it as `07:00`",
                schema_pattern=r"^\s*([01][0-9]|2[0-3]):[0-5][0-9]\s*$",
            ),
            summary="A summary once a day at this time",
        ),
    ),
)

HEARTBEAT = Table(
    build=Heartbeat,
    fields=(
        Field(key="url", kind=SecretKind(), summary="Where the address lies that is pinged", required=True),
        Field(
            key="every",
            attribute="every_seconds",
            kind=duration("1m", "1d"),
            summary="How often the daemon pings it",
            default="5m",
        ),
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
            summary="Of what is stored, read anew at each check, drawn by lot",
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
            is_acted_on=False,
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
            is_acted_on=False,
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
