"""The words of ``when:``: what can be wrong, how bad it is, and groups of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALERT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "rpo_missed": "error",
        "snapshot_withheld": "error",
        "snapshot_foreign": "error",
        "database_gone": "error",
        "database_open": "error",
        "source_open": "error",
        "policy_invalid": "error",
        "daemon_down": "error",
        "disk_full": "error",
        "server_unasked": "error",
        "count_unexpected": "error",
        "size_collapsed": "error",
        "run_failed": "warning",
        "run_missed": "warning",
        "drill_failed": "error",
        "rto_missed": "error",
        "drill_overdue": "warning",
        "evidence_unsigned": "warning",
        "lock_short": "warning",
        "store_away": "warning",
        "copies_missing": "warning",
        "notification_failed": "warning",
        "schema_changed": "info",
        "protected_twice": "info",
    }
)
SEVERITY_WORDS = ("error", "warning", "info")
GROUP_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"objective_missed": frozenset({"rpo_missed", "rto_missed"})}
)
WHEN_WORDS = (*SEVERITY_WORDS, *GROUP_WORDS, *ALERT_WORDS)
_USUAL = frozenset({"error", "warning"})


def is_meant(when: tuple[str, ...], word: str) -> bool:
    """Whether a rule with these words is about the alert called ``word``; without words: all but notes."""
    wanted = set(when) or _USUAL
    return word in wanted or ALERT_WORDS[word] in wanted or any(word in GROUP_WORDS.get(one, ()) for one in wanted)
