"""borg and pgBackRest, with their best fair settings: zstd 1, encrypted, into a directory (neither speaks to this S3)."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from benchmarks.contestants import DUMP_ROWS, PASSPHRASE, Bench, _InPostgresql
from benchmarks.measure import Measured, timed
from drorch.sandbox.postgresql import PostgresqlServer
from drorch.sandbox.unprivileged import give_away, run_unprivileged, unprivileged

RESTORED_PORT = 6543


def held_by(directory: Path) -> tuple[int, int]:
    """Return the bytes and files of a directory."""
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


class Borg(_InPostgresql):
    """``pg_dump -Fc -Z0 | borg create`` into a directory, and ``borg extract --stdout | pg_restore``."""

    name = "borg (directory)"
    rows = DUMP_ROWS

    def __init__(self, bench: Bench, program: str, number: int) -> None:
        self._bench = bench
        self._program = program
        self._repository = bench.directory / f"borg-{number}"
        self._made = 0
        timed([program, "init", "--encryption", "repokey-blake2", str(self._repository)], self._environment())

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        self._made += 1
        archive = f"{self._repository}::{self._made}"
        return self._shell(
            f"pg_dump -Fc -Z0 land | {self._program} create --compression zstd,1 --stdin-name land.dump {archive} -"
        )

    def restore(self, database: str, table: str | None = None) -> Measured:
        """See ``Contestant``; the database is created untimed."""
        self._bench.postgresql.execute("postgres", [f"create database {database} template template0;"])
        only = f"-t {table}" if table else ""
        archive = f"{self._repository}::{self._made}"
        return self._shell(f"{self._program} extract --stdout {archive} | pg_restore {only} -d {database}")

    def stored(self) -> tuple[int, int]:
        """See ``Contestant``."""
        return held_by(self._repository)

    def requests(self) -> None:
        """See ``Contestant``."""

    def _shell(self, script: str) -> Measured:
        return timed(["/bin/bash", "-c", f"set -o pipefail; {script}"], self._environment())

    def _environment(self) -> dict[str, str]:
        own = {"BORG_PASSPHRASE": PASSPHRASE, "BORG_BASE_DIR": str(self._bench.directory / "borg")}
        return {**self._bench.environment(), **own}


class PgBackRest:
    """``pgbackrest backup`` of the whole server, files and WAL, two processes, into a directory; a restore ends when the server answers."""

    name = "pgbackrest (dir.)"
    rows = frozenset(("full", "unchanged", "scattered", "appended", "generations", "restore"))

    def __init__(self, bench: Bench, program: str, number: int) -> None:
        self._bench = bench
        self._place = bench.directory / f"pgbackrest-{number}"
        self._place.mkdir()
        give_away(self._place)
        self._repository = self._place / "repository"
        self._command = [program, f"--config={self._configured()}", "--stanza=land"]
        self._is_first = True
        self._archive_into(shlex.join([*self._command, "archive-push"]) + " %p")
        self._run("stanza-create")

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        kind, self._is_first = "full" if self._is_first else "incr", False
        return self._run(f"--type={kind}", "backup")

    def restore(self, database: str, table: str | None = None) -> Measured:
        """See ``Contestant``."""
        if table:
            raise RuntimeError("pgBackRest restores no single table")
        data = self._place / database
        data.mkdir(mode=0o700)
        give_away(data)
        server = self._bench.postgresql
        restore = shlex.join([*self._command, f"--pg1-path={data}", "--archive-mode=off", "restore"])
        start = (
            f"{server.programs}/pg_ctl -D {data} -w -t 600 -o '-p {RESTORED_PORT}' -l {self._place}/restored.log start"
        )
        return timed(unprivileged(["/bin/bash", "-c", f"{restore} && {start}"]), self._environment())

    def address(self, database: str) -> str:
        """See ``Contestant``; it restores the server, and the database under its own name."""
        server = self._bench.postgresql
        assert (self._place / database).exists()
        return PostgresqlServer(server.directory, RESTORED_PORT, server.programs).url("land")

    def stored(self) -> tuple[int, int]:
        """See ``Contestant``; of the backups, without the archived WAL."""
        return held_by(self._repository / "backup")

    def requests(self) -> None:
        """See ``Contestant``."""

    def forget(self, database: str) -> None:
        """See ``Contestant``."""
        data = self._place / database
        run_unprivileged([self._bench.postgresql.programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
        shutil.rmtree(data)

    def end(self) -> None:
        """Let the server archive nothing from now on."""
        self._archive_into("/bin/true")

    def _configured(self) -> Path:
        server, place = self._bench.postgresql, self._place
        path = place / "pgbackrest.conf"
        path.write_text(f"""[global]
repo1-path={self._repository}
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={PASSPHRASE}
repo1-retention-full=99
compress-type=zst
compress-level=1
process-max=2
start-fast=y
log-level-console=error
log-level-file=off
lock-path={place}
spool-path={place}
[land]
pg1-path={server.directory}/data
pg1-port={server.port}
pg1-socket-path={server.directory}
pg1-user=postgres
""")
        return path

    def _archive_into(self, command: str) -> None:
        """Have the server archive its WAL: pgBackRest's backups need it. A server that archived nothing is restarted."""
        server = self._bench.postgresql
        server.execute(
            "postgres", ["alter system set archive_mode = on;", f"alter system set archive_command = '{command}';"]
        )
        data = server.directory / "data"
        log = server.directory / "server.log"
        control: list[str | Path] = [server.programs / "pg_ctl", "-D", data, "-w", "-l", log, "-m", "fast"]
        run_unprivileged([*control, "restart"])

    def _run(self, *arguments: str) -> Measured:
        return timed(unprivileged([*self._command, *arguments]), self._environment())

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
