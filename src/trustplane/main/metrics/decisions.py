"""What became of the decisions that this node's proxies told its agent of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.main.metrics.measure import counter, gauge

COUNTED = counter("trustplane_agent_decisions_counted", "Requests whose decision a proxy here told")
UNREAD = counter(
    "trustplane_agent_decisions_unread", "Requests that a proxy told of without a decision that can be read"
)
DROPPED = counter("trustplane_agent_decisions_dropped", "Requests that there was no room to keep for the server")
PARCELS = gauge(
    "trustplane_agent_decision_parcels", "Parcels of decisions on the disk, when the oldest was last looked for"
)


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
        yield COUNTED.of(self._counting.counted)
        yield UNREAD.of(self._counting.unread)
        yield DROPPED.of(self._counting.dropped)
        yield PARCELS.of(self._spool.waiting)
