"""What the database is asked, read when scraped."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.store.store import Store


class StoreMetrics(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        counts = self._store.counts
        yield CounterMetricFamily("trustplane_store_statements", "Statements sent to the database", counts.statements)
        yield CounterMetricFamily("trustplane_store_commits", "Write transactions committed", counts.transactions)
