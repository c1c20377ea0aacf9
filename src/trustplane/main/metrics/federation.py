"""How it stands with other trust domains, for alerts; labelled by those the trust repository declares."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.federation.federate import Federate
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.main.metrics.measure import gauge

AUTHORITIES = gauge(
    "trustplane_federation_authorities",
    "X.509 and JWT authorities of a federated trust domain; 0: all of it is refused",
    "trust_domain",
)
SEQUENCE = gauge("trustplane_federation_bundle_sequence", "Of the bundle held; -1: it has none", "trust_domain")
TAKEN = gauge(
    "trustplane_federation_bundle_taken_timestamp_seconds",
    "When a bundle was last taken from the endpoint, or handed over",
    "trust_domain",
)
FAILING = gauge(
    "trustplane_federation_failing_since_timestamp_seconds",
    "Since when no newer bundle was taken; absent while all is well",
    "trust_domain",
)
OWN_SEQUENCE = gauge("trustplane_bundle_sequence", "Of our own bundle as it was last published")


class FederationMetrics(Collector):
    """Read when scraped, from what the process holds in memory. Without a bundle there is no instant to show."""

    def __init__(self, federate: Federate, published: PublishBundle) -> None:
        self._federate = federate
        self._published = published

    def collect(self) -> Iterator[Metric]:
        peers = [(name, one) for name, one in sorted(self._federate.peers.value.items()) if one.ended_at is None]
        held = [(name, peer.bundle) for name, peer in peers]
        taken = [(name, peer.bundle, peer.taken_at) for name, peer in peers]
        yield AUTHORITIES.each(
            ([name.name], len(bundle.x509_authorities) + len(bundle.jwt_authorities) if bundle else 0)
            for name, bundle in held
        )
        yield SEQUENCE.each(
            ([name.name], -1 if bundle.sequence is None else bundle.sequence)
            for name, bundle, at in taken
            if bundle and at
        )
        yield TAKEN.each(([name.name], at.timestamp()) for name, bundle, at in taken if bundle and at)
        yield FAILING.each(([name.name], peer.failure.since.timestamp()) for name, peer in peers if peer.failure)
        yield OWN_SEQUENCE.of(self._published.sequence)
