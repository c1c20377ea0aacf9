"""The waiting room before signing, read when scraped."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.flows.issue_in_turn import IssueInTurn


class QueueMetrics(Collector):
    def __init__(self, turns: IssueInTurn) -> None:
        self._turns = turns

    def collect(self) -> Iterator[Metric]:
        turns = self._turns
        yield GaugeMetricFamily("trustplane_issuing_queue_length", "Requests that wait for their turn", len(turns))
        yield GaugeMetricFamily("trustplane_issuing_under_way", "Requests being signed", turns.under_way)
        pace = "Certificates a second, as configured or as last measured under load"
        yield GaugeMetricFamily("trustplane_issuing_pace", pace, turns.per_second)
        yield CounterMetricFamily("trustplane_issuing_shed", "Requests told to come back at a turn", turns.sent_away)
        yield CounterMetricFamily("trustplane_issuing_hung_up", "Calls that ended before their turn", turns.hung_up)
