"""What ``policy grants`` prints: the statements that make the account of a source, and nothing more than it needs.

Pure text: what is known of the server is an argument. Without it, the text covers every supported version and
says which part is for which. No password is ever in it.
"""

from __future__ import annotations

from drorch.policy.mariadb_grants import mariadb_grants
from drorch.policy.model import (
    CommandSource,
    FilesSource,
    MariadbSource,
    PostgresqlSource,
    Source,
    SourcePromise,
    SqliteSource,
)
from drorch.policy.postgresql_grants import PostgresqlFacts, postgresql_grants

__all__ = ["PostgresqlFacts", "grants"]


def grants(promise: SourcePromise, facts: PostgresqlFacts | None = None) -> str:
    """Return what to run as an administrator of the source; ``facts`` only for PostgreSQL. Ends with a line end."""
    source: Source = promise.source
    head = f"-- {promise.address}: the account that drorch reads with"
    if isinstance(source, PostgresqlSource):
        lines = [head, *postgresql_grants(source, facts)]
    elif isinstance(source, MariadbSource):
        lines = [head, *mariadb_grants(source)]
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
