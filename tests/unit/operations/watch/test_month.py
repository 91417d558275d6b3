"""A month in figures and on paper: what was kept, what was not, and every Vietnamese word to be found in it."""

from __future__ import annotations

import subprocess
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.catalog.interface import Catalog
from drorch.errors import UsageInvalid
from drorch.operations.overview import overview
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.month import Month, Period, month_of, period_of, worst_gap
from drorch.operations.watch.month_paper import Language, month_page
from drorch.paper.typesetting import typeset
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import DAY, HOUR, ZONE, backed_up, drilled, facts_of

FIRST = datetime(2026, 10, 1, 2, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
LATER = FIRST + 40 * DAY
OCTOBER = period_of("2026-10", ZONE, LATER)


def october(catalog: Catalog, *texts: str) -> Month:
    loaded = load(*(texts or (POSTGRESQL,)))
    found = overview(loaded.policies, loaded.problems, catalog, now=LATER, is_running=lambda _claim: True)
    facts = facts_of(catalog, LATER)
    present = alerts(found, loaded.policies, facts)
    return month_of(OCTOBER, found, loaded.policies, present, facts, catalog)


def nights(catalog: Catalog, *missing: int) -> None:
    for night in range(-1, 31):
        if night not in missing:
            backed_up(catalog, FIRST + night * DAY)


def test_a_month_begins_and_ends_in_the_zone_of_the_office() -> None:
    assert (OCTOBER.start.isoformat(), OCTOBER.end.isoformat(), OCTOBER.is_over) == (
        "2026-10-01T00:00:00+07:00",
        "2026-11-01T00:00:00+07:00",
        True,
    )
    december = period_of("2026-12", ZONE, datetime(2027, 2, 1, tzinfo=ZONE))
    assert december.end.isoformat() == "2027-01-01T00:00:00+07:00"
    now = FIRST + 5 * DAY
    assert period_of("2026-10", ZONE, now) == Period(month="2026-10", start=OCTOBER.start, end=now, is_over=False)


@pytest.mark.parametrize("text", ["2026-13", "october", "2026-10-01", "2027-01", "0001-01", "1969-12", ""])
def test_other_texts_are_no_month(text: str) -> None:
    with pytest.raises(UsageInvalid):
        period_of(text, ZONE, LATER)


def test_gaps_are_measured_across_the_borders_of_the_month() -> None:
    assert worst_gap([], OCTOBER) is None
    assert worst_gap([OCTOBER.end + HOUR], OCTOBER) is None
    assert worst_gap([OCTOBER.start - 2 * HOUR], OCTOBER) == (31 * DAY + 2 * HOUR).total_seconds()
    assert worst_gap([OCTOBER.end - HOUR], OCTOBER) == 3600  # it began then
    every = [OCTOBER.start + timedelta(hours=hours) for hours in range(-3, 31 * 24, 5)]
    assert worst_gap(every, OCTOBER) == 5 * 3600


def test_a_month_that_was_kept(watched: Catalog) -> None:
    nights(watched)
    drilled(watched, FIRST + 3 * DAY, rto_ms=23_100)
    drilled(watched, FIRST + 60 * DAY, verdict="fail")  # of another month
    found = october(watched)
    (land,) = found.policies
    assert (land.sources, land.rpo_kept, land.worst_gap_seconds) == (1, 1, 86_400)
    assert (land.drills, land.drills_passed, land.worst_rto_ms, land.in_every_store) == (1, 1, 23_100, 1)
    assert found.is_kept
    assert any("land" in one for one in found.exceptions)  # it is late today, and the reader is told


def test_one_night_without_a_backup_is_not_hidden(watched: Catalog) -> None:
    nights(watched, 11)
    found = october(watched)
    assert (found.policies[0].rpo_kept, found.policies[0].worst_gap_seconds) == (0, 2 * 86_400)
    assert not found.is_kept


def test_a_policy_that_cannot_be_read_is_not_kept(watched: Catalog) -> None:
    nights(watched)
    found = october(watched, POSTGRESQL, "name: broken\nschedul: x\n")
    assert (found.unread, found.is_kept) == (("b.yaml",), False)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("vi", ["CHƯA ĐẠT", "Báo cáo sao lưu trong tháng", "Có đủ bản sao", "Thủ trưởng đơn vị", "23.1 s"]),
        ("en", ["NOT KEPT", "Backups of the month", "In every store", "Head of the office", "0 of 1"]),
    ],
)
def test_the_page_can_be_read_and_searched(
    watched: Catalog, tmp_path: Path, language: Language, words: list[str]
) -> None:
    nights(watched, 11)
    drilled(watched, FIRST + 3 * DAY, rto_ms=23_100)
    page = month_page(october(watched), language, ZONE, "9c41")
    assert typeset(page) == typeset(page)
    file = tmp_path / "month.pdf"
    file.write_bytes(typeset(page))
    text = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, check=True).stdout.decode()
    assert text == unicodedata.normalize("NFC", text)
    flowing = " ".join(text.split())
    assert [word for word in (*words, "2026-10", "9c41", "hanoi", "dalat") if word not in flowing] == []
    fonts = subprocess.run(["pdffonts", file], capture_output=True, check=True, text=True).stdout.splitlines()[2:]
    assert fonts
    assert all(line.split()[-5] == "yes" for line in fonts), fonts
