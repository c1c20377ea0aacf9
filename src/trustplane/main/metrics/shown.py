"""Every metric that a process shows, by process, for the page of metrics and for whoever checks names against it."""

from __future__ import annotations

from types import ModuleType

from trustplane.main import telemetry
from trustplane.main.metrics import (
    agent,
    chain,
    collected,
    crl,
    decisions,
    federation,
    fleet,
    handshakes,
    outage,
    queue,
    rotation,
    server,
    store,
)
from trustplane.main.metrics.measure import Measure


def _declared(*modules: ModuleType) -> tuple[Measure, ...]:
    return tuple(one for module in modules for one in vars(module).values() if isinstance(one, Measure))


SERVER = _declared(fleet, outage, chain, server, queue, crl, rotation, federation, store, handshakes, telemetry)
AGENT = _declared(agent, decisions, collected, telemetry)
