"""Several drills beside each other, as many as the machine bears."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import click

from drorch.operations.at_once import Job, Limits, results
from drorch.operations.drills.session import Drilled
from drorch.operations.interruption import Interruption
from drorch.policy.model import SourcePromise

DrillOne = Callable[[SourcePromise, Interruption], Drilled]
_WIPING_SECONDS = 20.0

at_once_option = click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Drill at most so many sources at once; by default as many as the machine bears.",
)

paper_option = click.option("--no-paper", is_flag=True, help="Write no PDF; `drorch evidence report` makes it later.")
notify_option = click.option(
    "--notify", is_flag=True, help="Tell people afterwards what is wrong; for cron, without a daemon."
)


def drilled_beside(
    promises: Sequence[SourcePromise], drill: DrillOne, *, width: int, monotonic_seconds: Callable[[], float]
) -> Iterator[Drilled]:
    """Drill each in a thread of its own, ``width`` at once, and yield what came of them as they end; raises what a drill raises.

    Then, and when a person wants the end, the others are cut short, and their sandboxes are wiped.
    """
    everything = Interruption()

    def act(promise: SourcePromise, _place: object) -> Drilled:
        stop = Interruption()
        with everything.delayed(_WIPING_SECONDS), everything.cuts(stop.end):
            return drill(promise, stop)

    ended = results(
        [Job(work=promise) for promise in promises],
        act,
        limits=Limits(in_all=width, per_server=width),
        monotonic_seconds=monotonic_seconds,
        abandon=lambda error: everything.end(terminated=isinstance(error, SystemExit)),
    )
    with everything.waited_for(), closing(ended):
        for _promise, drilled in ended:
            yield drilled
