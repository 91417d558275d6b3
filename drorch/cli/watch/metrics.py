"""``drorch metrics``: how everything stands, for Prometheus."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.errors import UsageInvalid
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
        _replace(file, text)
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


def _replace(file: Path, text: bytes) -> None:
    """Write the file so that a reader sees the old or the new one, never a part; anybody may read it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_bytes(text)
        fresh.chmod(0o644)
        fresh.replace(file)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise UsageInvalid(f"{file} cannot be written", found=error.strerror or "") from error
