"""Every metric that a process shows, by process, for the page of metrics and for whoever checks names against it."""

from __future__ import annotations

from types import ModuleType

from trustplane.main import (
    agent_metrics,
    chain_metrics,
    collected_metrics,
    crl_metrics,
    decision_metrics,
    federation_metrics,
    fleet_metrics,
    handshake_metrics,
    outage_gauges,
    queue_metrics,
    rotation_metrics,
    server_metrics,
    store_metrics,
    telemetry,
)
from trustplane.main.measure import Measure


def _declared(*modules: ModuleType) -> tuple[Measure, ...]:
    return tuple(one for module in modules for one in vars(module).values() if isinstance(one, Measure))


SERVER = _declared(
    fleet_metrics,
    outage_gauges,
    chain_metrics,
    server_metrics,
    queue_metrics,
    crl_metrics,
    rotation_metrics,
    federation_metrics,
    store_metrics,
    handshake_metrics,
    telemetry,
)
AGENT = _declared(agent_metrics, decision_metrics, collected_metrics, telemetry)
