"""``drorch demo``: the whole main job on this machine, with throw-away databases and real commands."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

import click

from drorch.cli.demo.directory import default_directory, demo_directory, place_for_server
from drorch.cli.demo.province import Province
from drorch.cli.demo.show import Show, first_differences, in_yaml, path_lines, script
from drorch.cli.invocation import Invocation, common_options
from drorch.clock import Clock, SystemClock
from drorch.errors import RestoreDiffers, UsageInvalid
from drorch.operations.demonstration.civil import civil_register, civil_register_changes
from drorch.operations.demonstration.land import land_register_changes, land_register_sql
from drorch.quantities import counted, format_duration
from drorch.sandbox.interface import ThrowAwayServer
from drorch.wiring import fill_sqlite, independent_comparer, throw_away_postgresql

PASSPHRASE = "a demo needs no secret"  # noqa: S105 - it protects a key that is made and shown on one machine
ALTERATION = "update dia_chinh.thua_dat set ghi_chu = 'khác' where id = (select min(id) from dia_chinh.thua_dat);"
LAND_POLICY = """\
# eight lines protect a database; the rest comes from `defaults:`
name: land-register
source:
  postgresql:
    host: {host}
    port: {port}
    database: land
    user: postgres
schedule: "30 1 * * *"
"""
CIVIL_POLICY = """\
name: civil-register
source:
  sqlite:
    file: {file}
schedule: "0 2 * * *"
"""


@click.command(epilog="Example: drorch demo --directory /var/tmp/drorch-demo")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything goes; an earlier demo there is replaced. Default: /var/tmp/drorch-demo, for others than root "
    "with their number behind it.",
)
@click.option("--scale", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Thousands of parcels.")
@click.option(
    "--province",
    is_flag=True,
    help="Eleven systems instead of two: PostgreSQL, MariaDB, SQLite, files, Firebird. One whose programs are missing is left "
    "out (exit 3).",
)
@click.option("--alter-one-cell", is_flag=True, help="Change one restored cell, to see that the proof notices.")
@common_options
def command(directory: Path | None, scale: int, province: bool, alter_one_cell: bool, invocation: Invocation) -> int:
    """Back up, change, back up again, restore and prove, with invented data of a district.

    A throw-away PostgreSQL (land register) and a SQLite file (civil register) are the legacy databases, a directory
    is the store. The proof is made by a comparer that shares no code with drorch, and a restore drill ends it. Takes less than a minute.
    """
    if invocation.output.as_json:
        raise UsageInvalid("a demo shows, it does not answer", hint="`drorch status --json` is for programs")
    clock = SystemClock()
    started = clock.monotonic_seconds()
    with demo_directory(directory or default_directory()) as here, contextlib.chdir(here):
        show = Show(invocation.output, here)
        show.text(f"Everything happens in {here}.", "Nothing else is touched, and nothing stays running.")
        if province:
            steps = Province(here, scale, show, clock, found=lambda: _found(show, here))
            code = steps.run(alter_one_cell=alter_one_cell)
            took = format_duration(clock.monotonic_seconds() - started)
            if code:
                show.text("", f"PARTIAL  what could be tried came back equal; {took}")
            else:
                show.text("", f"OK  everything came back equal; {took}")
            show.text("Delete the directory whenever you like; its key lies beside its backups.")
            return code
        with throw_away_postgresql(place_for_server(here)) as server:
            _Demonstration(here, server, scale, show, clock).run(alter_one_cell=alter_one_cell)
        show.text("", f"OK  everything came back equal; {format_duration(clock.monotonic_seconds() - started)}")
        _end(show, here)
    return 0


class _Demonstration:
    """The steps of the demo, in order."""

    def __init__(self, directory: Path, server: ThrowAwayServer, scale: int, show: Show, clock: Clock) -> None:
        self._directory = directory
        self._server = server
        self._show = show
        self._clock = clock
        self._parcels = scale * 1_000
        self._records = scale * 500
        self._civil_file = directory / "legacy" / "civil-register.db"

    def run(self, *, alter_one_cell: bool) -> None:
        """Run all steps; raises what any of them raises."""
        self._fill()
        self._found()
        self._back_up_twice()
        self._restore()
        if alter_one_cell:
            self._server.execute("land_copy", [ALTERATION])
            self._show.text("", "One cell of the restored land register was altered on purpose.")
        self._prove()
        self._drill()

    def _fill(self) -> None:
        show = self._show
        show.title("1. Two legacy databases with invented data of a dissolved district")
        begun = self._clock.monotonic_seconds()
        self._server.execute("postgres", ["create database land;"])
        self._server.execute("land", script(land_register_sql(self._parcels)))
        self._civil_file.parent.mkdir()
        fill_sqlite(self._civil_file, civil_register(self._records))
        show.text(
            f"  land register    PostgreSQL  {counted(self._parcels, 'parcel')}",
            f"  civil register   SQLite      {counted(self._records, 'record')}",
            f"  made in {format_duration(self._clock.monotonic_seconds() - begun)}",
        )

    def _found(self) -> None:
        show, here = self._show, self._directory
        show.title("2. A custodian's key, drorch.yaml, a repository, two policies")
        _found(show, here)
        policies = here / "etc" / "policies"
        land = LAND_POLICY.format(host=in_yaml(self._server.directory), port=self._server.port)
        (policies / "land-register.yaml").write_text(land, encoding="utf-8")
        civil = CIVIL_POLICY.format(file=in_yaml(self._civil_file))
        (policies / "civil-register.yaml").write_text(civil, encoding="utf-8")
        show.text("", "etc/policies/land-register.yaml:", *(f"  {line}" for line in land.splitlines()))
        show.drorch("policy", "validate")

    def _back_up_twice(self) -> None:
        show = self._show
        show.title("3. The first backup")
        show.drorch("backup", "land-register", "civil-register")
        show.title("4. A day passes: rows change, a column comes, and the second backup")
        self._server.execute("land", script(land_register_changes()))
        fill_sqlite(self._civil_file, civil_register_changes())
        show.drorch("backup", "land-register", "civil-register")
        show.drorch("snapshots")

    def _restore(self) -> None:
        show, here = self._show, self._directory
        show.title("5. Restore both, from the store and one private key")
        key = ["--key", "custodian.key", "--passphrase-file", "passphrase"]
        (here / "restored").mkdir()
        show.drorch("restore", "latest:land-register", *key, "--to", self._server.url("land_copy"))
        file = here / "restored" / "civil-register.db"
        show.drorch("restore", "latest:civil-register", *key, "--to", f"sqlite://{file}")

    def _prove(self) -> None:
        show, here = self._show, self._directory
        show.title("6. The proof, by a comparer that shares no code with drorch")
        restored = here / "restored" / "civil-register.db"
        originals: list[tuple[str, list[str]]] = [
            ("land register", ["postgresql", self._server.url("land"), self._server.url("land_copy")]),
            ("civil register", ["sqlite", str(self._civil_file), str(restored)]),
        ]
        for name, arguments in originals:
            code, words = independent_comparer(arguments, programs=self._server.programs)
            if code:
                raise RestoreDiffers(
                    f"the restored {name} is not equal to the original",
                    expected="no difference",
                    found=first_differences(words),
                    still_good=f"The snapshots are as they were. What was restored is in {here}.",
                )
            show.text(f"  {name:<15}  {words.strip()}")
        show.text("  (it counts a materialized view among the tables)")

    def _drill(self) -> None:
        show = self._show
        show.title("7. A restore drill: in a sandbox without network, every check, with evidence")
        words = ("drill", "run", "land-register", "--key", "custodian.key", "--passphrase-file", "passphrase")
        if not show.is_quiet:
            show.drorch(*words)
        elif not show.answer(*words)["ok"]:
            raise RestoreDiffers("the restore drill did not pass", expected="ok", found="`drorch drill list` says more")
        (newest, *_) = show.answer("drill", "list")["drills"]
        show.drorch("evidence", "report", str(newest["drill"]), "--to", "reports")


def _end(show: Show, directory: Path) -> None:
    """Say what lies where and what to try next."""
    show.text(
        "",
        f"What lies where in {directory}",
        "  etc            drorch.yaml, policies, this machine's keys",
        "  store          the repository: encrypted objects that never change",
        "  legacy         the SQLite file; the PostgreSQL server is stopped and gone,",
        "                 so land-register can be restored, but not backed up again",
        "  restored       what was restored",
        "  reports        the drill on paper, in Vietnamese and English",
        "  custodian.key  reads every backup; its passphrase is in the file passphrase",
        "Delete the directory whenever you like.",
        "",
        "This demo BREAKS A RULE: the key that reads backups lies on the machine that",
        "makes them. In earnest a custodian makes it elsewhere; only the .pub comes here.",
        "",
        "Try next",
        f"  cd {shlex.quote(str(directory))}",
        "  export DRORCH_CONFIG=$PWD/etc/drorch.yaml",
        *path_lines(),
        "  drorch status",
        "  drorch policy show civil-register",
        '  drorch restore latest:civil-register --to "sqlite://$PWD/again.db" \\',
        "    --key custodian.key --passphrase-file passphrase",
        "  drorch drill run civil-register --key custodian.key \\",
        "    --passphrase-file passphrase",
        "  drorch verify --read-data 100",
        "  drorch recovery-sheet",
        "and for your own databases: README.md, or",
        "  drorch init --help",
    )


def _found(show: Show, here: Path) -> None:
    """Make a key, an installation and a repository."""
    (here / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    show.surroundings()
    show.drorch("keys", "generate", "custodian", "--passphrase-file", "passphrase")
    show.drorch(
        "init", "etc", "--store", f"disk={here / 'store'}", "--recipient", "custodian.pub",
        "--root-passphrase-file", "passphrase", "--owner", "UBND tỉnh Lâm Đồng",
        "--state", "var/state", "--cache", "var/cache", "--temporary", "var/temporary",
    )  # fmt: skip
