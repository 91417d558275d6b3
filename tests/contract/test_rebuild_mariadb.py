"""What ``tools/rebuild.py`` makes of a MariaDB snapshot that ``tools/recover.py`` wrote, judged by the independent comparer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.contract.test_recover_rebuild import restored
from tests.support.mariadb import MariadbServer
from tests.support.mariadb_zoo import build
from tests.support.taken_snapshot import take


def test_a_script_for_mariadb_brings_everything_back(mariadb: MariadbServer, tmp_path: Path) -> None:
    name = mariadb.new_database(prefix="zoo")
    mariadb.run(*build(name), "drop view broken", database=name)
    with mariadb.source(mariadb.location(name)).capture() as capture:
        taken = take(capture)
    out = restored(taken, tmp_path)
    back = mariadb.new_database(prefix="back")
    words = ["--no-defaults", f"--socket={mariadb.socket}", "--user=root", "--binary-mode", "--comments"]
    with (out / "restore.sql").open("rb") as script:
        told = subprocess.run(
            ["mariadb", *words, "--default-character-set=utf8mb4", back], stdin=script, capture_output=True, check=False
        )
    assert told.returncode == 0, told.stderr.decode(errors="replace")
    told_by = mariadb.compare(name, back, "^event nightly$")
    assert told_by.startswith("equal: 17 tables, 943 rows"), told_by
