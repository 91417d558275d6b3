"""What can be wrong, in words that never change: rules, metrics and people's filters are written against them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drorch.catalog.interface import Severity
from drorch.policy.alert_words import ALERT_WORDS


class AlertCode(Enum):
    """What an alert is about, worst first. The values are those of ``policy.alert_words``; a test compares them."""

    RPO_MISSED = "rpo_missed"  # the newest good snapshot is too old, or there is none
    SNAPSHOT_WITHHELD = "snapshot_withheld"  # a store does not show what it showed before
    SNAPSHOT_FOREIGN = "snapshot_foreign"  # by this host's key, and by none of its runs
    DATABASE_GONE = "database_gone"
    DATABASE_OPEN = "database_open"  # on a server that is asked, and in no policy
    SOURCE_OPEN = "source_open"  # was protected once, and is in no policy any more
    POLICY_INVALID = "policy_invalid"
    DAEMON_DOWN = "daemon_down"
    DISK_FULL = "disk_full"  # below keep_free: nothing starts
    SERVER_UNASKED = "server_unasked"
    COUNT_UNEXPECTED = "count_unexpected"
    SIZE_COLLAPSED = "size_collapsed"
    RUN_FAILED = "run_failed"
    RUN_MISSED = "run_missed"
    DRILL_FAILED = "drill_failed"
    RTO_MISSED = "rto_missed"
    DRILL_OVERDUE = "drill_overdue"
    EVIDENCE_UNSIGNED = "evidence_unsigned"
    LOCK_SHORT = "lock_short"
    STORE_AWAY = "store_away"
    COPIES_MISSING = "copies_missing"
    NOTIFICATION_FAILED = "notification_failed"
    SCHEMA_CHANGED = "schema_changed"
    PROTECTED_TWICE = "protected_twice"

    @property
    def severity(self) -> Severity:
        """How it is to be read: an error is a promise that is not kept, or soon will not be."""
        return Severity(ALERT_WORDS[self.value])


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that is wrong now. ``code`` and ``subject`` tell it from all others; ``remedy`` is what to do.

    ``told_to`` are the notifications that its policy names; none: all of them. ``error`` is the slug of the error behind it.
    """

    code: AlertCode
    subject: str
    text: str
    details: str = ""
    remedy: str = ""
    policy: str = ""
    owner: str = ""
    told_to: tuple[str, ...] = ()
    error: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.code.value, self.subject

    @property
    def severity(self) -> Severity:
        """How it is to be read."""
        return self.code.severity
