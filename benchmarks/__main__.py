"""Measure drorch beside restic, borg and pgBackRest on one PostgreSQL and one SeaweedFS, interleaved, in one run.

    ./run bench                                     the usual rows, 3 rounds, 1.24 GB
    ./run bench --small                             the same with 62 MB, 1 round: whether it works
    ./run bench --rounds 1 --rows full,generations --generations 60 --scale 0.1
    ./run bench --rows tree --files 200000
    ./run bench --restic PATH --borg PATH --pgbackrest PATH

Every backup that is timed in the last round is restored and compared by tools/compare.py; what is not the newest of a contestant
was compared when it was. borg and pgBackRest write into a directory, drorch and restic to S3.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
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
from benchmarks.measure import Measured, medians
from benchmarks.peers import Borg, PgBackRest
from benchmarks.trees import measure_trees
from drorch.sandbox.postgresql import throw_away_postgresql
from tests.support.seaweedfs import shared_server

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = Path(__file__).with_name("land-register.sql")
ROWS = ("full", "unchanged", "scattered", "appended", "restore", "one-table")
MORE_ROWS = ("generations", "tree")
COLUMNS = "unit, sheet, parcel_no, area, use_code, owner, id_no, address, cert_no, issued, geom, note, updated"
APPENDED = (
    f"insert into parcel ({COLUMNS}) select {COLUMNS} from parcel where id % 20 = {{number}};\n"  # 5 % of the rows
)
SCATTERED = "update parcel set note = 'sổ mới', updated = now() where id % 200 = {number};\n"  # 0.5 % of the rows


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is 4 million parcels, 1.24 GB")
    parser.add_argument("--small", action="store_true", help="one round at scale 0.05")
    parser.add_argument("--rows", default=",".join(ROWS), help="some of: " + ", ".join((*ROWS, *MORE_ROWS)))
    parser.add_argument(
        "--generations", type=int, default=60, help="how many days, each with other 0.5 %% of the rows updated"
    )
    parser.add_argument("--files", type=int, default=200_000, help="of the tree")
    parser.add_argument("--contestants", default="", help="some of those that the table names; default: all")
    parser.add_argument("--restic", default="restic", help="another restic than Debian's")
    parser.add_argument("--borg", default="borg", help="another borg")
    parser.add_argument("--pgbackrest", default="pgbackrest", help="another pgBackRest")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    if options.small:
        options.rounds, options.scale = 1, 0.05
    with tempfile.TemporaryDirectory(prefix="drorch-bench-", dir="/var/tmp") as text:
        directory = Path(text)
        directory.chmod(0o711)
        with throw_away_postgresql(directory) as server, shared_server(directory / "weed") as s3:
            bench = Bench(directory=directory, postgresql=server, s3=s3)
            report = _measure(bench, options)
    _print(report)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _load(bench: Bench, scale: float) -> None:
    begun = time.monotonic()
    text = SCRIPT.read_text(encoding="utf-8")
    count = round(4_000_000 * scale)
    text = re.sub(r"generate_series\(1,4000000\)", f"generate_series(1,{count})", text)
    bench.postgresql.execute("postgres", ["create database land;"])
    bench.postgresql.execute("land", [text, ";\nvacuum analyze;\ncheckpoint;\n"])
    print(f"loaded {count:,} parcels in {time.monotonic() - begun:.0f} s", flush=True)


class _Measurement:
    """The figures of all rounds, by row and contestant."""

    def __init__(self, bench: Bench, options: argparse.Namespace) -> None:
        self.bench = bench
        self.options = options
        self.rows = options.rows.split(",")
        self.figures: dict[str, dict[str, list[Measured]]] = {}
        self.stored: dict[str, dict[str, tuple[int, int]]] = {}
        self.is_dropped = True

    def note(self, row: str, contestant: Contestant, run: Callable[[], Measured], day: int = 0) -> None:
        """Time one run; what the table says was stored is what the last round's runs of the row added, all of them."""
        self.is_dropped = drop_caches() and self.is_dropped
        before = contestant.stored()
        measured = run()
        added = tuple(now - then for now, then in zip(contestant.stored(), before, strict=True))
        self.figures.setdefault(row, {}).setdefault(contestant.name, []).append(measured)
        earlier = self.stored[row][contestant.name] if day else (0, 0)
        self.stored.setdefault(row, {})[contestant.name] = (earlier[0] + added[0], earlier[1] + added[1])
        print(f"  {row:<14} {contestant.name:<17} {measured.wall_seconds:7.1f} s  +{added[0]:,} B", flush=True)

    def round(self, number: int) -> None:
        """Every contestant in turn, row by row; each starts anew."""
        everyone = self._contestants(number)
        is_last = number == self.options.rounds - 1
        for row in BACKUP_ROWS:
            if row not in self.rows:
                continue
            days = self.options.generations if row == "generations" else 1
            for day in range(days):
                self._change(row, number + day)
                for contestant in everyone:
                    if row in contestant.rows:
                        self.note(row, contestant, contestant.back_up, day)
            if is_last:
                self._compare_all(row, everyone)
        self._restore(number, everyone)
        for contestant in everyone:
            if isinstance(contestant, PgBackRest):
                contestant.end()

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

    def _compare_all(self, row: str, everyone: Sequence[Contestant]) -> None:
        """Restore what was just stored and compare it with the database, untimed."""
        for place, contestant in enumerate(everyone):
            if row in contestant.rows and "restore" in contestant.rows:
                database = f"compared_{place}"
                contestant.restore(database)
                _compare(self.bench, contestant, database)
                contestant.forget(database)


def _measure(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    measurement = _Measurement(bench, options)
    if set(measurement.rows) - {"tree"}:
        _load(bench, options.scale)
        for number in range(options.rounds):
            measurement.round(number)
    if "tree" in measurement.rows:
        measure_trees(bench, options.files, options.rounds, options.restic, measurement.note)
    return _report(measurement.figures, measurement.stored, options, page_cache_dropped=measurement.is_dropped)


def _compare(bench: Bench, contestant: Contestant, database: str) -> None:
    urls = [bench.postgresql.url("land"), contestant.address(database)]
    programs = str(bench.postgresql.programs)
    script = [sys.executable, str(ROOT / "tools" / "compare.py"), "postgresql", *urls, "--programs", programs]
    told = subprocess.run(script, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(f"{contestant.name} did not bring the database back equal: {told.stdout}{told.stderr}")
    print(f"  compared    {contestant.name:<17} equal", flush=True)


def _report(
    figures: dict[str, dict[str, list[Measured]]],
    stored: dict[str, dict[str, tuple[int, int]]],
    options: argparse.Namespace,
    *,
    page_cache_dropped: bool,
) -> dict[str, object]:
    out: list[dict[str, object]] = []
    for row, by_name in figures.items():
        ours = medians(by_name.get("drorch") or next(iter(by_name.values())))
        for name, runs in by_name.items():
            middle = medians(runs)
            entry: dict[str, object] = {
                "row": row,
                "contestant": name,
                "wall_s": round(middle.wall_seconds, 2),
                "wall_min_s": round(min(run.wall_seconds for run in runs), 2),
                "wall_max_s": round(max(run.wall_seconds for run in runs), 2),
                "cpu_s": round(middle.cpu_seconds, 2),
                "peak_mib": round(middle.peak_bytes / 2**20),
                "drorch_to_it": round(ours.wall_seconds / middle.wall_seconds, 2),
            }
            size, objects = stored[row][name]
            if row == "generations":
                entry["runs"] = len(runs)
            entry |= {"stored_bytes": size, "stored_objects": objects}
            out.append(entry)
    return {
        "machine": f"{platform.machine()}, {_processor()}, {_cores()} cores",
        "rounds": options.rounds,
        "scale": options.scale,
        "page_cache_dropped": page_cache_dropped,
        "rows": out,
    }


def _print(report: dict[str, object]) -> None:
    print(f"\n{report['machine']}; {report['rounds']} rounds, interleaved; medians")
    print(f"{'row':<14} {'contestant':<17} {'wall':>7} {'min-max':>13} {'cpu':>6} {'peak':>8} {'ratio':>6}  stored")
    rows = report["rows"]
    assert isinstance(rows, Sequence)
    for row in rows:
        spread = f"{row['wall_min_s']}-{row['wall_max_s']}"
        stored = f"{row['stored_bytes'] / 1e6:.2f} MB in {row['stored_objects']}" if "stored_bytes" in row else ""
        print(
            f"{row['row']:<14} {row['contestant']:<17} {row['wall_s']:>6}s {spread:>13} {row['cpu_s']:>5}s"
            f" {row['peak_mib']:>4} MiB {row['drorch_to_it']:>6}  {stored}"
        )
    print(
        "page caches "
        + ("were" if report["page_cache_dropped"] else "could not be")
        + " dropped before each measurement"
    )
    print("ratio: drorch's wall time to that of the row's contestant")


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown processor"


def _cores() -> int:
    return len(re.findall(r"^processor\s*:", Path("/proc/cpuinfo").read_text(), re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main())
