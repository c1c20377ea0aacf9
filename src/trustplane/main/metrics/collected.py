"""What became of the failed handshakes that this node's proxies told its agent of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.handshake.failure import Side
from trustplane.main.metrics.measure import counter, gauge

HEARD = counter("trustplane_agent_handshake_failures", "Failed handshakes that proxies here told of", "side")
FOLDED = counter(
    "trustplane_agent_handshake_failures_folded", "Of those, counted in one alike: there were too many to keep each"
)
UNREAD = counter("trustplane_agent_handshake_failures_unread", "Entries of proxies here that could not be read")
DROPPED = counter("trustplane_agent_handshake_failures_dropped", "Failed handshakes that there was no room to keep")
MISSED = counter(
    "trustplane_agent_handshake_failures_missed",
    "Entries of failed handshakes that proxies here wrote and no agent took: none was there, or it was killed",
)
PARCELS = gauge(
    "trustplane_agent_handshake_parcels", "Parcels of handshakes on the disk, when the oldest was last looked for"
)


class Collecting(Protocol):
    counted: dict[Side, int]
    folded: int
    unread: int
    dropped: int
    missed: int


class Waiting(Protocol):
    waiting: int


class CollectedMetrics(Collector):
    """An agent's."""

    def __init__(self, collecting: Collecting, spool: Waiting) -> None:
        self._collecting = collecting
        self._spool = spool

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else registering would scrape

    def collect(self) -> Iterator[Metric]:
        yield HEARD.each(((side.value,), count) for side, count in self._collecting.counted.items())
        yield FOLDED.of(self._collecting.folded)
        yield UNREAD.of(self._collecting.unread)
        yield DROPPED.of(self._collecting.dropped)
        yield MISSED.of(self._collecting.missed)
        yield PARCELS.of(self._spool.waiting)
