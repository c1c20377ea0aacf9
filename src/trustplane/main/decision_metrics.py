"""What became of the decisions that this node's proxies told its agent of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Counting(Protocol):
    counted: int
    unread: int
    dropped: int


class Waiting(Protocol):
    waiting: int


class DecisionMetrics(Collector):
    """Read when scraped."""

    def __init__(self, counting: Counting, spool: Waiting) -> None:
        self._counting = counting
        self._spool = spool

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else registering would scrape

    def collect(self) -> Iterator[Metric]:
        for name, what, value in (
            ("counted", "Requests whose decision a proxy here told", self._counting.counted),
            ("unread", "Requests that a proxy told of without a decision that can be read", self._counting.unread),
            ("dropped", "Requests that there was no room to keep for the server", self._counting.dropped),
        ):
            yield CounterMetricFamily(f"trustplane_agent_decisions_{name}", what, value)
        waiting = "Parcels of decisions on the disk, when the oldest was last looked for"
        yield GaugeMetricFamily("trustplane_agent_decision_parcels", waiting, self._spool.waiting)
