"""The issuer outage budget as metrics: overall, and by service, of which the trust repository bounds the number."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.clock import Clock
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.main.metrics.measure import gauge

OVERALL = gauge("trustplane_issuer_outage_budget_seconds", "Until the first leaf expires if the issuer died now")
OF_SERVICE = gauge("trustplane_service_outage_budget_seconds", "The same for the leaves of one service", "service")
MTTR = gauge("trustplane_mttr_seconds", "Time to repair the issuer that leaves must outlast")


class OutageGauges(Collector):
    """Read when scraped. What has no leaf, or no budget, has no figure."""

    def __init__(self, watch: WatchOutageBudget, desired: KeepDesiredState, clock: Clock) -> None:
        self._watch = watch
        self._desired = desired
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        state, at = (self._desired.current or (None, None))[1], self._clock.now()
        budget = self._watch.latest.only(state.services if state else ())
        yield OVERALL.of(budget.first.left(at).total_seconds() if budget.first else None)
        yield OF_SERVICE.each(
            ([str(service)], expiry.left(at).total_seconds()) for service, expiry in sorted(budget.services.items())
        )
        yield MTTR.of(state.budgets.mttr.total_seconds() if state and state.budgets.mttr else None)
