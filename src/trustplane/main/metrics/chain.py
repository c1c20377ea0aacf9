"""When the first link of the chain ends: leaf, issuing authority, root, JWT key or CRL, whichever is first.

A leaf in date below an expired authority is as useless as an expired one, and a CRL past its next update refuses every
certificate where it is obeyed; an alert on leaves alone sees neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.flows.issuing.keep_authorities import KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.main.metrics.measure import gauge

CHAIN = gauge(
    "trustplane_chain_expiry_timestamp_seconds",
    "When the first leaf, issuing authority of this server, root of the bundle, JWT key or CRL (next update) ends",
    "link",
)


class ChainMetrics(Collector):
    """Read when scraped. A link that does not exist has no figure."""

    def __init__(self, authorities: KeepAuthorities, outage: WatchOutageBudget, revocations: KeepRevocations) -> None:
        self._authorities = authorities
        self._outage = outage
        self._revocations = revocations

    def collect(self) -> Iterator[Metric]:
        links = {"leaf": self._leaf(), "crl": self._crl(), "root": None, "issuing": None, "jwt": None}
        standing = self._authorities.standing.value
        if standing is not None:
            roots = [one.not_valid_after_utc for one in standing.bundle.x509_authorities]
            links["root"] = min(roots, default=None)
            links["issuing"] = standing.x509.authority.not_after if standing.x509 else None
            links["jwt"] = standing.jwt.authority.not_after if standing.jwt else None
        yield CHAIN.each(([link], ends.timestamp()) for link, ends in sorted(links.items()) if ends)

    def _leaf(self) -> datetime | None:
        first = self._outage.latest.first
        return first.at if first else None

    def _crl(self) -> datetime | None:
        return min((one.next_update for one in self._revocations.crls), default=None)
