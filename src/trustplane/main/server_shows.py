"""All that a server shows at /metrics, put together."""

from __future__ import annotations

from trustplane.host.clock import SystemClock
from trustplane.main.metrics.chain import ChainMetrics
from trustplane.main.metrics.crl import CrlMetrics
from trustplane.main.metrics.federation import FederationMetrics
from trustplane.main.metrics.fleet import FleetMetrics
from trustplane.main.metrics.handshakes import HandshakeMetrics
from trustplane.main.metrics.outage import OutageGauges
from trustplane.main.metrics.queue import QueueMetrics
from trustplane.main.metrics.rotation import RotationMetrics
from trustplane.main.metrics.server import ServerMetrics
from trustplane.main.metrics.store import StoreMetrics
from trustplane.main.server_flows import Flows


def metrics_of(flows: Flows, clock: SystemClock) -> ServerMetrics:
    outage = OutageGauges(flows.outage, flows.desired, clock)
    metrics = ServerMetrics(flows.authorities, flows.desired, flows.connected, outage)
    for further in (
        FleetMetrics(flows.fleet, flows.connected),
        ChainMetrics(flows.authorities, flows.outage, flows.revocations),
        CrlMetrics(flows.revocations),
        QueueMetrics(flows.turns),
        FederationMetrics(flows.federate, flows.published),
        RotationMetrics(flows.changing),
        StoreMetrics(flows.store),
        HandshakeMetrics(flows.handshakes.counts),
    ):
        metrics.registry.register(further)
    return metrics
