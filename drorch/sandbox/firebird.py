"""A Firebird database in a file, made by Debian's engine, which isql-fb loads itself: no server, no port, no password."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from drorch.errors import SourceUnsupported, TargetUnreachable
from drorch.sandbox.unprivileged import ENVIRONMENT

PACKAGES = "firebird3.0-server-core firebird3.0-utils"
LIBRARIES = Path("/usr/lib")
PLACES = "/usr/bin:/usr/local/bin"
LIMIT_SECONDS = 120


def make_firebird(database: Path, script: bytes, locks: Path) -> None:
    """Make ``database`` by a script for isql-fb in character set NONE; ``locks`` is a folder for the engine's locks.

    Raises ``SourceUnsupported`` without the programs or the engine, ``TargetUnreachable`` when the script fails.
    """
    _look_for_programs()
    name = str(database).replace("'", "''").encode()
    created = b"CREATE DATABASE '%s' PAGE_SIZE 8192 DEFAULT CHARACTER SET NONE;\n" % name
    told = subprocess.run(
        ["isql-fb", "-quiet", "-bail", "-merge", "-charset", "NONE"],
        input=created + script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**ENVIRONMENT, "FIREBIRD_LOCK": str(locks), "FIREBIRD_TMP": str(locks)},
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if told.returncode:
        said = told.stdout.decode(errors="replace")[-400:].strip()
        raise TargetUnreachable("a script failed in the throw-away Firebird", found=said)


def _look_for_programs() -> None:
    lacking = [name for name in ("isql-fb", "gbak", "gfix") if shutil.which(name, path=PLACES) is None]
    if not any(LIBRARIES.glob("*/firebird/*/plugins/libEngine*.so")):
        lacking.append("libEngine*.so")
    if lacking:
        raise SourceUnsupported(
            "no Firebird to work with",
            expected=f"what the Debian packages {PACKAGES} bring",
            found=f"no {', '.join(lacking)}",
            hint=f"apt-get install {PACKAGES}",
        )
