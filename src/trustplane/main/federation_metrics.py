"""How it stands with other trust domains, for alerts; labelled by those the trust repository declares."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.flows.federate import Federate
from trustplane.flows.publish_bundle import PublishBundle


class FederationMetrics(Collector):
    """Read when scraped, from what the process holds in memory. Without a bundle there is no instant to show."""

    def __init__(self, federate: Federate, published: PublishBundle) -> None:
        self._federate = federate
        self._published = published

    def collect(self) -> Iterator[Metric]:
        gauges = {
            name: GaugeMetricFamily(f"trustplane_federation_{name}", what, labels=["trust_domain"])
            for name, what in (
                ("authorities", "X.509 and JWT authorities of a federated trust domain; 0: all of it is refused"),
                ("bundle_sequence", "Of the bundle held; -1: it has none"),
                ("bundle_taken_timestamp_seconds", "When a bundle was last taken from the endpoint, or handed over"),
                ("failing_since_timestamp_seconds", "Since when no newer bundle was taken; absent while all is well"),
            )
        }
        for name, peer in sorted(self._federate.peers.value.items()):
            labels, bundle = [name.name], peer.bundle
            if peer.ended_at is not None:
                continue
            authorities = len(bundle.x509_authorities) + len(bundle.jwt_authorities) if bundle else 0
            gauges["authorities"].add_metric(labels, authorities)
            if bundle is not None and peer.taken_at is not None:
                sequence = -1 if bundle.sequence is None else bundle.sequence
                gauges["bundle_sequence"].add_metric(labels, sequence)
                gauges["bundle_taken_timestamp_seconds"].add_metric(labels, peer.taken_at.timestamp())
            if peer.failure is not None:
                gauges["failing_since_timestamp_seconds"].add_metric(labels, peer.failure.since.timestamp())
        yield from gauges.values()
        if self._published.sequence is not None:
            what = "Of our own bundle as it was last published"
            yield GaugeMetricFamily("trustplane_bundle_sequence", what, self._published.sequence)
