"""What a policy decides about a capture, and what every session sets so that no default of a server changes a byte."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RolesChoice(Enum):
    """Whether accounts travel with the database, and with their password hashes."""

    NONE = "none"
    WITHOUT_PASSWORDS = "without"
    WITH_PASSWORDS = "with_passwords"


class NonTransactional(Enum):
    """What is done about tables that no snapshot covers: MyISAM, Aria, MEMORY ..."""

    REFUSE = "refuse"
    LOCK = "lock"  # nobody writes to them from before the snapshot until they are read


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """Limits and choices; the defaults are the policy's. ``exclude_data`` are names of tables or patterns of them."""

    lock_timeout_seconds: int = 30
    connect_timeout_seconds: int = 10
    stall_timeout_seconds: int = 900
    max_snapshot_age_seconds: int = 8 * 3_600
    exclude_data: tuple[str, ...] = ()
    roles: RolesChoice = RolesChoice.WITHOUT_PASSWORDS
    non_transactional: NonTransactional = NonTransactional.REFUSE
    max_active_sessions: int | None = None  # of others: a run waits while there are more
    max_lag_seconds: int | None = None  # of a replica


_PATIENCE_SECONDS = 31_536_000 // 2
_COMMON = {
    "sql_mode": "''",  # PAD_CHAR_TO_FULL_LENGTH, ANSI_QUOTES and ORACLE change what a server says
    "time_zone": "'+00:00'",
    "max_statement_time": "0",
    "sql_select_limit": "18446744073709551615",
    "sql_quote_show_create": "1",
    "group_concat_max_len": "1073741824",  # JSON_ARRAYAGG is cut there too, and 1024 stands in many an old my.cnf
    "lc_messages": "'en_US'",
    "wait_timeout": str(_PATIENCE_SECONDS),
    "net_read_timeout": "86400",
    "net_write_timeout": "86400",  # a slow store must not look like a dead client
}


def reading_settings(lock_timeout_seconds: int) -> str:
    """Return the ``SET`` of a session that reads."""
    return _set(
        {
            **_COMMON,
            "character_set_results": "binary",  # bytes as they lie there: nothing is converted on the way
            "tx_isolation": "'REPEATABLE-READ'",
            "lock_wait_timeout": str(lock_timeout_seconds),
            "innodb_lock_wait_timeout": str(lock_timeout_seconds),
        }
    )


def writing_settings(lock_timeout_seconds: int) -> str:
    """Return the ``SET`` of a session that restores: what the source held must fit, whatever it would refuse today."""
    return _set(
        {
            **_COMMON,
            "character_set_results": "binary",
            "sql_mode": f"'{LOADING_MODE}'",
            "foreign_key_checks": "0",
            "check_constraint_checks": "0",
            "innodb_strict_mode": "0",
            "system_versioning_alter_history": "KEEP",
            "autocommit": "1",
            "tx_read_only": "0",
            "lock_wait_timeout": str(lock_timeout_seconds),
        },
        _EXPLICIT,
    )


LOADING_MODE = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_DIR_IN_CREATE"
STRICT_LOADING_MODE = f"STRICT_ALL_TABLES,{LOADING_MODE}"


# Or a TIMESTAMP NOT NULL of a server that says so would come back with defaults that it does not have. Older servers cannot be told.
_EXPLICIT = "/*M!100804 , SESSION explicit_defaults_for_timestamp = 1 */"


def _set(variables: dict[str, str], more: str = "") -> str:
    return "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in variables.items()) + more
