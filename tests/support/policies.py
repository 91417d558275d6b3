"""Policy files made in a line: what every test needs, and what the test is about on top."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from drorch.policy.assembly import LoadedPolicies, SettingsFacts
from drorch.policy.document import PolicyText, load_policies, read_yaml
from drorch.policy.model import Policy
from drorch.policy.nodes import Section
from drorch.policy.problems import Problems

FACTS = SettingsFacts(
    zone=ZoneInfo("Asia/Ho_Chi_Minh"),
    stores=("hanoi", "dalat"),
    notifications=("duty-team", "head-of-office"),
)
DEFAULTS = """\
stores: [hanoi, dalat]
objectives: {rpo: 24h, rto: 8h}
retention: {keep_daily: 30, keep_weekly: 13, keep_monthly: 12, keep_yearly: forever}
security_level: 3
owner: UBND tỉnh Lâm Đồng
"""
POSTGRESQL = """\
name: land
source:
  postgresql:
    host: db1.example
    database: land
    user: drorch_backup
    password: file:secrets/land
schedule: "30 1 * * *"
"""


def defaults_of(text: str) -> Section:
    """Return ``defaults:`` as drorch.yaml would give it."""
    problems = Problems()
    section = read_yaml("drorch.yaml", text.encode(), problems)
    assert section is not None, problems.sorted()
    return section


def load(
    *texts: str | bytes,
    defaults: str | None = DEFAULTS,
    lists: Mapping[str, str | bytes] | None = None,
    facts: SettingsFacts = FACTS,
) -> LoadedPolicies:
    """Return what comes of files called ``a.yaml``, ``b.yaml``, ..."""
    files = [
        PolicyText(file=f"{letter}.yaml", content=_bytes(text)) for letter, text in zip("abcdefgh", texts, strict=False)
    ]
    found = {name: PolicyText(file=name, content=_bytes(text)) for name, text in (lists or {}).items()}
    return load_policies(files, None if defaults is None else defaults_of(defaults), facts, found)


def policy_of(text: str, **more: object) -> Policy:
    """Return the one policy of ``text``, which has no problem."""
    loaded = load(text, **more)  # type: ignore[arg-type]
    assert loaded.problems == ()
    return loaded.policies[0]


def told(loaded: LoadedPolicies) -> list[str]:
    """Return the problems as ``line:column message``."""
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in loaded.problems]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
