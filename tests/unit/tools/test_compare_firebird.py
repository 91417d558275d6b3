"""The independent comparer on Firebird: a copy is equal, and every single mutation is seen and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.firebird import Firebird

COMPARE = Path(__file__).parents[3] / "tools" / "compare.py"


def compare(first: Path, second: Path) -> tuple[int, str]:
    told = subprocess.run(
        [sys.executable, "-I", str(COMPARE), "firebird", str(first), str(second)], capture_output=True, check=False
    )
    return told.returncode, (told.stdout + told.stderr).decode()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ledger")
    Firebird(folder=folder).make(folder / "one.fdb")
    return folder / "one.fdb"


def test_a_copy_is_equal(ledger: Path, tmp_path: Path) -> None:
    shutil.copy(ledger, tmp_path / "o'ther.fdb")
    assert compare(ledger, tmp_path / "o'ther.fdb") == (0, "equal: 4 tables, 606 rows\n")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (b"UPDATE VOUCHER SET AMOUNT = AMOUNT + 0.01 WHERE ID = 77", "rows of VOUCHER"),
        (b"UPDATE VOUCHER SET SCAN = x'00FF0D0A1B' WHERE ID = 2", "rows of VOUCHER"),
        (b"UPDATE UNIT SET NAME = NULL WHERE CODE = '00595'", "rows of UNIT"),
        (b"DELETE FROM VOUCHER WHERE ID = 5", "only in the first 1"),
        (b"DROP INDEX VOUCHER_BOOKED", "definition"),
        (b"SELECT NEXT VALUE FOR VOUCHER_NO FROM RDB$DATABASE", "generator VOUCHER_NO"),
    ],
    ids=["a cent", "a byte of a blob", "empty becomes null", "a row", "an index", "a generator"],
)
def test_a_mutation_is_seen(ledger: Path, tmp_path: Path, change: bytes, named: str) -> None:
    shutil.copy(ledger, tmp_path / "other.fdb")
    Firebird(folder=tmp_path).isql(tmp_path / "other.fdb", change + b"; COMMIT;")
    code, words = compare(ledger, tmp_path / "other.fdb")
    assert code == 1, words
    assert named in words


def test_what_is_not_there_is_trouble(ledger: Path, tmp_path: Path) -> None:
    assert compare(ledger, tmp_path / "none.fdb")[0] == 2
