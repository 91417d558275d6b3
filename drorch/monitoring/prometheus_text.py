"""Measures in the text form that Prometheus and node_exporter read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from drorch.monitoring.interface import Measure

if TYPE_CHECKING:
    from prometheus_client import Metric


def prometheus_text(measures: Iterable[Measure]) -> bytes:
    """Return the page; the same measures give the same bytes."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily

    class Collected:
        def collect(self) -> Iterator[Metric]:
            for one in measures:
                family = GaugeMetricFamily(one.name, one.meaning, labels=one.labels)
                for labels, value in one.values.items():
                    family.add_metric(labels, value)
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return generate_latest(registry)
