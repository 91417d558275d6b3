"""Where the time of a backup went: one line of its report, and ``--profile``."""

from __future__ import annotations

from drorch.operations.back_up import BackupReport
from drorch.repository.busy import Part


def slowest_part(report: BackupReport) -> str:
    """Return which part is the limit, and how busy each was."""
    words = {
        Part.SOURCE: "database" if report.tables and report.counted == "tables" else "source",
        Part.PROCESSOR: "processor",
        Part.NETWORK: "network",
    }
    (first, share), *others = report.busy.items()
    rest = ", ".join(f"{words[part]} {round(100 * other)} %" for part, other in others)
    return f"the {words[first]} (busy {round(100 * share)} %; {rest})"


def profile_lines(report: BackupReport) -> list[str]:
    """Return a table of the stages: seconds of all threads together, how many they are, which share of the run they were at it."""
    lines = ["", f"{'stage':<28}{'seconds':>9}{'threads':>9}{'busy':>8}  keeps busy"]
    for one in report.stage_times:
        share = f"{round(100 * one.share(report.duration_seconds))} %"
        part = "" if one.stage.part is Part.WAITING else f"  the {one.stage.part.value}"
        lines.append(f"{one.stage.label:<28}{one.seconds:>9.2f}{one.threads:>9}{share:>8}{part}")
    return lines
