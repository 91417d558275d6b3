"""drorch and its peers, each as the commands that a sysadmin would type; every one works on the same servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.measure import Measured, timed
from drorch.sandbox.interface import ThrowAwayServer
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

PASSPHRASE = "benchmark"
POLICY = """\
name: land
source:
  postgresql:
    host: {host}
    port: {port}
    database: land
    user: postgres
schedule: "30 1 * * *"
"""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The servers and a directory for everything."""

    directory: Path
    postgresql: ThrowAwayServer
    s3: SeaweedFS

    def environment(self) -> dict[str, str]:
        """Return what every contestant is given."""
        return {
            "PATH": f"{self.postgresql.programs}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": ADMIN.access_key,
            "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
            "PGHOST": str(self.postgresql.directory),
            "PGPORT": str(self.postgresql.port),
            "PGUSER": "postgres",
        }

    def stored(self, bucket: str) -> tuple[int, int]:
        """Return how many bytes and objects lie in a bucket."""
        client = self.s3.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
        client.close()
        return sum(sizes), len(sizes)

    def requests(self, bucket: str) -> int:
        """Return how often the server was asked for something in a bucket, by whomever, as it counts itself."""
        return self.s3.requests(bucket)


class Contestant(Protocol):
    """Something that backs up database ``land`` into a place of its own, and restores it. ``rows`` are those it can take part in."""

    name: str
    rows: frozenset[str]

    def back_up(self) -> Measured:
        """Back up once."""
        ...

    def restore(self, database: str, table: str | None = None) -> Measured:
        """Restore the newest backup, or one table of it, into an empty or absent database."""
        ...

    def address(self, database: str) -> str:
        """Return where what was restored is to be looked at."""
        ...

    def stored(self) -> tuple[int, int]:
        """Return how many bytes and objects it keeps."""
        ...

    def requests(self) -> int | None:
        """Return how many requests its place was sent so far; ``None`` where that is a directory."""
        ...

    def forget(self, database: str) -> None:
        """Remove what was restored."""
        ...


BACKUP_ROWS = ("full", "unchanged", "scattered", "appended", "generations")
DUMP_ROWS = frozenset((*BACKUP_ROWS, "restore", "one-table"))
SMALL_TABLE = "unit"


class _InPostgresql:
    """What contestants that restore into the one server have in common."""

    _bench: Bench

    def address(self, database: str) -> str:
        """See ``Contestant``."""
        return self._bench.postgresql.url(database)

    def forget(self, database: str) -> None:
        """See ``Contestant``."""
        self._bench.postgresql.execute("postgres", [f"drop database {database};"])


class Drorch(_InPostgresql):
    """``drorch backup`` and ``drorch restore``, everything on by default."""

    name = "drorch"
    rows = DUMP_ROWS

    def __init__(self, bench: Bench, cache_bytes: int | None = None) -> None:
        """``cache_bytes`` bounds the base cache; else it has the default."""
        self._bench = bench
        self._cache_bytes = cache_bytes
        self.bucket = bench.s3.make_bucket()
        self._home = bench.directory / self.bucket
        self._home.mkdir()
        self._key = self._home / "custodian.key"
        self._passphrase = self._home / "passphrase"
        self._passphrase.write_text(PASSPHRASE + "\n")
        self._found()

    def _found(self) -> None:
        home, etc = self._home, self._home / "etc"
        (etc / "secrets").mkdir(parents=True)
        for name, value in (("s3.access-key", ADMIN.access_key), ("s3.secret-key", ADMIN.secret_key)):
            (etc / "secrets" / name).write_text(value)
            (etc / "secrets" / name).chmod(0o600)
        secret = ["--passphrase-file", str(self._passphrase)]
        self._run("keys", "generate", "custodian", "--directory", str(home), *secret)
        self._run(
            "init", str(etc), "--store", f"s3=s3://{self.bucket}/main", "--endpoint", self._bench.s3.endpoint,
            "--recipient", str(home / "custodian.pub"), "--root-passphrase-file", str(self._passphrase),
            "--state", str(home / "state"), "--cache", str(home / "cache"), "--temporary", str(home / "temporary"),
        )  # fmt: skip
        server = self._bench.postgresql
        if self._cache_bytes is not None:
            with (etc / "drorch.yaml").open("a", encoding="utf-8") as file:
                file.write(f"\nlimits:\n  cache: {self._cache_bytes}B\n")
        (etc / "policies" / "land.yaml").write_text(POLICY.format(host=server.directory, port=server.port))

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        return timed(self._command("backup", "land"), self._environment())

    def restore(self, database: str, table: str | None = None, snapshot: str = "latest:land") -> Measured:
        """See ``Contestant``."""
        return timed(
            self._command(
                "restore", snapshot, "--key", str(self._key), "--passphrase-file", str(self._passphrase),
                "--to", self._bench.postgresql.url(database), *(["--table", f"public.{table}"] if table else []),
            ),
            self._environment(),
        )  # fmt: skip

    def stored(self) -> tuple[int, int]:
        """See ``Contestant``."""
        return self._bench.stored(self.bucket)

    def requests(self) -> int:
        """See ``Contestant``."""
        return self._bench.requests(self.bucket)

    def snapshots(self) -> list[str]:
        """Return what can be restored, the newest first."""
        command = self._command("snapshots", "list", "land", "--limit", "1000", "--json")
        told = subprocess.run(command, env=self._environment(), check=True, capture_output=True, text=True)
        return [one["snapshot"] for one in json.loads(told.stdout)["snapshots"]]

    def base_bytes(self) -> int:
        """Return what the base cache takes."""
        return sum(path.stat().st_size for path in self._home.glob("cache/**/*.bases/**/*") if path.is_file())

    def lose_bases(self) -> None:
        """Remove the base cache."""
        for directory in list(self._home.glob("cache/**/*.bases")):
            shutil.rmtree(directory)

    def _command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).parent / "drorch"), *arguments]

    def _environment(self) -> Mapping[str, str]:
        return {**self._bench.environment(), "DRORCH_CONFIG": str(self._home / "etc" / "drorch.yaml")}

    def _run(self, *arguments: str) -> None:
        timed(self._command(*arguments), self._bench.environment())


class Restic(_InPostgresql):
    """``pg_dump -Fc -Z0 | restic backup --stdin`` and ``restic dump | pg_restore``; ``compression`` is restic's option."""

    rows = DUMP_ROWS

    def __init__(self, bench: Bench, program: str, compression: str) -> None:
        self._bench = bench
        self._program = program
        self._compression = compression
        self.name = f"restic {compression}"
        self.bucket = bench.s3.make_bucket()
        self._repository = f"s3:{bench.s3.endpoint}/{self.bucket}"
        subprocess.run(
            [program, "-r", self._repository, "--repository-version", "2", "init"],
            env=self._environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        return self._shell(
            "set -o pipefail; pg_dump -Fc -Z0 land | "
            f"{self._program} -q -r {self._repository} --compression {self._compression} backup --stdin --stdin-filename land.dump"
        )

    def restore(self, database: str, table: str | None = None) -> Measured:
        """See ``Contestant``; the database is created untimed."""
        self._bench.postgresql.execute("postgres", [f"create database {database} template template0;"])
        only = f"-t {table}" if table else ""
        return self._shell(
            f"set -o pipefail; {self._program} -q -r {self._repository} dump latest land.dump | pg_restore {only} -d {database}"
        )

    def stored(self) -> tuple[int, int]:
        """See ``Contestant``."""
        return self._bench.stored(self.bucket)

    def requests(self) -> int:
        """See ``Contestant``."""
        return self._bench.requests(self.bucket)

    def _shell(self, script: str) -> Measured:
        return timed(["/bin/bash", "-c", script], self._environment())

    def _environment(self) -> dict[str, str]:
        cache = self._bench.directory / f"cache-{self.bucket}"
        return {**self._bench.environment(), "RESTIC_PASSWORD": PASSPHRASE, "RESTIC_CACHE_DIR": str(cache)}


class DumpOnly:
    """``pg_dump -Fc -Z0`` to /dev/null: what reading the database costs by itself."""

    name = "pg_dump only"
    rows = frozenset(("full", "unchanged"))

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def back_up(self) -> Measured:
        """See ``Contestant``."""
        return timed(["/bin/bash", "-c", "exec pg_dump -Fc -Z0 land >/dev/null"], self._bench.environment())

    def restore(self, database: str, table: str | None = None) -> Measured:
        """It stores nothing."""
        raise RuntimeError(f"{self.name} stores nothing to restore {table or ''} into {database}")

    def address(self, database: str) -> str:
        """It restores nothing."""
        raise RuntimeError(f"{self.name} restores no {database}")

    def stored(self) -> tuple[int, int]:
        """Nothing."""
        return 0, 0

    def requests(self) -> None:
        """None."""

    def forget(self, database: str) -> None:
        """There is nothing."""


def drop_caches() -> bool:
    """Drop the kernel's page cache where that is allowed; return whether it was."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
    except OSError:
        return False
    return True
