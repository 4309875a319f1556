"""Gauges of what sinks were not told yet, read when metrics are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class BacklogCollector(Collector):
    """Gauges, each a name and what it says; `read` gives their values, or None while there is nobody to be told."""

    def __init__(self, gauges: Sequence[tuple[str, str]], read: Callable[[], Sequence[float] | None]) -> None:
        self._gauges = gauges
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The names, so that nothing is read when it is registered."""
        for name, help_ in self._gauges:
            yield GaugeMetricFamily(name, help_)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The names always, values while there are some and the database answers."""
        try:
            values = self._read()
        except DatabaseError:
            values = None
        for place, (name, help_) in enumerate(self._gauges):
            family = GaugeMetricFamily(name, help_)
            if values is not None:
                family.add_metric([], values[place])
            yield family
