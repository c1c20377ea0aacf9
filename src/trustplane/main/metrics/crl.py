"""The age of the CRLs in use, for an alert long before one of them grows stale."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.main.metrics.measure import gauge

REVOCATIONS = gauge("trustplane_revocations", "What is revoked and in force", "kind")
FINDINGS = gauge("trustplane_revocation_findings", "What keeps revocation from being as it should")
REFRESH = gauge("trustplane_crl_refresh_timestamp_seconds", "When the next CRL is to be signed anew")
EXPIRY = gauge("trustplane_crl_expiry_timestamp_seconds", "When the first CRL would grow stale")


class CrlMetrics(Collector):
    """Read when scraped. While nothing is revoked there is no CRL and no instant to show."""

    def __init__(self, keep: KeepRevocations) -> None:
        self._keep = keep

    def collect(self) -> Iterator[Metric]:
        in_force, crls = self._keep.in_force, self._keep.crls
        yield REVOCATIONS.each(
            [
                (["certificate"], len(in_force.certificates)),
                (["id"], len(in_force.ids)),
                (["issuer"], len(in_force.issuers)),
            ]
        )
        yield FINDINGS.of(len(self._keep.findings()))
        if crls:
            yield REFRESH.of(min(one.refresh_at for one in crls).timestamp())
            yield EXPIRY.of(min(one.next_update for one in crls).timestamp())
