"""Handshakes that nodes told a server of: why they failed, and how many did not.

Beside alerts, not of them: failures come late, open connections hide them, and TLS 1.3 hides them from one side.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.records.keep_handshakes import HandshakeCounts
from trustplane.main.metrics.measure import counter

FAILED = counter(
    "trustplane_handshake_failures",
    "Failed handshakes that nodes told this server of, by the signature of one side's record and its likeliest cause",
    *("signature", "cause", "side"),
)
COMPLETED = counter(
    "trustplane_handshakes_completed",
    "Handshakes completed, as nodes told this server; a client's have in them what a server refused afterwards",
    "side",
)


class HandshakeMetrics(Collector):
    """A server's. Read when scraped."""

    def __init__(self, counts: HandshakeCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield FAILED.each(sorted(self._counts.failures.items()))
        yield COMPLETED.each(((side,), count) for side, count in self._counts.completed.items())
