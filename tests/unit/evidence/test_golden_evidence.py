"""Evidence that was written once is read for ever, and FORMAT.md says all of it: see tests/golden/evidence-1/README.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drorch.evidence.bundle import encode_bundle, read_bundle
from drorch.evidence.envelope import open_envelope, verify_envelope
from drorch.evidence.ledger_segment import read_segment
from drorch.evidence.statement import encode_statement, read_statement
from drorch.evidence.trusted_keys import read_trusted_keys
from drorch.format.objects import digest_of
from drorch.ids import LaneId
from drorch.operations.proof import verifying
from tests.support.evidence import undrawn
from tests.support.evidence_tables import every_row
from tests.support.ledgers import WRITER
from tests.support.statements import passing_report

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "golden" / "evidence-1"
REPORT = undrawn(passing_report())
ENVELOPE = FOLDER / "repository" / "evidence" / "2026" / f"{REPORT.drill.lower()}.dsse"
TRUST = FOLDER / "trusted-signers.txt"


def expected() -> Any:
    return json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def test_a_statement_is_made_alike_and_says_the_same() -> None:
    raw = (FOLDER / "statement.json").read_bytes()
    assert read_statement(raw) == REPORT
    assert encode_statement(REPORT) == raw


def test_an_envelope_holds_that_statement_with_both_signatures() -> None:
    verified = verify_envelope(ENVELOPE.read_bytes(), {WRITER.key_id: WRITER.public})
    assert verified.payload == (FOLDER / "statement.json").read_bytes()
    assert open_envelope(ENVELOPE.read_bytes()).named == (WRITER.key_id,)


def test_ledger_segments_say_what_they_said() -> None:
    found, entries = [], []
    chain = LaneId(bytes.fromhex(expected()["chain"]))
    for path in sorted((FOLDER / "repository" / "ledger" / str(chain)).iterdir()):
        segment = read_segment(path.read_bytes(), chain)
        found.append([segment.number, str(segment.digest), segment.first_entry])
        entries += [json.loads(entry.encode()) for entry in segment.entries]
    assert found == expected()["segments"]
    assert entries == expected()["entries"]
    assert digest_of(ENVELOPE.read_bytes()).raw.hex() == entries[0]["documents"][0]["sha256"]


def test_a_bundle_is_read_made_again_and_verified() -> None:
    raw = (FOLDER / "bundle.zip").read_bytes()
    bundle = read_bundle(raw)
    assert encode_bundle(bundle) == raw
    text = TRUST.read_text(encoding="utf-8")
    trusted = read_trusted_keys(text)
    assert trusted.encode() == text
    assert verifying.run(bundle.dossier(), bundle.wanted, trusted).exit_code == 0


def test_the_stand_alone_verifier_reads_it_too() -> None:
    words = [sys.executable, "-I", str(ROOT / "tools" / "verify_evidence.py"), str(FOLDER / "bundle.zip")]
    told = subprocess.run([*words, "--trust", str(TRUST)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("row", every_row())
def test_the_pages_of_the_format_say_what_the_code_does(row: str) -> None:
    assert f"\n{row}" in (ROOT / "docs" / "FORMAT.md").read_text(encoding="utf-8")
