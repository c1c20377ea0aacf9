"""All that a server shows at /metrics, put together."""

from __future__ import annotations

from trustplane.host.clock import SystemClock
from trustplane.main.chain_metrics import ChainMetrics
from trustplane.main.crl_metrics import CrlMetrics
from trustplane.main.federation_metrics import FederationMetrics
from trustplane.main.fleet_metrics import FleetMetrics
from trustplane.main.handshake_metrics import HandshakeMetrics
from trustplane.main.outage_gauges import OutageGauges
from trustplane.main.queue_metrics import QueueMetrics
from trustplane.main.rotation_metrics import RotationMetrics
from trustplane.main.server_flows import Flows
from trustplane.main.server_metrics import ServerMetrics
from trustplane.main.store_metrics import StoreMetrics


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
