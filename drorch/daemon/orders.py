"""Which command does what is due. Each run is `drorch ... --json` in a process of its own."""

from __future__ import annotations

from drorch.clock import to_milliseconds
from drorch.policy.occurrences.duty import DutyKind
from drorch.policy.occurrences.line import Job


def words_of(job: Job, *, read_percent: int) -> tuple[str, ...]:
    """Return the words of the command for a job, without the program and its drorch.yaml."""
    subjects = [duty.subject for duty in job.duties]
    match job.duties[0].kind:
        case DutyKind.BACKUP:
            return ("backup", *subjects, *_slot(job), "--json")
        case DutyKind.DISCOVERY:
            return ("backup", *subjects, "--new", *_slot(job), "--json")
        case DutyKind.COPY:
            return ("copy", "--to", subjects[0], "--json")
        case DutyKind.DRILL:
            return ("drill", "run", subjects[0], *_slot(job), "--json")
        case DutyKind.VERIFY:
            rolling = ("--rolling",) if read_percent else ()
            return ("verify", "--read-data", str(read_percent), *rolling, "--json")
        case DutyKind.PRUNE:
            return ("prune", "--json")
        case DutyKind.LOCK:
            return ("lock", "extend", "--json")


def _slot(job: Job) -> tuple[str, str]:
    """Return which occurrence a run is for: with it a daemon that comes back finds how the run ended."""
    return "--slot", str(max(to_milliseconds(member.slot) for member in job.members))
