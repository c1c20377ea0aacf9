"""What the database is asked, read when scraped."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.main.metrics.measure import counter
from trustplane.store.store import Store

STATEMENTS = counter("trustplane_store_statements", "Statements sent to the database")
COMMITS = counter("trustplane_store_commits", "Write transactions committed")


class StoreMetrics(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        counts = self._store.counts
        yield STATEMENTS.of(counts.statements)
        yield COMMITS.of(counts.transactions)
