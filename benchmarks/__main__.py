"""Measure drorch beside restic, borg and pgBackRest on one PostgreSQL and one SeaweedFS, interleaved, in one run.

    ./run bench                                     the usual rows, 3 rounds, 1.24 GB
    ./run bench --small                             the same with 62 MB, 1 round: whether it works
    ./run bench --only full,unchanged               some rows: what they need before them is done untimed
    ./run bench --rounds 1 --only generations --generations 60 --scale 0.1
    ./run bench --only cache                        0.5 % of the rows updated, with base caches of several sizes
    ./run bench --only tree --files 200000
    ./run bench --restic PATH --borg PATH --pgbackrest PATH

Every backup that is timed in the last round is restored and compared by tools/compare.py; what is not the newest of a contestant
was compared when it was. borg and pgBackRest write into a directory, drorch and restic to S3.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import Bench
from benchmarks.measure import medians
from benchmarks.measurement import Measurement
from benchmarks.trees import measure_trees
from drorch.sandbox.postgresql import throw_away_postgresql
from tests.support.seaweedfs import shared_server

SCRIPT = Path(__file__).with_name("land-register.sql")
ROWS = ("full", "unchanged", "scattered", "appended", "restore", "one-table")
MORE_ROWS = ("generations", "cache", "tree")


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is 4 million parcels, 1.24 GB")
    parser.add_argument("--small", action="store_true", help="one round at scale 0.05")
    parser.add_argument(
        "--only", "--rows", dest="rows", default=",".join(ROWS), help="some of: " + ", ".join((*ROWS, *MORE_ROWS))
    )
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


def _measure(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    measurement = Measurement(bench, options)
    if set(measurement.rows) - {"tree"}:
        _load(bench, options.scale)
        for number in range(options.rounds):
            measurement.round(number)
    if "tree" in measurement.rows:
        measure_trees(bench, options.files, options.rounds, options.restic, measurement.note)
    return _report(measurement, options)


def _report(measurement: Measurement, options: argparse.Namespace) -> dict[str, object]:
    out: list[dict[str, object]] = []
    for row, by_name in measurement.figures.items():
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
            size, objects = measurement.stored[row][name]
            if row == "generations":
                entry["runs"] = len(runs)
            entry |= {"stored_bytes": size, "stored_objects": objects, "requests": measurement.requests[row][name]}
            out.append(entry)
    return {
        "machine": f"{platform.machine()}, {_processor()}, {_cores()} cores",
        "rounds": options.rounds,
        "scale": options.scale,
        "page_cache_dropped": measurement.is_dropped,
        "rows": out,
    }


def _print(report: dict[str, object]) -> None:
    print(f"\n{report['machine']}; {report['rounds']} rounds, interleaved; medians")
    print(
        f"{'row':<14} {'contestant':<17} {'wall':>7} {'min-max':>13} {'cpu':>6} {'peak':>8} {'ratio':>6} {'requests':>8}  stored"
    )
    rows = report["rows"]
    assert isinstance(rows, Sequence)
    for row in rows:
        spread = f"{row['wall_min_s']}-{row['wall_max_s']}"
        stored = f"{row['stored_bytes'] / 1e6:.2f} MB in {row['stored_objects']}"
        requests = "" if row["requests"] is None else row["requests"]
        print(
            f"{row['row']:<14} {row['contestant']:<17} {row['wall_s']:>6}s {spread:>13} {row['cpu_s']:>5}s"
            f" {row['peak_mib']:>4} MiB {row['drorch_to_it']:>6} {requests:>8}  {stored}"
        )
    print(
        "page caches "
        + ("were" if report["page_cache_dropped"] else "could not be")
        + " dropped before each measurement"
    )
    print("ratio: drorch's wall time to that of the row's contestant; requests: as the S3 server counts them")


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown processor"


def _cores() -> int:
    return len(re.findall(r"^processor\s*:", Path("/proc/cpuinfo").read_text(), re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main())
