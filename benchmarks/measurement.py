"""All rounds of all rows: who is measured when, and what is noted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.contestants import (
    BACKUP_ROWS,
    SMALL_TABLE,
    Bench,
    Contestant,
    Drorch,
    DumpOnly,
    Restic,
    drop_caches,
)
from benchmarks.measure import Measured
from benchmarks.peers import Borg, PgBackRest

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = "unit, sheet, parcel_no, area, use_code, owner, id_no, address, cert_no, issued, geom, note, updated"
APPENDED = (
    f"insert into parcel ({COLUMNS}) select {COLUMNS} from parcel where id % 20 = {{number}};\n"  # 5 % of the rows
)
SCATTERED = "update parcel set note = 'sổ mới', updated = now() where id % 200 = {number};\n"  # 0.5 % of the rows
RESTORES_BY_AGE = 3  # each of the oldest and the newest, in turns


class Measurement:
    """The figures of all rounds, by row and contestant."""

    def __init__(self, bench: Bench, options: argparse.Namespace) -> None:
        self.bench = bench
        self.options = options
        self.rows = options.rows.split(",")
        self.figures: dict[str, dict[str, list[Measured]]] = {}
        self.stored: dict[str, dict[str, tuple[int, int]]] = {}
        self.requests: dict[str, dict[str, int | None]] = {}
        self.is_dropped = True

    def note(self, row: str, contestant: Contestant, run: Callable[[], Measured], day: int = 0, name: str = "") -> None:
        """Time one run; what the table says was stored and asked is what the last round's runs of the row did, all of them."""
        name = name or contestant.name
        self.is_dropped = drop_caches() and self.is_dropped
        before = contestant.stored()
        asked_before = contestant.requests()
        measured = run()
        asked = _added(asked_before, contestant.requests())
        added = tuple(now - then for now, then in zip(contestant.stored(), before, strict=True))
        self.figures.setdefault(row, {}).setdefault(name, []).append(measured)
        earlier = self.stored[row][name] if day else (0, 0)
        self.stored.setdefault(row, {})[name] = (earlier[0] + added[0], earlier[1] + added[1])
        asked_earlier = self.requests[row][name] if day else 0
        self.requests.setdefault(row, {})[name] = None if asked is None else (asked_earlier or 0) + asked
        print(
            f"  {row:<14} {name:<17} {measured.wall_seconds:7.1f} s  {measured.cpu_seconds:6.1f} s processor"
            f"  +{added[0]:,} B" + ("" if asked is None else f" by {asked:,} requests"),
            flush=True,
        )

    def round(self, number: int) -> None:
        """Every contestant in turn, row by row; each starts anew."""
        everyone = self._contestants(number)
        is_last = number == self.options.rounds - 1
        if set(self.rows) - {"full", "cache", "tree"} and "full" not in self.rows:
            self._prepare(everyone)
        for row in BACKUP_ROWS:
            if row not in self.rows:
                continue
            self._back_up(row, number, everyone)
            if is_last:
                self._compare_all(row, everyone)
            if row == "generations":
                self._restore_by_age(everyone)
        self._restore(number, everyone)
        if "cache" in self.rows:
            self._measure_caches(number)
        for contestant in everyone:
            if isinstance(contestant, PgBackRest):
                contestant.end()

    def _back_up(self, row: str, number: int, everyone: Sequence[Contestant]) -> None:
        days = self.options.generations if row == "generations" else 1
        for day in range(days):
            self._change(row, number + day)
            for contestant in everyone:
                if row in contestant.rows:
                    self.note(row, contestant, contestant.back_up, day)

    def _prepare(self, everyone: Sequence[Contestant]) -> None:
        """Back up once, untimed: the rows that were asked for start from there."""
        for contestant in everyone:
            contestant.back_up()
            print(f"  prepared       {contestant.name}", flush=True)

    def _contestants(self, number: int) -> list[Contestant]:
        bench, options = self.bench, self.options
        wanted = [name.strip() for name in options.contestants.split(",") if name.strip()]
        makers: dict[str, Callable[[], Contestant]] = {
            "drorch": lambda: Drorch(bench),
            "restic auto": lambda: Restic(bench, options.restic, "auto"),
            "restic off": lambda: Restic(bench, options.restic, "off"),
            "borg (directory)": lambda: Borg(bench, options.borg, number),
            "pgbackrest (dir.)": lambda: PgBackRest(bench, options.pgbackrest, number),
            "pg_dump only": lambda: DumpOnly(bench),
        }
        return [make() for name, make in makers.items() if not wanted or name in wanted]

    def _change(self, row: str, number: int) -> None:
        change = {"scattered": SCATTERED, "generations": SCATTERED, "appended": APPENDED}.get(row)
        if change is not None:
            numbered = change.format(number=number % (20 if row == "appended" else 200))
            self.bench.postgresql.execute("land", [numbered, "checkpoint;\n"])

    def _restore(self, number: int, everyone: Sequence[Contestant]) -> None:
        for row, table in (("restore", None), ("one-table", SMALL_TABLE)):
            for place, contestant in enumerate(everyone):
                if row in self.rows and row in contestant.rows:
                    database = f"restored_{number}_{place}"
                    self.note(row, contestant, lambda: contestant.restore(database, table))  # noqa: B023 - called at once
                    contestant.forget(database)

    def _restore_by_age(self, everyone: Sequence[Contestant]) -> None:
        """Restore the newest and the oldest of drorch's snapshots in turns: does a chain of deltas make it slower?"""
        for contestant in everyone:
            if not isinstance(contestant, Drorch):
                continue
            snapshots = contestant.snapshots()
            for _ in range(RESTORES_BY_AGE):
                for name, snapshot in (("drorch, newest", snapshots[0]), ("drorch, oldest", snapshots[-1])):
                    self.note("by age", contestant, lambda: contestant.restore("aged", None, snapshot), name=name)  # noqa: B023 - called at once
                    contestant.forget("aged")

    def _measure_caches(self, number: int) -> None:
        """Back up, change 0.5 % of the rows, back up again: with room for all bases, for parts of them, and for none."""
        caches = [Drorch(self.bench)]
        caches[0].back_up()
        full_bytes = caches[0].base_bytes()
        for share in (2, 4):
            caches.append(Drorch(self.bench, cache_bytes=full_bytes // share))
            caches[-1].back_up()
        caches.append(Drorch(self.bench))
        caches[-1].back_up()
        caches[-1].lose_bases()
        self._change("scattered", 100 + number)
        for cached, name in zip(caches, ("drorch", "half the bases", "a quarter", "no base"), strict=True):
            self.note("cache", cached, cached.back_up, name=name)

    def _compare_all(self, row: str, everyone: Sequence[Contestant]) -> None:
        """Restore what was just stored and compare it with the database, untimed."""
        for place, contestant in enumerate(everyone):
            if row in contestant.rows and "restore" in contestant.rows:
                database = f"compared_{place}"
                contestant.restore(database)
                _compare(self.bench, contestant, database)
                contestant.forget(database)


def _added(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _compare(bench: Bench, contestant: Contestant, database: str) -> None:
    urls = [bench.postgresql.url("land"), contestant.address(database)]
    programs = str(bench.postgresql.programs)
    script = [sys.executable, str(ROOT / "tools" / "compare.py"), "postgresql", *urls, "--programs", programs]
    told = subprocess.run(script, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(f"{contestant.name} did not bring the database back equal: {told.stdout}{told.stderr}")
    print(f"  compared    {contestant.name:<17} equal", flush=True)
