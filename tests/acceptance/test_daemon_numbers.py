"""What a daemon of 2,000 sources costs, in processor time and memory: both are the same on a busy machine."""

import os
import time
from datetime import timedelta
from pathlib import Path

from drorch.catalog.interface import OccurrenceState
from drorch.catalog.sqlite import open_sqlite
from tests.support.daemon_in_other_time import daemon_of
from tests.support.installations import Installation

POLICIES, LINES = 20, 100
MOST_START_SECONDS = 10.0  # of processor time; 1.2 were measured
MOST_MEMORY_MIB = 200  # 87 were measured
MOST_IDLE_SHARE = 0.02  # 0.0005 was measured
WATCHED_SECONDS = 2.5
MOST_LOOKS = 10  # a beat, and the work that follows the start, fall into one or two of them


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(pid: int) -> float:
    """Return what part of a processor it takes while it is watched."""
    before = processor_seconds(pid)
    time.sleep(WATCHED_SECONDS)
    return (processor_seconds(pid) - before) / WATCHED_SECONDS


def memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def test_two_thousand_sources_cost_little_and_are_queued_at_once(office: Installation) -> None:
    (office.base / "policies/civil.yaml").unlink()  # due at an hour of its own, it would be counted
    for policy in range(POLICIES):
        lines = "".join(f"s{line},/nowhere/{policy}-{line}.db\n" for line in range(LINES))
        (office.base / f"policies/list{policy}.csv").write_text(f"id,file\n{lines}")
        source = 'source:\n  sqlite:\n    file: "{file}"'
        office.policy(f"p{policy}", f'name: p{policy}\nfor_each: list{policy}.csv\n{source}\nschedule: "0 * * * *"\n')
    with daemon_of(office, drain_seconds=0) as daemon:
        half_past = daemon.now.replace(minute=30, second=0, microsecond=0)
        daemon.shift = half_past - daemon.now
        daemon.start()
        assert daemon.process is not None
        pid = daemon.process.pid
        assert processor_seconds(pid) < MOST_START_SECONDS
        looks = (idle_share(pid) for _ in range(MOST_LOOKS))
        assert any(share <= MOST_IDLE_SHARE for share in looks), "it never rests"
        slot = half_past + timedelta(minutes=30)
        daemon.travel(slot + timedelta(milliseconds=500))
        daemon.wait_for(lambda: len(daemon.occurrences()) == POLICIES * LINES, "all are queued")
        assert max(one.queued_at for one in daemon.occurrences()) - slot < timedelta(seconds=30)
        assert memory_mib(pid) < MOST_MEMORY_MIB
        daemon.kill()
    catalog = open_sqlite(office.base / "var/state/catalog.sqlite")
    states = {one.state for one in catalog.occurrences(kinds=["backup"])}
    catalog.close()
    assert OccurrenceState.WAITING in states
