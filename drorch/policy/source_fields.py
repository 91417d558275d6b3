"""The field tables of the engines: everything that may stand below ``source:``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drorch.policy.fields import ArgumentsKind, Field, ListOf, MapOf, OneOf, Table, WithColumns
from drorch.policy.kinds import INVALID, Boolean, Choice, Integer, Text
from drorch.policy.model import (
    CommandSource,
    Discovery,
    FilesSource,
    MariadbSource,
    PostgresqlSource,
    SourceLoad,
    SqliteSource,
)
from drorch.policy.nodes import Section
from drorch.policy.parsed_kinds import SecretKind, duration, size
from drorch.policy.problems import Problems

_name = Text(longest=200, exact=True)
_path = Text(longest=4_000, exact=True)
_absolute_path = Text(longest=4_000, exact=True, pattern=r"[/{].*", meaning="an absolute path: it must start with `/`")
_pattern = Text(longest=1_000, exact=True)
_argument = Text(longest=4_000, exact=True)
_tls = Choice(options=("verify-full", "require", "none"))
_rows_digest = Choice(options=("always", "never"))

ENVIRONMENT = Field(
    key="environment",
    kind=MapOf(
        key=Text(longest=100, pattern=r"[A-Za-z_][A-Za-z0-9_]*", meaning="a name of an environment variable"),
        item=SecretKind(),
    ),
    summary="Variables for the programs, by reference",
    default={},
)

DISCOVERY = Table(
    build=Discovery,
    fields=(
        Field(
            key="match",
            kind=ListOf(item=_pattern, least=1),
            summary="Databases to back up, as glob patterns",
            required=True,
        ),
        Field(
            key="except",
            attribute="exclude",
            kind=ListOf(item=_pattern),
            summary="Databases to leave out, as glob patterns",
            default=(),
        ),
        Field(
            key="expect",
            kind=Integer(low=1, high=100_000),
            summary="How many there must be; another number is an alarm",
        ),
    ),
)


def _check_database(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    database, databases = values["database"], values["databases"]
    if database is not None and databases is not None:
        problems.add(node.at("databases"), "`database` and `databases` exclude each other")
    if database is None and databases is None and values.get("service") is None:
        problems.add(node.place, "`database` is missing; or `databases:` with a `match` list for several")


def _check_postgresql(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    _check_database(values, node, problems)
    if values["password"] is not None and values["password_file"] is not None:
        problems.add(node.at("password_file"), "`password` and `password_file` exclude each other")
    if (values["tls_certificate"] is None) != (values["tls_key"] is None):
        problems.add(node.place, "`tls_certificate` and `tls_key` belong together: one of them is missing")


def _check_mariadb(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    _check_database(values, node, problems)
    if values["host"] is not None and values["socket"] is not None:
        problems.add(node.at("socket"), "`host` and `socket` exclude each other")


def _server_fields(usual_port: int) -> tuple[Field, ...]:
    return (
        Field(key="host", kind=_name, summary="Name or address of the server, or the directory of its socket"),
        Field(key="port", kind=Integer(low=1, high=65_535), summary=f"Port of the server; {usual_port} when left out"),
        Field(key="database", kind=_name, summary="The database to back up"),
        Field(
            key="databases",
            kind=DISCOVERY,
            summary="Several databases of the server, found before every run",
        ),
        Field(key="user", kind=_name, summary="The account; `drorch policy grants` prints how to make it"),
        Field(key="password", kind=SecretKind(), summary="Where the password lies: file:, env: or credential:"),
        Field(key="tls", kind=_tls, summary="How the server proves who it is", default="verify-full"),
        Field(key="tls_authority", kind=_path, summary="File with the authority that signed the server's certificate"),
    )


def _capture_fields(jobs: str) -> tuple[Field, ...]:
    return (
        Field(
            key="exclude_data",
            kind=ListOf(item=_name),
            summary="Tables whose structure is kept and whose rows are not; listed in reports",
            default=(),
        ),
        Field(key="jobs", kind=Integer(low=1, high=64), summary="Sessions that read at once", default=jobs),
        Field(
            key="max_snapshot_age",
            attribute="max_snapshot_age_seconds",
            kind=duration("1m", "30d"),
            summary="A capture that takes longer is given up: it holds back the server's clean-up",
            default="8h",
        ),
        Field(
            key="lock_timeout",
            attribute="lock_timeout_seconds",
            kind=duration("1s", "1d"),
            summary="How long a locked table is waited for",
            default="30s",
        ),
        Field(
            key="rows_digest",
            kind=_rows_digest,
            summary="Whether every row is counted into a digest",
            default="always",
            not_yet=("sample",),
        ),
    )


def _roles(whose: str) -> Field:
    return Field(
        key="roles",
        kind=Choice(options=("with_passwords", "without", "none")),
        summary=f"{whose}: with their password hashes (sealed), without, or not at all",
        default="without",
    )


_MAX_ACTIVE_SESSIONS = Field(
    key="max_active_sessions",
    kind=Integer(low=1, high=100_000),
    summary="Sessions of others at work; with more of them a run waits",
)
_MAX_REPLICATION_LAG = Field(
    key="max_replication_lag",
    attribute="max_replication_lag_seconds",
    kind=duration("1s", "30d"),
    summary="How far a standby of the server may be behind; while one is further behind a run waits",
)


def _source_load(*fields: Field) -> Field:
    return Field(
        key="source_load",
        kind=Table(build=SourceLoad, fields=fields),
        summary="Limits above which a run waits, before it begins and while it reads",
    )


POSTGRESQL = Table(
    build=PostgresqlSource,
    check=_check_postgresql,
    fields=(
        *_server_fields(5432),
        Field(key="service", kind=_name, summary="A section of pg_service.conf"),
        Field(key="password_file", kind=_path, summary="A file in the format of ~/.pgpass"),
        Field(key="tls_certificate", kind=_path, summary="Our certificate, where the server asks for one"),
        Field(key="tls_key", kind=_path, summary="The key of our certificate"),
        *_capture_fields("2"),
        Field(
            key="max_lag",
            attribute="max_lag_seconds",
            kind=duration("1s", "30d"),
            summary="How far a standby may be behind; only when the host is one",
            default="15m",
        ),
        Field(
            key="split_size",
            attribute="split_size_bytes",
            kind=size("1MB", "100TB"),
            summary="Larger tables are read in parts by several sessions",
            default="8GiB",
        ),
        _roles("Roles of the server"),
        _source_load(_MAX_ACTIVE_SESSIONS, _MAX_REPLICATION_LAG),
    ),
)

MARIADB = Table(
    build=MariadbSource,
    check=_check_mariadb,
    fields=(
        *_server_fields(3306),
        Field(key="socket", kind=_path, summary="The server's Unix socket"),
        Field(key="option_file", kind=_path, summary="A MariaDB option file with the account"),
        *(
            replace(field, is_acted_on=field.key != "jobs") for field in _capture_fields("2")
        ),  # one session: no shared snapshot
        _roles("Accounts with rights in the database"),
        _source_load(_MAX_ACTIVE_SESSIONS),
        Field(
            key="max_lag",
            attribute="max_lag_seconds",
            kind=duration("1s", "30d"),
            summary="How far a replica may be behind; only when the host is one. The account then needs REPLICA MONITOR",
        ),
        Field(
            key="non_transactional",
            kind=Choice(options=("refuse", "lock")),
            summary="Tables that no snapshot covers (MyISAM, Aria, MEMORY): refuse, or keep writers out until they are read",
            default="refuse",
        ),
    ),
)

SQLITE = Table(
    build=SqliteSource,
    fields=(
        Field(key="file", kind=_absolute_path, summary="The database file", required=True),
        Field(
            key="exclude_data",
            kind=ListOf(item=_name),
            summary="Tables whose structure is kept and whose rows are not; listed in reports",
            default=(),
        ),
        Field(
            key="lock_timeout",
            attribute="lock_timeout_seconds",
            kind=duration("1s", "1d"),
            summary="How long a writer's lock is waited for",
            default="30s",
        ),
        Field(
            key="rows_digest",
            kind=_rows_digest,
            summary="Whether every row is counted into a digest",
            default="always",
            not_yet=("sample",),
        ),
    ),
)

FILES = Table(
    build=FilesSource,
    fields=(
        Field(key="paths", kind=ListOf(item=_absolute_path, least=1), summary="Directories or files", required=True),
        Field(
            key="exclude",
            kind=ListOf(item=_pattern),
            summary="Patterns of what to leave out, as in .gitignore; a final / is a directory",
            default=(),
        ),
        Field(
            key="one_file_system", kind=Boolean(), summary="Whether mounts below the paths are left out", default="true"
        ),
        Field(
            key="immutable",
            kind=Boolean(),
            summary="Whether a file that changes or goes makes the snapshot partial",
            default="false",
        ),
        Field(
            key="reread_within",
            kind=Integer(low=1, high=1_000),
            summary="Runs within which every file is read again, changed or not",
            default="30",
        ),
    ),
)


def _check_command(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    for key in ("capture",):
        arguments = values[key]
        if arguments is not INVALID and any("{target}" in argument for argument in arguments):
            problems.add(node.at(key), "`{target}` stands for the place of a restore; `capture` has none")


COMMAND = Table(
    build=CommandSource,
    check=_check_command,
    fields=(
        Field(
            key="capture",
            kind=ArgumentsKind(argument=_argument),
            summary="Program and arguments that write the backup to standard output; no shell",
            required=True,
        ),
        Field(
            key="restore",
            kind=ArgumentsKind(argument=_argument),
            summary="Program and arguments that read it from standard input; {target} is where it goes",
            required=True,
        ),
        Field(
            key="verify",
            kind=ArgumentsKind(argument=_argument, least=0),
            summary="Program and arguments that check a restored {target}",
            default=(),
        ),
        Field(
            key="minimum_size",
            attribute="minimum_size_bytes",
            kind=size(),
            summary="A backup with fewer bytes fails the run",
            required=True,
        ),
        Field(
            key="ends_with",
            kind=Text(longest=200, exact=True),
            summary="The last bytes of a complete backup",
            absent="",
        ),
        ENVIRONMENT,
        Field(
            key="stall_timeout",
            attribute="stall_timeout_seconds",
            kind=duration("1s", "7d"),
            summary="A program that writes or reads nothing for so long has failed; `limits:` when left out",
        ),
        Field(key="product", kind=Text(longest=100), summary="Name of the engine, for reports", absent=""),
    ),
)

SOURCE = WithColumns(
    kind=OneOf(
        noun="engine",
        options=(
            Field(key="postgresql", kind=POSTGRESQL, summary="PostgreSQL 11 to 18"),
            Field(key="mariadb", kind=MARIADB, summary="MariaDB"),
            Field(key="sqlite", kind=SQLITE, summary="A SQLite file"),
            Field(key="files", kind=FILES, summary="Trees of files"),
            Field(key="command", kind=COMMAND, summary="Any program that writes a backup"),
        ),
    )
)
