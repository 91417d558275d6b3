"""What ``policy grants`` prints: the statements that make the account of a source, and nothing more than it needs.

Pure text: what is known of the server is an argument. Without it, the text covers every supported version and
says which part is for which. No password is ever in it.
"""

from __future__ import annotations

import re

from drorch.policy.model import (
    CommandSource,
    Discovery,
    FilesSource,
    MariadbSource,
    PostgresqlSource,
    Source,
    SourcePromise,
    SqliteSource,
)
from drorch.policy.postgresql_grants import USUAL_ACCOUNT, PostgresqlFacts, postgresql_grants

__all__ = ["PostgresqlFacts", "grants"]


def grants(promise: SourcePromise, facts: PostgresqlFacts | None = None) -> str:
    """Return what to run as an administrator of the source; ``facts`` only for PostgreSQL. Ends with a line end."""
    source: Source = promise.source
    head = f"-- {promise.address}: the account that drorch reads with"
    if isinstance(source, PostgresqlSource):
        lines = [head, *postgresql_grants(source, facts)]
    elif isinstance(source, MariadbSource):
        lines = [head, *_mariadb(source)]
    elif isinstance(source, SqliteSource):
        lines = _sqlite(promise.address, source)
    elif isinstance(source, FilesSource):
        lines = [
            f"{promise.address}: drorch must be able to read every file below",
            *[f"  {path}" for path in source.paths],
        ]
    else:
        lines = _command(promise.address, source)
    return "\n".join(lines) + "\n"


def _mariadb(source: MariadbSource) -> list[str]:
    account = f"{_quoted_mariadb(source.user or USUAL_ACCOUNT)}@{_quoted_mariadb('localhost' if source.host is None else '%')}"
    tls = "" if source.host is None or source.tls == "none" else " REQUIRE SSL"
    names = _mariadb_names(source.database, source.databases)
    return [
        "-- run as an administrator of the server; put the address of this machine for %",
        "",
        f"CREATE USER {account}{tls} ACCOUNT LOCK;",
        f"SET PASSWORD FOR {account} = PASSWORD('the password, typed here');",
        f"ALTER USER {account} ACCOUNT UNLOCK;",
        "",
        *[f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {name}.* TO {account};" for name in names],
        f"GRANT PROCESS ON *.* TO {account};  -- tablespaces",
        "-- stored procedures: up to MariaDB 11.2, and from 11.3",
        f"-- GRANT SELECT ON mysql.proc TO {account};",
        *[f"-- GRANT SHOW CREATE ROUTINE ON {name}.* TO {account};" for name in names],
    ]


def _quoted_mariadb(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _mariadb_names(database: str | None, databases: Discovery | None) -> list[str]:
    """Return the databases as patterns of a GRANT, where ``_`` and ``%`` would match any letter unless escaped."""
    wanted = databases.match if databases is not None else (database or "DATABASE",)
    patterns = [re.sub(r"([_%\\])", r"\\\1", name).replace("*", "%").replace("?", "_") for name in wanted]
    return ["`" + pattern.replace("`", "``") + "`" for pattern in patterns]


def _sqlite(address: str, source: SqliteSource) -> list[str]:
    directory = source.file.rsplit("/", 1)[0] or "/"
    return [
        f"{address}: SQLite has no accounts; drorch needs the rights of files",
        "",
        f"  read           {source.file}",
        f"  read, search   {directory}",
        "",
        "In WAL mode (PRAGMA journal_mode) the files -wal and -shm beside it are read",
        "too; run drorch as the account that owns the database, or while a program",
        "has it open. For another account than the owner's:",
        "",
        f"  setfacl -m u:drorch:r {source.file}",
        f"  setfacl -m u:drorch:rx {directory}",
    ]


def _command(address: str, source: CommandSource) -> list[str]:
    return [
        f"{address}: drorch runs a program; what it needs is up to that program",
        "",
        f"  capture   {' '.join(source.capture)}",
        f"  restore   {' '.join(source.restore)}",
        *[f"  secret    {name} from {reference}" for name, reference in source.environment.items()],
        "",
        "The policy file must belong to root or to drorch's account, and nobody else",
        "may write it.",
    ]
