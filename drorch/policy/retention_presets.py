"""Retention rules with a name and a legal basis. A policy writes ``retention: btnmt-17-2014``.

``basis`` says what the text asks for; ``ours`` says what the text leaves open and drorch chose. Numbers follow
the text where it gives them. Regulations change: check the Official Gazette before quoting one to an auditor.
"""

from __future__ import annotations

from dataclasses import dataclass

from drorch.policy.model import Keep, Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPreset:
    """A named rule; ``stores`` is the least number of stores that its basis asks for."""

    retention: Retention
    stores: int
    basis: str
    ours: str = ""


RETENTION_PRESETS = {
    "btnmt-17-2014": RetentionPreset(
        retention=Retention(keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER, preset="btnmt-17-2014"),
        stores=2,
        basis="Thông tư 17/2014/TT-BTNMT, Điều 13.1(b): weekly for 3 months, monthly for 1 year, yearly for ever, 2 places",
    ),
    "bnv-02-2019": RetentionPreset(
        retention=Retention(keep_daily=31, keep_monthly=36, keep_yearly=Keep.FOREVER, preset="bnv-02-2019"),
        stores=2,
        basis="Thông tư 02/2019/TT-BNV, Điều 10: daily, and whole on the 1st of each month; superseded by 05/2025/TT-BNV",
        ours="how long each stays is not said: the numbers are drorch's",
    ),
    "bnv-05-2025": RetentionPreset(
        retention=Retention(keep_daily=31, keep_monthly=12, keep_yearly=Keep.FOREVER, preset="bnv-05-2025"),
        stores=2,
        basis="Thông tư 05/2025/TT-BNV, Điều 27.1-27.3: at least 2 sets, each on a medium of its own",
        ours="the circular counts sets, not days: the numbers are drorch's",
    ),
    "qcvn12-l3": RetentionPreset(
        retention=Retention(
            keep_daily=30, keep_weekly=13, keep_monthly=12, keep_yearly=Keep.FOREVER, preset="qcvn12-l3"
        ),
        stores=3,
        basis="QCVN 12:2026/BCA, level 3: 3 copies on 2 media, 1 that cannot be overwritten, off site",
        ours="the regulation counts copies, not days: the numbers are drorch's",
    ),
    "closing-copy": RetentionPreset(
        retention=Retention(keep_last=Keep.FOREVER, preset="closing-copy"),
        stores=2,
        basis="the closing copy of a dissolved unit's system (bản chốt); never expires",
        ours="a recommendation of drorch, no regulation",
    ),
    "e8-90d": RetentionPreset(
        retention=Retention(keep_daily=90, preset="e8-90d"),
        stores=1,
        basis="90 days, where nothing else applies (Essential Eight)",
        ours="a recommendation, no Vietnamese regulation",
    ),
}


def preset_rule(name: str) -> Retention:
    """Return the rule of the preset ``name``, which must be one."""
    return RETENTION_PRESETS[name].retention
