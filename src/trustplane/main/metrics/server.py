"""The server's metrics. Names and labels stay bounded: nothing here is labelled by certificate, and by
service only as far as the trust repository declares services.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.fault import Fault
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.flows.issuing.issue_in_turn import Issuer
from trustplane.flows.issuing.keep_authorities import KeepAuthorities
from trustplane.main.metrics.measure import counter, gauge
from trustplane.spiffe.names import NodeName
from trustplane.trust.lifecycle import takes_over_at

ISSUED = counter("trustplane_svids_issued", "X.509-SVIDs issued to workloads by this server")
REFUSED = counter("trustplane_svid_requests_refused", "Requests that this server did not answer with an SVID", "code")
AGENTS = gauge("trustplane_agents_connected", "Agents following this server")
REVISION = gauge("trustplane_revision", "Number of the applied trust repository revision")
EXPIRY = gauge("trustplane_authority_expiry_timestamp_seconds", "When this server's active authority expires", "kind")
CHANGE_DUE = gauge(
    "trustplane_authority_change_due_timestamp_seconds",
    "When the successor of this server's active authority should take over; in the past: it did not",
    "kind",
)


class ServerMetrics:
    def __init__(
        self, authorities: KeepAuthorities, desired: KeepDesiredState, connected: ConnectedAgents, outage: Collector
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Standing(authorities, desired, connected))
        self.registry.register(outage)
        self._issued = Counter(ISSUED.name, ISSUED.meaning, registry=self.registry)
        self._refused = Counter(REFUSED.name, REFUSED.meaning, REFUSED.labels, registry=self.registry)

    def counted(self, issuer: Issuer) -> CountedIssuer:
        return CountedIssuer(issuer, self._issued, self._refused)


class CountedIssuer:
    def __init__(self, issuer: Issuer, issued: Counter, refused: Counter) -> None:
        self._issuer = issuer
        self._issued = issued
        self._refused = refused

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        try:
            outcomes = await self._issuer.issue(node, requests, at)
        except Fault as of_all:
            self._refused.labels(of_all.code).inc(len(requests))
            raise
        refused = [one for one in outcomes if isinstance(one, Fault)]
        for fault in refused:
            self._refused.labels(fault.code).inc()
        self._issued.inc(len(outcomes) - len(refused))
        return outcomes


class _Standing(Collector):
    """Read when scraped, from what the process holds in memory."""

    def __init__(self, authorities: KeepAuthorities, desired: KeepDesiredState, connected: ConnectedAgents) -> None:
        self._authorities = authorities
        self._desired = desired
        self._connected = connected

    def collect(self) -> Iterator[Metric]:
        yield AGENTS.of(len(self._connected.nodes()))
        current = self._desired.current
        yield REVISION.of(current[0].number if current else 0)
        standing = self._authorities.standing.value
        signers = (("issuing", standing.x509), ("jwt", standing.jwt)) if standing else ()
        active = [([kind], signer.authority) for kind, signer in signers if signer is not None]
        yield EXPIRY.each((kind, one.not_after.timestamp()) for kind, one in active)
        yield CHANGE_DUE.each((kind, takes_over_at(one).timestamp()) for kind, one in active)
