"""The gate before a proxy: what has passed is `Published`, and only that can be sent.

An acknowledgement proves little: Envoy takes expired leaves, empty validation contexts and bundles that are no
authorities, and then refuses every handshake or, worse, none. So what is about to be sent is read back and judged as
the proxy would have to. If anything is wrong, all of it is said and nothing is sent: what was published before stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from trustplane.fault import Broken, Finding, Refused
from trustplane.xds.guard_config import config_findings
from trustplane.xds.guard_secrets import secret_findings
from trustplane.xds.resources import Kind, Offer

_GATE = object()


@dataclass(frozen=True, slots=True)
class Published:
    """An offer that passed every guard. Made by `published` alone."""

    offer: Offer
    passed_at: datetime
    gate: object

    def __post_init__(self) -> None:
        if self.gate is not _GATE:
            raise Broken(
                code="xds-unguarded",
                what="an offer was about to be published without having been judged",
                why="guards.published is the only way to a Published",
                fix="report this",
            )


def published(offer: Offer, at: datetime) -> Published:
    """Refused, with every finding, if a proxy must not be given this now."""
    findings = [*_emptiness(offer), *secret_findings(offer.of(Kind.SECRET), at)]
    for one in offer:
        findings.extend(config_findings(one))
    if findings:
        raise Refused.all_of(findings)
    return Published(offer, at, _GATE)


def _emptiness(offer: Offer) -> Iterator[Finding]:
    """Secrets alone make an offer for SDS; whoever gets a listener or cluster must get both."""
    kinds = {kind for kind in Kind if offer.of(kind)}
    needed = {Kind.SECRET} if kinds <= {Kind.SECRET} else {Kind.CLUSTER, Kind.LISTENER, Kind.SECRET}
    for kind in sorted(needed - kinds, key=lambda one: one.name):
        yield Finding(
            code="xds-offer-empty",
            what=f"there would be no {kind.name.lower()} at all",
            why="a proxy that is given none deletes all it has, or asks no client for a certificate",
            fix="report this with the output of trustplane status",
        )
