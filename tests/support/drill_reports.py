"""A drill report with something in every field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from drorch.evidence.drill_checks import Check, CheckResult, Compared, Difference, Outcome
from drorch.evidence.drill_report import (
    Coverage,
    Draw,
    DrillReport,
    Earlier,
    Machine,
    Measured,
    Moment,
    People,
    PolicyUsed,
    SandboxUsed,
    Scenario,
    Selection,
    SnapshotUsed,
    TestUsed,
    Verdict,
)

DECLARED = datetime(2026, 11, 22, 3, 15, 2, 250_000, tzinfo=UTC)


def drill_report() -> DrillReport:
    """Return the failed drill of interface.md's transcript."""
    return DrillReport(
        version=1,
        drill="01KB3X9M5Q8N2R7T4V6W1Y3Z0A",
        scenario=Scenario.SINGLE_DATABASE,
        verdict=Verdict.FAIL,
        summary="1 of 212 tables did not come back as it was: public.parcel",
        source="lamdong-land",
        system_name="Dữ liệu đất đai Lâm Đồng",
        policy=PolicyUsed(
            name="lamdong-land",
            text_digest="ab" * 32,
            description="Land register of Lâm Đồng before the merger",
            security_level=3,
            owner="gso2024:68",
            custodian=None,
            successors=("nso2025:68",),
            legal_basis=("Thông tư 17/2014/TT-BTNMT, Điều 13.1(b)",),
            classification="personal",
        ),
        test=TestUsed(
            name="lamdong-land",
            text_digest="cd" * 32,
            schedule="0 5 1 1,4,7,10 *",
            trigger="by hand",
            scheduled_for=None,
            left_out={"encoding": "tên cột theo bảng mã cũ"},
        ),
        people=People(operator="operator1", verifier="verifier1", observers=(), custodians=("an", "bình"), quorum=2),
        snapshot=SnapshotUsed(
            id="7kq2m9xd00000000000000000",
            source="lamdong-land",
            selection=Selection.RANDOM,
            draw=Draw(
                seed="00" * 16,
                list_digest="11" * 32,
                candidates=484,
                excluded={"d595": "retired"},
                drawn=("d596",),
            ),
            restore_point=DECLARED - timedelta(hours=2),
            taken_at=DECLARED - timedelta(hours=2),
            manifest_digest="ef" * 32,
            engine="postgresql",
            engine_version="15.18",
            tables=212,
            rows=4_012_377,
            size_bytes=1_240_000_000,
            things="tables",
            store="hanoi",
            site="Hà Nội",
            immutable_until=DECLARED + timedelta(days=35),
            packs=22,
            chunks=1_985,
            read_bytes=498_000_000,
            recipient_key="12" * 32,
            trust_root="34" * 32,
        ),
        sandbox=SandboxUsed(
            kind="throw-away PostgreSQL",
            engine_version="15.18",
            is_throw_away=True,
            isolation=("no network",),
            wiped=("its directory is gone",),
        ),
        machine=Machine(
            host="drill1", roles=("drill",), tool_version="0.1.0", tool_digest="56" * 32, clock_offset_ms=None
        ),
        timeline=(
            Moment(name="declared", at=DECLARED),
            Moment(name="restored", at=DECLARED + timedelta(seconds=15)),
        ),
        checks=(
            CheckResult(
                check=Check.CONTENT,
                title="content equals the snapshot",
                outcome=Outcome.FAIL,
                expected="212 tables as at backup",
                found="211",
                note="211 of 212 tables",
                duration_ms=6_500,
                differences=(
                    Difference(
                        name="public.parcel",
                        expected="4,000,000 rows, digest 9c41..e7",
                        found="3,999,999 rows, digest 02bd..5a",
                        first="no row with id = 2741177",
                    ),
                ),
                compared=(Compared(name="public.unit", outcome=Outcome.OK, expected="3 rows", found="3 rows"),),
                told=("public.parcel differs: no row with id = 2741177",),
            ),
        ),
        rto=Measured(target_ms=28_800_000, actual_ms=None, not_measured="the data is not usable"),
        rpo=Measured(target_ms=86_400_000, actual_ms=7_200_000),
        newest_record="2026-11-22 01:33:02+07",
        before=Earlier(
            drill="01K9Z1F4000000000000000000",
            at=DECLARED - timedelta(days=90),
            verdict=Verdict.PASS,
            rto_ms=24_000,
            same_findings=(),
        ),
        coverage=Coverage(within_days=90, drilled=412, sources=484, next_due=None),
    )
