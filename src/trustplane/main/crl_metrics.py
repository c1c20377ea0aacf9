"""The age of the CRLs in use, for an alert long before one of them grows stale."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trustplane.flows.keep_revocations import KeepRevocations


class CrlMetrics(Collector):
    """Read when scraped. While nothing is revoked there is no CRL and no instant to show."""

    def __init__(self, keep: KeepRevocations) -> None:
        self._keep = keep

    def collect(self) -> Iterator[Metric]:
        in_force, crls = self._keep.in_force, self._keep.crls
        revoked = GaugeMetricFamily("trustplane_revocations", "What is revoked and in force", labels=["kind"])
        revoked.add_metric(["certificate"], len(in_force.certificates))
        revoked.add_metric(["id"], len(in_force.ids))
        revoked.add_metric(["issuer"], len(in_force.issuers))
        yield revoked
        yield GaugeMetricFamily(
            "trustplane_revocation_findings",
            "What keeps revocation from being as it should",
            len(self._keep.findings()),
        )
        if crls:
            refresh, expiry = min(one.refresh_at for one in crls), min(one.next_update for one in crls)
            what = "When the next CRL is to be signed anew"
            yield GaugeMetricFamily("trustplane_crl_refresh_timestamp_seconds", what, refresh.timestamp())
            what = "When the first CRL would grow stale"
            yield GaugeMetricFamily("trustplane_crl_expiry_timestamp_seconds", what, expiry.timestamp())
