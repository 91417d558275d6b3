"""A throw-away MariaDB: Debian's server as an account that owns nothing, reachable by a private socket only, gone at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drorch.clock import Clock
from drorch.errors import SourceUnsupported, TargetUnreachable
from drorch.sandbox.unprivileged import ENVIRONMENT, private_directory, run_script, run_unprivileged, unprivileged

PACKAGE = "mariadb-server"
PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
START_SECONDS = 60.0
ENDING_SECONDS = 10.0
_OPTIONS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=48M",
    "--innodb-log-file-size=16M",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+07:00",
)


@dataclass(frozen=True, slots=True)
class MariadbServer:
    """See ``ThrowAwayMariadb``; ``root`` needs no password on the socket, which lies where nobody else can go."""

    socket: Path
    client: str

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"mariadb://root@/{database}?socket={quote(str(self.socket))}"

    def execute(self, database: str, script: Iterable[str]) -> None:
        """Run a script of SQL by the program mariadb; raise ``TargetUnreachable`` at its first error."""
        words = ["--no-defaults", f"--socket={self.socket}", "--user=root", "--default-character-set=utf8mb4"]
        run_script([self.client, *words, "--batch", database], script)


@contextmanager
def throw_away_mariadb(parent: Path, clock: Clock) -> Iterator[MariadbServer]:
    """Start a server below ``parent`` and yield it; end and delete it, whatever happened. It ends with this program, too.

    Raises ``SourceUnsupported`` without the programs, ``TargetUnreachable`` when the server does not start.
    """
    with private_directory(parent, "my-") as directory:
        command, at, client = prepare(directory)
        with (
            (directory / "log").open("wb") as log,
            _running(unprivileged(command, ends_with_us=True), log.fileno()) as process,
        ):
            _wait(at, process, directory / "log", clock)
            yield MariadbServer(at, client)


def prepare(directory: Path, *more: str) -> tuple[list[str], Path, str]:
    """Make a data directory; return the words that start its server, the socket, and the client's program.

    Temporary tables lie in ``directory``, too: they hold rows, and a server that starts deletes those of every other server
    that has the same directory for them.
    """
    server, install, client = (program(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))
    places, at = [f"--datadir={directory}/data", f"--tmpdir={directory}"], directory / "s"
    run_unprivileged(
        [install, "--no-defaults", *places, "--skip-test-db", "--auth-root-authentication-method=normal",
         "--skip-name-resolve"]
    )  # fmt: skip
    return (
        [server, "--no-defaults", *places, f"--socket={at}", f"--pid-file={directory}/pid", *_OPTIONS, *more],
        at,
        client,
    )


def is_listening(at: Path) -> bool:
    """Whether somebody takes connections there."""
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(str(at)) == 0


def program(name: str) -> str:
    """Return where a program of MariaDB is; raise ``SourceUnsupported``."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        raise SourceUnsupported(
            "no MariaDB server to start",
            expected=f"the program {name} of the Debian package {PACKAGE}",
            found=f"no {name} in {PLACES}",
            hint=f"apt-get install {PACKAGE}",
        )
    return found


@contextmanager
def _running(command: list[str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server; at the end ask it politely, and do not wait longer than ``ENDING_SECONDS``."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(at: Path, process: subprocess.Popen[bytes], log: Path, clock: Clock) -> None:
    """Return when the server listens; raise ``TargetUnreachable`` when it ended or takes too long."""
    deadline = clock.monotonic_seconds() + START_SECONDS
    while True:
        if is_listening(at):
            return
        if process.poll() is not None or clock.monotonic_seconds() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace")[-400:].strip()
            raise TargetUnreachable("the throw-away MariaDB did not start", found=said)
        clock.sleep(0.05)
