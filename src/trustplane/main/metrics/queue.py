"""The waiting room before signing, read when scraped."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.issuing.issue_in_turn import IssueInTurn
from trustplane.main.metrics.measure import counter, gauge

LENGTH = gauge("trustplane_issuing_queue_length", "Requests that wait for their turn")
UNDER_WAY = gauge("trustplane_issuing_under_way", "Requests being signed")
PACE = gauge("trustplane_issuing_pace", "Certificates a second, as configured or as last measured under load")
SHED = counter("trustplane_issuing_shed", "Requests told to come back at a turn")
HUNG_UP = counter("trustplane_issuing_hung_up", "Calls that ended before their turn")


class QueueMetrics(Collector):
    def __init__(self, turns: IssueInTurn) -> None:
        self._turns = turns

    def collect(self) -> Iterator[Metric]:
        turns = self._turns
        yield LENGTH.of(len(turns))
        yield UNDER_WAY.of(turns.under_way)
        yield PACE.of(turns.per_second)
        yield SHED.of(turns.sent_away)
        yield HUNG_UP.of(turns.hung_up)
