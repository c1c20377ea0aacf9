"""The waiting room in figures."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from prometheus_client import CollectorRegistry

from tests.kit.node_line import running
from tests.unit.flows.issuing.test_issue_in_turn import Bench
from trustplane.main.metrics.queue import QueueMetrics


def test_who_waits_who_was_sent_away_and_who_hung_up_is_counted() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        registry = CollectorRegistry()
        registry.register(QueueMetrics(bench.turns))

        def figure(name: str) -> float | None:
            return registry.get_sample_value(f"trustplane_issuing_{name}")

        assert figure("pace") == 1
        async with running(bench.turns.run()):
            gone = bench.ask(*(f"s{number}" for number in range(9)), held=timedelta(hours=1))
            await bench.clock.advance(timedelta(0))
            assert figure("queue_length") == 3
            assert figure("shed_total") == 5
            assert figure("under_way") == 0
            gone.cancel()
            await bench.clock.advance(timedelta(0))
            assert figure("hung_up_total") == 1
            assert figure("queue_length") == 0

    asyncio.run(play())
