"""The tables of the screen: a line for each policy, or for each source of one."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.cli.output import wrapped
from drorch.cli.status.fitting import table_with_long_names
from drorch.cli.status.moments import Moments
from drorch.operations.occurrences.standing import DaemonStanding, DaemonState
from drorch.operations.overview import Overview, SourceStanding, Standing
from drorch.operations.watch.facts import PROVEN, Facts
from drorch.quantities import format_promise


class Tables:
    """What stands where, as rows of lines, the head first."""

    def __init__(self, found: Overview, daemon: DaemonStanding, facts: Facts | None, moments: Moments) -> None:
        self._found = found
        self._daemon = daemon
        self._facts = facts
        self._moments = moments

    def by_policy(self) -> list[list[str]]:
        """Return a row for each policy."""
        head = ("POLICY", "SOURCES", "LAST GOOD", "RPO", "COPIES", "LAST DRILL", self._next())
        by_policy: dict[str, list[SourceStanding]] = {}
        for one in self._found.protected:
            by_policy.setdefault(one.policy, []).append(one)
        if not by_policy:
            return [wrapped("There is no policy yet. `drorch policy new NAME` writes one.", 0)]
        return table_with_long_names([head, *(self._row(name, sources) for name, sources in by_policy.items())])

    def by_source(self) -> list[list[str]]:
        """Return a row for each source."""
        rows = [("SOURCE", "SNAPSHOT", "LAST GOOD", "RPO", "COPIES", "LAST RUN", self._next())]
        for one in self._found.sources:
            if one.standing is Standing.CLOSED and not one.copies_promised:
                continue  # retired, or of a policy that is no more: `drorch source list` has it
            good = one.newest_good
            promise = "" if one.rpo_target_seconds is None else format_promise(one.rpo_target_seconds)
            rows.append(
                (
                    one.address,
                    "" if good is None else good.snapshot[:8],
                    self._newest([one]),
                    f"{promise} {_kept([one])}" if promise else "",
                    f"{one.copies_complete} of {one.copies_promised}",
                    "running" if one.is_running else "" if one.last_run is None else one.last_run.state.value,
                    "" if one.due_at is None else self._moments.due(one.due_at),
                )
            )
        return table_with_long_names(rows)

    def _row(self, name: str, sources: Sequence[SourceStanding]) -> tuple[str, ...]:
        inside = sum(one.is_inside_rpo for one in sources)
        promise = format_promise(sources[0].rpo_target_seconds or 0)
        due = [one.due_at for one in sources if one.due_at is not None]
        worst = min(sources, key=lambda one: one.copies_complete)
        return (
            name,
            str(len(sources)) if inside == len(sources) else f"{inside}/{len(sources)}",
            self._newest(sources),
            f"{promise} {_kept(sources)}",
            f"{worst.copies_complete} of {worst.copies_promised}",
            self._drill(sources),
            self._moments.due(min(due)) if due else "",
        )

    def _newest(self, sources: Sequence[SourceStanding]) -> str:
        good = [one.newest_good.restore_point for one in sources if one.newest_good is not None]
        if good:
            return self._moments.moment(max(good))
        return "not read" if all(one.is_unknown for one in sources) else "never"

    def _drill(self, sources: Sequence[SourceStanding]) -> str:
        """Return the newest drill of any source of a policy: its verdict and its age."""
        drills = {} if self._facts is None else self._facts.last_drills
        own = [drills[one.address] for one in sources if one.address in drills]
        if not own:
            return "never" if self._facts is None or self._facts.is_drilling else "elsewhere"
        newest = max(own, key=lambda drill: drill.ended_at)
        word = "pass" if newest.verdict in PROVEN else newest.verdict
        return f"{word} {(self._found.at - newest.ended_at).days:>3}d"

    def _next(self) -> str:
        """Return the heading over when something is due: only a daemon that lives will run it then."""
        return "NEXT RUN" if self._daemon.state is DaemonState.RUNNING else "NEXT DUE"


def _kept(sources: Sequence[SourceStanding]) -> str:
    """Return whether all of them are inside their RPO, in a word; `?` where no store was read yet."""
    if all(one.is_inside_rpo for one in sources):
        return "ok"
    return "?" if all(one.is_inside_rpo or one.is_unknown for one in sources) else "LATE"
