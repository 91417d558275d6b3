"""The statements that make the account of a MariaDB source."""

from __future__ import annotations

import re

from drorch.policy.model import Discovery, MariadbSource

USUAL_ACCOUNT = "drorch_backup"
_OF_ACCOUNTS = ("db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping")


def mariadb_grants(source: MariadbSource) -> list[str]:
    """Return the lines of a script for the ``mariadb`` program; nothing in it is more than a capture needs."""
    here = "localhost" if source.host is None or source.host.startswith("/") else "%"
    account = f"{_quoted(source.user or USUAL_ACCOUNT)}@{_quoted(here)}"
    tls = "" if here == "localhost" or source.tls == "none" else " REQUIRE SSL"
    names = _names(source.database, source.databases)
    rights = "SELECT, SHOW VIEW, TRIGGER, EVENT" + (", LOCK TABLES" if source.non_transactional == "lock" else "")
    return [
        "-- run as an administrator of the server; put the address of this machine for %",
        "",
        f"CREATE USER {account}{tls} ACCOUNT LOCK;",
        f"SET PASSWORD FOR {account} = PASSWORD('the password, typed here');",
        f"ALTER USER {account} ACCOUNT UNLOCK;",
        "",
        *[f"GRANT {rights} ON {name}.* TO {account};" for name in names],
        *([f"GRANT SHOW DATABASES ON *.* TO {account};"] if source.databases is not None else []),
        *([f"GRANT REPLICA MONITOR ON *.* TO {account};"] if source.max_lag_seconds is not None else []),
        "-- the text of routines; from MariaDB 11.3 on, what is behind -- instead of it",
        f"GRANT SELECT ON mysql.proc TO {account};",
        *[f"-- GRANT SHOW CREATE ROUTINE ON {name}.* TO {account};" for name in names],
        *_accounts(source, account),
    ]


def _accounts(source: MariadbSource, account: str) -> list[str]:
    if source.roles == "none":
        return []
    lines = [
        "-- accounts, roles and rights in the database; no hash of a password",
        f"GRANT SELECT (Host, User, is_role, plugin, ssl_type) ON mysql.user\n  TO {account};",
        *[f"GRANT SELECT ON mysql.{table} TO {account};" for table in _OF_ACCOUNTS],
    ]
    if source.roles == "with_passwords":
        lines += [
            "-- hashes of passwords (`roles: with_passwords`)",
            f"GRANT SELECT ON mysql.global_priv TO {account};",
        ]
    return "\n".join(lines).splitlines()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _names(database: str | None, databases: Discovery | None) -> list[str]:
    """Return the databases as patterns of a GRANT, where ``_`` and ``%`` would match any letter unless escaped."""
    wanted = databases.match if databases is not None else (database or "DATABASE",)
    patterns = [re.sub(r"([_%\\])", r"\\\1", name).replace("*", "%").replace("?", "_") for name in wanted]
    return ["`" + pattern.replace("`", "``") + "`" for pattern in patterns]
