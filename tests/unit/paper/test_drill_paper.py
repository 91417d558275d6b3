"""Drills on paper: the answer on page 1, every Vietnamese word searchable, fonts embedded, the same bytes each time."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from drorch.errors import StoreUnavailable
from drorch.evidence.drill_checks import Check, Outcome
from drorch.evidence.drill_report import DrillReport, Scenario
from drorch.ids import Digest
from drorch.operations.drills.checking import failed_by
from drorch.operations.proof import reporting
from drorch.operations.proof.drill_paper import DrillPaper, drill_page
from drorch.operations.proof.finding_forms import FORMS
from drorch.operations.proof.finding_words import in_vietnamese
from drorch.operations.proof.paper_words import VIETNAMESE, Language
from drorch.paper.typesetting import typeset
from tests.support.drill_reports import drill_report
from tests.support.evidence import bench
from tests.support.statements import passing_report, sign_off

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DIGEST = Digest(bytes(range(32)))


def pdf(report: DrillReport, language: Language) -> bytes:
    paper = DrillPaper(
        report=report, digest=DIGEST, entry=1_204, head=DIGEST, signed=(sign_off(DIGEST),), timestamp="none"
    )
    return typeset(drill_page(paper, language, ZONE))


def text_of(content: bytes, place: Path, *pages: str) -> str:
    (place / "x.pdf").write_bytes(content)
    words = ["pdftotext", *pages, "-layout", str(place / "x.pdf"), "-"]
    return " ".join(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("report", "language", "answer"),
    [
        (passing_report(), "vi", "ĐẠT"),
        (passing_report(), "en", "PASS"),
        (drill_report(), "vi", "KHÔNG ĐẠT"),
        (drill_report(), "en", "FAIL"),
    ],
)
def test_page_1_holds_the_answer(report: DrillReport, language: Language, answer: str, tmp_path: Path) -> None:
    page = text_of(pdf(report, language), tmp_path, "-l", "1")
    digest = str(DIGEST)
    wanted = [answer, "RTO", "RPO", *(digest[start : start + 16] for start in range(0, 64, 16)), "0001-0203-0405"]
    assert [one for one in wanted if one not in page] == []
    assert report.drill in page
    assert {"vi": "Ký xác nhận", "en": "Sign-off"}[language] in page


def test_vietnamese_comes_back_composed(tmp_path: Path) -> None:
    report = replace(passing_report(), system_name=unicodedata.normalize("NFD", "Dữ liệu đất đai huyện Đức Trọng"))
    text = text_of(pdf(report, "vi"), tmp_path)
    assert text == unicodedata.normalize("NFC", text)
    for words in (
        "Dữ liệu đất đai huyện Đức Trọng",
        "Báo cáo diễn tập khôi phục",
        "đã đối chiếu với sổ gốc",
        "chưa ký",
    ):
        assert words in text


def test_what_a_lower_layer_said_follows_the_kind_of_error_in_vietnamese() -> None:
    error = StoreUnavailable("no answer of dalat", found="timed out after 10 s")
    report = replace(passing_report(), checks=(failed_by(Check.RESTORE, "restore", error),))
    paper = DrillPaper(report=report, digest=DIGEST, entry=1, head=DIGEST, signed=(), timestamp="none")
    in_two = {language: str(drill_page(paper, language, ZONE)) for language in get_args(Language)}
    assert "kho lưu trữ không trả lời (nguyên văn: no answer of dalat: timed out after 10 s)" in in_two["vi"]
    assert "nguyên văn" not in in_two["en"]


def test_every_font_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(pdf(passing_report(), "vi"))
    told = subprocess.run(["pdffonts", str(tmp_path / "x.pdf")], capture_output=True, text=True, check=True).stdout
    rows = told.splitlines()[2:]
    assert rows
    assert all(row.split()[-5] == "yes" for row in rows), told


def test_the_same_statement_makes_the_same_bytes() -> None:
    assert pdf(passing_report(), "vi") == pdf(passing_report(), "vi")
    assert pdf(passing_report(), "vi") != pdf(drill_report(), "vi")


def test_what_was_not_measured_is_said_and_is_not_zero(tmp_path: Path) -> None:
    assert "RTO (thời gian khôi phục) không đo" in text_of(pdf(drill_report(), "vi"), tmp_path, "-l", "1")


def test_what_people_wrote_is_never_markup(tmp_path: Path) -> None:
    hostile = 'x #panic("no") $1$ *b* _i_ \\u{41} ]] `raw` <label> @ref // note'
    assert "#panic" in text_of(pdf(replace(passing_report(), system_name=hostile), "en"), tmp_path)


def test_every_check_scenario_and_outcome_has_vietnamese_words() -> None:
    needed = {one.value for kind in (Check, Scenario) for one in kind} | {Outcome.OK.value, Outcome.FAIL.value}
    assert needed - set(VIETNAMESE) == set()


def test_reports_are_made_of_what_lies_in_the_store() -> None:
    made = bench()
    report = made.drill()
    made.both_sign()
    papers = reporting.run(made.dossier(), report.drill, ZONE)
    assert set(papers) == {f"{report.drill}.vi.pdf", f"{report.drill}.en.pdf"}
    assert all(content.startswith(b"%PDF") for content in papers.values())


DIFFERS = "public.parcel: expected 3 rows, digest 9c41..e7, found 2 rows, digest 02bd..5a; first difference: no row with id = 2"
DAMAGED = replace(
    drill_report(),
    checks=tuple(
        replace(
            one,
            expected="2 tables with 9 rows, 99 bytes, as at the backup",
            found="1 as at the backup",
            told=(DIFFERS,),
        )
        for one in drill_report().checks
    ),
)


@pytest.mark.parametrize("report", [passing_report(), DAMAGED])
def test_the_vietnamese_page_holds_no_english_sentence(report: DrillReport, tmp_path: Path) -> None:
    words = set(re.findall(r"[a-z]+", text_of(pdf(report, "vi"), tmp_path).lower()))
    english = "the of and was were not with expected found rows tables table files refused network left over as at backup snapshot"
    assert words & set(english.split()) == set()


@pytest.mark.parametrize(
    ("english", "vietnamese"),
    [
        (
            DIFFERS,
            "public.parcel: mong đợi 3 dòng, giá trị băm 9c41..e7, thực tế 2 dòng, giá trị băm 02bd..5a; khác biệt đầu tiên: không có dòng có id = 2",
        ),
        ("it proves neither: the sandbox lacks: postgis", "chưa chứng minh được gì: môi trường cách ly thiếu: postgis"),
        ("7kq2m9xd in hanoi", "7kq2m9xd trong hanoi"),
        ("ERROR: deadlock detected in relation", "ERROR: deadlock detected in relation"),
    ],
)
def test_findings_are_told_in_vietnamese_and_what_a_server_said_stays(english: str, vietnamese: str) -> None:
    assert in_vietnamese(english) == vietnamese


def test_a_sentence_and_its_translation_hold_the_same_values() -> None:
    assert [form for form, words in FORMS.items() if form.count("{}") != words.count("{}")] == []
