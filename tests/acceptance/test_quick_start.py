"""What keeps a command quick to answer: it imports what it uses. Times are in docs/BENCHMARKS.md; here it is asked of real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drorch.catalog.sqlite import open_sqlite
from tests.support.installations import BARE

SETTINGS = """\
version: 1
directories: {state: var}
stores: {disk: {directory: disk}}
defaults: {stores: [disk], objectives: {rpo: 24h, rto: 8h}, retention: {keep_daily: 7}, security_level: 3, owner: x}
"""
POLICY = "name: land\nsource: {postgresql: {host: h, database: d, user: u}}\nschedule: '0 1 * * *'\n"
SLOW = {"alembic", "apprise", "asyncpg", "boto3", "botocore", "cryptography", "numpy", "psycopg", "pymysql", "reportlab", "requests", "zstandard"}  # fmt: skip
OF_OURS = {"drorch.format.keys", "drorch.repository.opening", "drorch.storage.s3", "drorch.sources.postgresql.source"}
WITHOUT_CATALOG = {"sqlalchemy", "sqlite3", "asyncio", "drorch.catalog.sqlite"}
WITHOUT_SETTINGS = {"ruamel.yaml", "drorch.settings", "drorch.policy.model"}


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        (["--help"], SLOW | OF_OURS | WITHOUT_CATALOG | WITHOUT_SETTINGS),
        (["policy", "validate"], SLOW | OF_OURS | WITHOUT_CATALOG),
        (["status"], SLOW | OF_OURS | {"sqlalchemy.orm", "sqlalchemy.dialects.postgresql"}),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_command_imports_what_it_uses(words: list[str], left_out: set[str], tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "policies").mkdir()
    (tmp_path / "drorch.yaml").write_text(SETTINGS)
    (tmp_path / "policies/land.yaml").write_text(POLICY)
    open_sqlite(tmp_path / "var/catalog.sqlite").close()
    command = [sys.executable, "-X", "importtime", "-m", "drorch", *words]
    told = subprocess.run(command, cwd=tmp_path, env=dict(BARE), capture_output=True, text=True, check=False)
    imported = {line.rsplit("|", 1)[1].strip() for line in told.stderr.splitlines() if line.startswith("import time:")}
    assert told.returncode == 0, told.stdout
    assert "drorch.cli.main" in imported
    assert sorted(imported & left_out) == []
