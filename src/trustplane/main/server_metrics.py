"""The server's metrics. Names and labels stay bounded: nothing here is labelled by certificate, and by
service only as far as the trust repository declares services.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.fault import Fault
from trustplane.flows.connected_agents import ConnectedAgents
from trustplane.flows.desired_state import KeepDesiredState
from trustplane.flows.issue import Issued, Request
from trustplane.flows.issue_in_turn import Issuer
from trustplane.flows.keep_authorities import KeepAuthorities
from trustplane.spiffe.names import NodeName


class ServerMetrics:
    def __init__(
        self, authorities: KeepAuthorities, desired: KeepDesiredState, connected: ConnectedAgents, outage: Collector
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Standing(authorities, desired, connected))
        self.registry.register(outage)
        self._issued = Counter("trustplane_svids_issued", "X.509-SVIDs issued to workloads", registry=self.registry)
        self._refused = Counter(
            "trustplane_svid_requests_refused", "Requests not answered with an SVID", ["code"], registry=self.registry
        )

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
        agents = len(self._connected.nodes())
        yield GaugeMetricFamily("trustplane_agents_connected", "Agents following this server", agents)
        current = self._desired.current
        revision = current[0].number if current else 0
        yield GaugeMetricFamily("trustplane_revision", "Number of the applied trust repository revision", revision)
        standing = self._authorities.standing.value
        expiry = GaugeMetricFamily(
            "trustplane_authority_expiry_timestamp_seconds", "When the active authority expires", labels=["kind"]
        )
        for kind, signer in (("issuing", standing.x509), ("jwt", standing.jwt)) if standing else ():
            if signer is not None:
                expiry.add_metric([kind], signer.authority.not_after.timestamp())
        yield expiry
