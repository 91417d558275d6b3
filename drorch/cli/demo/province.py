"""``drorch demo --province``: every kind of system that a province leaves behind, each by its own policy, and one table at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from drorch.cli.demo.directory import place_for_server
from drorch.cli.demo.show import Show, first_differences
from drorch.cli.demo.systems import Places, System, in_files, on_firebird, on_mariadb, on_postgresql
from drorch.cli.output import WIDTH, table
from drorch.clock import Clock
from drorch.errors import PARTIAL, RestoreDiffers, SourceUnsupported
from drorch.quantities import format_duration, format_size
from drorch.wiring import fill_sqlite, independent_comparer, throw_away_mariadb, throw_away_postgresql

KEY = ("--key", "custodian.key", "--passphrase-file", "passphrase")
ALTERATION = "UPDATE khai_sinh SET ghi_chu = 'khác' WHERE id = (SELECT min(id) FROM khai_sinh)"
_Server = TypeVar("_Server")


@dataclass(slots=True, kw_only=True)
class _Judged:
    """What became of one system."""

    system: System
    restored_seconds: float
    is_equal: bool
    words: str


class Province:
    """The steps of the demo of a province, in order; the directory has neither servers nor an installation yet."""

    def __init__(self, directory: Path, thousands: int, show: Show, clock: Clock, *, found: Callable[[], None]) -> None:
        """``found`` makes the key, the settings and the repository."""
        self._directory = directory
        self._show = show
        self._clock = clock
        self._found = found
        self._places = Places(
            legacy=directory / "legacy",
            restored=directory / "restored",
            secret_folder=directory / "etc" / "secrets",
            thousands=thousands,
        )
        self._left_out: list[str] = []
        self._programs = Path("/usr/bin")

    def run(self, *, alter_one_cell: bool) -> int:
        """Run all steps; return 0, or 3 when systems were left out; raise what a step raises, ``RestoreDiffers`` at the end."""
        show = self._show
        for folder in (self._places.legacy, self._places.restored):
            folder.mkdir()
        with ExitStack() as servers:
            show.title("1. A custodian's key, drorch.yaml, a repository")
            self._found()
            show.title("2. The legacy systems of a province, with invented data")
            begun = self._clock.monotonic_seconds()
            systems = list(self._systems(servers))
            show.text(f"  made in {format_duration(self._clock.monotonic_seconds() - begun)}")
            self._back_up(systems)
            judged = self._restore_and_compare(systems, alter_one_cell=alter_one_cell)
        self._tell(judged)
        return PARTIAL if self._left_out else 0

    def _systems(self, servers: ExitStack) -> Iterator[System]:
        """Start what this machine has, and yield the systems; say what is left out for want of a program."""
        place, places = place_for_server(self._directory), self._places
        kinds: tuple[tuple[str, Callable[[], Iterator[System]]], ...] = (
            (
                "land-register, tax-codes, signatures, dossiers, dossier-files",
                lambda: self._on_postgresql(servers, place),
            ),
            ("civil-register, island-books, land-scans", lambda: in_files(places)),
            ("births, accounts", lambda: self._on_mariadb(servers, place)),
            ("ledger", lambda: on_firebird(places)),
        )
        for names, make in kinds:
            try:
                for system in make():
                    self._show.text(f"  {system.name:<15}  {system.engine}")
                    yield system
            except SourceUnsupported as error:
                line = f"LEFT OUT  {names}: {error.message}; {error.hint}"
                self._left_out.append(line)
                self._show.text(*textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="            "))

    def _on_postgresql(self, servers: ExitStack, place: Path) -> Iterator[System]:
        server = _entered(servers, throw_away_postgresql(place))
        self._programs = server.programs
        yield from on_postgresql(server, self._places)

    def _on_mariadb(self, servers: ExitStack, place: Path) -> Iterator[System]:
        server = _entered(servers, throw_away_mariadb(place, self._clock))
        yield from on_mariadb(server, self._places)

    def _back_up(self, systems: list[System]) -> None:
        show = self._show
        show.title("3. A policy for each, and one command backs all of them up")
        for system in systems:
            path = self._directory / "etc" / "policies" / f"{system.name}.yaml"
            path.write_text(system.policy, encoding="utf-8")
        show.drorch("policy", "validate")
        show.drorch("backup", *(system.name for system in systems))

    def _restore_and_compare(self, systems: list[System], *, alter_one_cell: bool) -> list[_Judged]:
        """Restore each beside the original, from the store and the private key; then ask the comparer."""
        show = self._show
        show.title("4. Restore each, from the store and one private key")
        taken = {}
        for system in systems:
            begun = self._clock.monotonic_seconds()
            show.drorch("restore", f"latest:{system.name}", *KEY, "--to", system.target)
            taken[system.name] = self._clock.monotonic_seconds() - begun
        if alter_one_cell:
            fill_sqlite(self._places.restored / "civil-register.db", [(ALTERATION, ())])
            show.text("", "One cell of the restored civil register was altered on purpose.")
        show.title("5. The proof, by a comparer that shares no code with drorch")
        judged = []
        for system in systems:
            code, words = independent_comparer(system.question, programs=self._programs)
            one = _Judged(system=system, restored_seconds=taken[system.name], is_equal=not code, words=words.strip())
            judged.append(one)
        return judged

    def _tell(self, judged: list[_Judged]) -> None:
        """Write the table; raise ``RestoreDiffers`` about the first system that did not come back equal."""
        stored = {one["source"]: one["bytes_stored"] for one in self._show.answer("snapshots")["snapshots"]}
        rows = [("SYSTEM", "ENGINE", "ROWS/NAMES", "STORED", "RESTORED", "JUDGED")]
        for one in judged:
            size = format_size(stored[one.system.name])
            counted = _counted(one.words) if one.is_equal else "-"
            took = f"in {format_duration(one.restored_seconds)}"
            rows.append(
                (one.system.name, one.system.engine, counted, size, took, "equal" if one.is_equal else "DIFFERENT")
            )
        self._show.text(*table(rows, right=frozenset({2, 3})))
        for line in self._left_out:
            self._show.incomplete(*textwrap.wrap(line, WIDTH, subsequent_indent="          "))
        for one in judged:
            if not one.is_equal:
                raise RestoreDiffers(
                    f"the restored {one.system.name} is not equal to the original",
                    expected="no difference",
                    found=first_differences(one.words),
                    still_good=f"The snapshots are as they were. What was restored is in {self._directory}.",
                )


def _entered(servers: ExitStack, server: AbstractContextManager[_Server]) -> _Server:
    return servers.enter_context(server)


def _counted(words: str) -> str:
    """Return the last number of "equal: 4 tables, 120 rows"; for files it is the number of names."""
    numbers = [word for word in words.split() if word.isdigit()]
    return f"{int(numbers[-1]):,}"
