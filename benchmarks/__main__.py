"""Measure drorch beside restic on one PostgreSQL and one SeaweedFS, interleaved, in one run.

    ./run bench                     all rows, 3 rounds
    ./run bench --rounds 1 --scale 0.1 --rows full,unchanged

The data are those of ../shared/bench/land-register.sql (1.24 GB at scale 1); without that file nothing is measured and it says so.
Every timed backup of the last round is restored and compared by tools/compare.py, untimed.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.contestants import Bench, Contestant, Drorch, DumpOnly, Restic, drop_caches
from benchmarks.measure import Measured, medians
from drorch.sandbox.postgresql import throw_away_postgresql
from tests.support.seaweedfs import shared_server

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT.parent / "shared" / "bench" / "land-register.sql"
ROWS = ("full", "unchanged", "scattered", "restore")
SCATTERED = "update parcel set note = 'sổ mới', updated = now() where id % 200 = {number};\n"  # 0.5 % of the rows


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is 4 million parcels, 1.24 GB")
    parser.add_argument("--rows", default=",".join(ROWS), help="some of: " + ", ".join(ROWS))
    parser.add_argument("--contestants", default="", help="some of those that the table names; default: all")
    parser.add_argument("--restic", default="restic", help="another restic than Debian's")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    if not SCRIPT.exists():
        print("SKIPPED: needs ../shared/bench/land-register.sql, which is not part of a checkout")
        return 0
    with tempfile.TemporaryDirectory(prefix="drorch-bench-", dir="/var/tmp") as text:
        directory = Path(text)
        directory.chmod(0o711)
        with throw_away_postgresql(directory) as server, shared_server(directory / "weed") as s3:
            bench = Bench(directory=directory, postgresql=server, s3=s3)
            _load(bench, options.scale)
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


def _measure(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    rows = options.rows.split(",")
    figures: dict[str, dict[str, list[Measured]]] = {}
    stored: dict[str, dict[str, tuple[int, int]]] = {}
    wanted = [name.strip() for name in options.contestants.split(",") if name.strip()]
    dropped = True

    def note(row: str, contestant: Contestant, run: Callable[[], Measured]) -> None:
        nonlocal dropped
        dropped = drop_caches() and dropped
        measured = run()
        figures.setdefault(row, {}).setdefault(contestant.name, []).append(measured)
        print(f"  {row:<10} {contestant.name:<14} {measured.wall_seconds:6.1f} s", flush=True)

    for round_number in range(options.rounds):
        contestants: list[Contestant] = [
            Drorch(bench),
            Restic(bench, options.restic, "auto"),
            Restic(bench, options.restic, "off"),
            DumpOnly(bench),
        ]
        contestants = [one for one in contestants if not wanted or one.name in wanted]
        keepers = [one for one in contestants if one.bucket]
        for row in ("full", *(row for row in ("unchanged", "scattered") if row in rows)):
            if row == "scattered":
                bench.postgresql.execute("land", [SCATTERED.format(number=round_number)])
            for contestant in contestants if row == "full" else keepers:
                note(row, contestant, contestant.back_up)
                _note_stored(bench, contestant, row, stored)
        if "restore" in rows:
            for contestant in keepers:
                database = f"restored_{round_number}_{keepers.index(contestant)}"
                note("restore", contestant, lambda: contestant.restore(database))  # noqa: B023 - called at once
                if round_number == options.rounds - 1:
                    _compare(bench, contestant, database)
                bench.postgresql.execute("postgres", [f"drop database {database};"])
    return _report(figures, stored, options, page_cache_dropped=dropped)


def _note_stored(bench: Bench, contestant: Contestant, row: str, stored: dict[str, dict[str, tuple[int, int]]]) -> None:
    if contestant.bucket:
        stored.setdefault(row, {})[contestant.name] = bench.stored(contestant.bucket)


def _compare(bench: Bench, contestant: Contestant, database: str) -> None:
    urls = [bench.postgresql.url("land"), bench.postgresql.url(database)]
    programs = str(bench.postgresql.programs)
    script = [sys.executable, str(ROOT / "tools" / "compare.py"), "postgresql", *urls, "--programs", programs]
    told = subprocess.run(script, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(f"{contestant.name} did not bring the database back equal: {told.stdout}{told.stderr}")
    print(f"  compared   {contestant.name:<14} equal", flush=True)


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
            if name in stored.get(row, {}):
                size, objects = stored[row][name]
                before = stored[_row_before(stored, row)][name] if row != "full" else (0, 0)
                entry |= {"stored_bytes": size - before[0], "stored_objects": objects - before[1]}
            out.append(entry)
    return {
        "machine": f"{platform.machine()}, {_processor()}, {_cores()} cores",
        "rounds": options.rounds,
        "scale": options.scale,
        "page_cache_dropped": page_cache_dropped,
        "rows": out,
    }


def _row_before(rows: Mapping[str, object], row: str) -> str:
    """Return the row that was measured before ``row``: what a row stored is what was added to that."""
    names = list(rows)
    return names[names.index(row) - 1]


def _print(report: dict[str, object]) -> None:
    print(f"\n{report['machine']}; {report['rounds']} rounds, interleaved; medians")
    print(f"{'row':<10} {'contestant':<14} {'wall':>7} {'min-max':>13} {'cpu':>6} {'peak':>8} {'ratio':>6}  stored")
    rows = report["rows"]
    assert isinstance(rows, Sequence)
    for row in rows:
        spread = f"{row['wall_min_s']}-{row['wall_max_s']}"
        stored = f"{row['stored_bytes'] / 1e6:.2f} MB in {row['stored_objects']}" if "stored_bytes" in row else ""
        print(
            f"{row['row']:<10} {row['contestant']:<14} {row['wall_s']:>6}s {spread:>13} {row['cpu_s']:>5}s"
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
