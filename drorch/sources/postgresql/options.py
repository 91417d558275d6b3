"""What a policy decides about a capture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RolesChoice(Enum):
    """Whether roles travel with the database, and with their password hashes."""

    NONE = "none"
    WITHOUT_PASSWORDS = "without"
    WITH_PASSWORDS = "with_passwords"  # needs a superuser


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """Limits and choices; the defaults are the policy's.

    ``exclude_data`` are ``schema.table`` names or shell patterns of them; their structure is kept.
    """

    jobs: int = 2
    lock_timeout_seconds: int = 30
    connect_timeout_seconds: int = 10
    stall_timeout_seconds: int = 900
    max_snapshot_age_seconds: int = 8 * 3_600
    max_lag_seconds: int = 900
    split_size_bytes: int = 8 << 30
    exclude_data: tuple[str, ...] = ()
    roles: RolesChoice = RolesChoice.WITHOUT_PASSWORDS
    application: str = "drorch"
    max_active_sessions: int | None = None  # of others; this and the next: a run waits while there is more
    max_replication_lag_seconds: int | None = None


def session_settings(server_version: int, *, lock_timeout_seconds: int) -> str:
    """Return the ``SET`` statements of every session, so that no role, database or server default changes a byte.

    ``lc_monetary`` makes the text of ``money`` the same on both sides; the stored integer stays what it was.
    """
    settings = {
        "statement_timeout": "0",  # first: a role's own time-out would cut the sending of the others
        "row_security": "off",
        "idle_in_transaction_session_timeout": "0",
        "lock_timeout": f"{lock_timeout_seconds}s",
        "search_path": "",
        "synchronize_seqscans": "off",
        "max_parallel_workers_per_gather": "0",  # rows come in the order in which they lie
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "extra_float_digits": "3",
        "bytea_output": "hex",
        "xmlbinary": "base64",
        "xmloption": "content",
        "lc_monetary": "C",
        "standard_conforming_strings": "on",
        "check_function_bodies": "off",
        "default_transaction_read_only": "off",
        "client_min_messages": "warning",
        "jit": "off",
    }
    if server_version >= 140_000:
        settings["idle_session_timeout"] = "0"
    if server_version >= 170_000:
        settings["transaction_timeout"] = "0"
    return "; ".join(f"set {name} = '{value}'" for name, value in settings.items())
