"""``drorch demo``: the whole main job on this machine, with throw-away databases and real commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, wrapped
from drorch.clock import Clock, SystemClock
from drorch.errors import RestoreDiffers, TargetRefused, UsageInvalid
from drorch.operations.demonstration_civil import civil_register, civil_register_changes
from drorch.operations.demonstration_land import land_register_changes, land_register_sql
from drorch.quantities import format_duration
from drorch.sandbox.interface import ThrowAwayServer
from drorch.wiring import fill_sqlite, independent_comparer, throw_away_postgresql

MARKER = ".drorch-demo"
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
    default=Path("/var/tmp/drorch-demo"),  # noqa: S108 - made with mode 0700 and refused when it is not ours
    show_default=True,
    help="Where everything goes; an earlier demo there is replaced.",
)
@click.option("--scale", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Thousands of parcels.")
@click.option("--alter-one-cell", is_flag=True, help="Change one restored cell, to see that the proof notices.")
@common_options
def command(directory: Path, scale: int, alter_one_cell: bool, invocation: Invocation) -> int:
    """Back up, change, back up again, restore and prove, with invented data of a district.

    A throw-away PostgreSQL (land register) and a SQLite file (civil register) are the legacy databases, a directory
    is the store. The proof is made by a comparer that shares no code with drorch. Takes about a minute.
    """
    if invocation.output.as_json:
        raise UsageInvalid("a demo shows, it does not answer", hint="`drorch status --json` is for programs")
    clock = SystemClock()
    started = clock.monotonic_seconds()
    _make_directory(directory)
    show = _Show(invocation.output, directory)
    with throw_away_postgresql(directory) as server:
        _Demonstration(directory, server, scale, show, clock).run(alter_one_cell=alter_one_cell)
    show.text("", f"OK  everything came back equal; {format_duration(clock.monotonic_seconds() - started)}")
    show.end()
    return 0


class _Show:
    """Says what happens, and runs drorch's own commands the way a person would."""

    def __init__(self, output: Output, directory: Path) -> None:
        self._output = output
        self._config = directory / "etc" / "drorch.yaml"
        self._directory = directory

    def title(self, text: str) -> None:
        """Write a heading."""
        self.text("", f"== {text}")

    def text(self, *lines: str) -> None:
        """Write lines."""
        if not self._output.quiet:
            self._output.lines(line for text in lines for line in (wrapped(text, 0) if text else [""]))

    def drorch(self, *arguments: str) -> None:
        """Show a command, run it in this process, and stop the demo when it fails."""
        from drorch.cli.main import root

        self.text("", *self._shown(arguments))
        needs_config = arguments[0] not in ("init", "keys")
        given = [*arguments, *(["--config", str(self._config)] if needs_config else [])]
        code = root.main(args=given, prog_name="drorch", standalone_mode=False)
        if code:
            raise TargetRefused(f"`drorch {arguments[0]}` ended with {code}", expected="0", found=str(code))

    def _shown(self, arguments: Sequence[str]) -> list[str]:
        """Return the command in lines of at most 80 columns, as it could be pasted into a shell."""
        lines, line = [], "$ drorch"
        for word in arguments:
            quoted = f"'{word}'" if any(letter in word for letter in " &?;") else word
            if len(line) + len(quoted) > 76:
                lines.append(line + " \\")
                line = "   "
            line += f" {quoted}"
        return [*lines, line]

    def end(self) -> None:
        """Say what lies where and what to try next."""
        here = self._directory
        self.text(
            "",
            "What lies where",
            f"  {here}/etc          drorch.yaml, policies, keys",
            f"  {here}/store        the repository: encrypted, immutable objects",
            f"  {here}/restored     what was restored",
            "The throw-away server is stopped; delete the directory whenever you like.",
            "",
            "This demo BREAKS A RULE: the key that reads backups lies on the machine that",
            "makes them. In earnest a custodian makes it elsewhere; only the .pub comes here.",
            "",
            "Try next",
            f"  export DRORCH_CONFIG={self._config}",
            "  drorch status",
            "  drorch snapshots",
            "  drorch restore latest:civil-register --key $PWD/custodian.key \\",
            f"    --to sqlite:///{here}/restored/again.db      (in {here})",
            "  drorch verify --read-data 100",
            "and for your own databases: drorch init DIR, drorch policy new NAME",
        )


class _Demonstration:
    """The steps of the demo, in order."""

    def __init__(self, directory: Path, server: ThrowAwayServer, scale: int, show: _Show, clock: Clock) -> None:
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
            self._server.execute("land_restored", [ALTERATION])
            self._show.text("", "One cell of the restored land register was altered on purpose.")
        self._prove()

    def _fill(self) -> None:
        show = self._show
        show.title("1. Two legacy databases with invented data of a dissolved district")
        begun = self._clock.monotonic_seconds()
        self._server.execute("postgres", ["create database land;"])
        self._server.execute("land", _script(land_register_sql(self._parcels)))
        self._civil_file.parent.mkdir()
        fill_sqlite(self._civil_file, civil_register(self._records))
        show.text(
            f"  land register    PostgreSQL  {self._parcels:,} parcels",
            f"  civil register   SQLite      {self._records:,} records",
            f"  made in {format_duration(self._clock.monotonic_seconds() - begun)}",
        )

    def _found(self) -> None:
        show, here = self._show, self._directory
        show.title("2. Keys, drorch.yaml, a repository, two policies")
        (here / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
        show.drorch(
            "keys", "generate", "custodian", "--directory", str(here), "--passphrase-file", str(here / "passphrase")
        )
        show.drorch(
            "init", str(here / "etc"), "--store", f"disk={here / 'store'}",
            "--recipient", str(here / "custodian.pub"), "--root-passphrase-file", str(here / "passphrase"),
            "--state", str(here / "state"), "--cache", str(here / "cache"), "--temporary", str(here / "temporary"),
            "--owner", "UBND tỉnh Lâm Đồng",
        )  # fmt: skip
        policies = here / "etc" / "policies"
        land = LAND_POLICY.format(host=self._server.directory, port=self._server.port)
        (policies / "land-register.yaml").write_text(land, encoding="utf-8")
        civil = CIVIL_POLICY.format(file=self._civil_file)
        (policies / "civil-register.yaml").write_text(civil, encoding="utf-8")
        show.text("", "etc/policies/land-register.yaml:", *(f"  {line}" for line in land.splitlines()))
        show.drorch("policy", "validate")

    def _back_up_twice(self) -> None:
        show = self._show
        show.title("3. The first backup")
        show.drorch("backup", "land-register", "civil-register")
        show.title("4. A day passes: rows change, a column comes, and the second backup")
        self._server.execute("land", _script(land_register_changes()))
        fill_sqlite(self._civil_file, civil_register_changes())
        show.drorch("backup", "land-register", "civil-register")
        show.drorch("snapshots")

    def _restore(self) -> None:
        show, here = self._show, self._directory
        show.title("5. Restore both, from the store and one private key")
        key = ["--key", str(here / "custodian.key"), "--passphrase-file", str(here / "passphrase")]
        (here / "restored").mkdir()
        show.drorch("restore", "latest:land-register", *key, "--to", self._server.url("land_restored"))
        file = here / "restored" / "civil-register.db"
        show.drorch("restore", "latest:civil-register", *key, "--to", f"sqlite://{file}")

    def _prove(self) -> None:
        show, here = self._show, self._directory
        show.title("6. The proof, by a comparer that shares no code with drorch")
        restored = here / "restored" / "civil-register.db"
        for arguments in (
            ["postgresql", self._server.url("land"), self._server.url("land_restored")],
            ["sqlite", str(self._civil_file), str(restored)],
        ):
            code, words = independent_comparer(arguments, programs=self._server.programs)
            show.text(*(f"  {line}" for line in words.splitlines()))
            if code:
                raise RestoreDiffers(
                    f"the restored {arguments[0]} database is not equal to the original",
                    expected="no difference",
                    found=words.strip()[-400:],
                )


def _script(statements: Iterable[str]) -> Iterator[str]:
    """Yield statements with what ends them."""
    for statement in statements:
        yield f"{statement};\n"


def _make_directory(directory: Path) -> None:
    """Make the demo's directory; only one that an earlier demo has marked is replaced."""
    if directory.exists():
        if any(directory.iterdir()) and not (directory / MARKER).exists():
            raise TargetRefused(
                f"{directory} is not empty and no demo made it", hint="name another place by --directory"
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    directory.chmod(0o711)  # as root, the throw-away server is another account and must reach its own folder
    (directory / MARKER).touch()
