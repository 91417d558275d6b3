"""``drorch metrics``: how everything stands, for Prometheus."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.named_files import replace_file
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.measures import measures
from drorch.settings import load_policies
from drorch.wiring.watching import look


@click.command(epilog="Example: drorch metrics --to /var/lib/prometheus/node-exporter/drorch.prom")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write them to FILE, which node_exporter's textfile collector reads; replaced in one step.",
)
@common_options
def command(file: Path | None, invocation: Invocation) -> int:
    """Show how everything stands in the text form of Prometheus.

    A daemon offers the same at the address of `metrics:` in drorch.yaml; this is for machines that have none.
    """
    settings = invocation.settings()
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        found, facts = look(wiring, loaded)
        measured = measures(found, alerts(found, loaded.policies, facts), facts)
        text = wiring.metrics_text(measured)
    if file is not None:
        replace_file(file, text, mode=0o644)
    if invocation.output.as_json:
        values = [
            {"name": one.name, "labels": dict(zip(one.labels, labels, strict=True)), "value": value}
            for one in measured
            for labels, value in one.values.items()
        ]
        invocation.output.document("drorch.metrics/1", {"ok": True, "metrics": values})
    elif file is None:
        invocation.output.lines(text.decode().splitlines())
    return 0
