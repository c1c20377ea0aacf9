"""The issuer outage budget: how long until the first leaf expires if the issuer died now.

Counted are the newest leaves of services, where the registry still gives the identity to the node: what nobody renews
any more runs out whether or not an issuer lives. The figures are instants, so they stay true while nobody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName


@dataclass(frozen=True, slots=True)
class FirstExpiry:
    service: ServiceName
    node: NodeName
    serial: int
    at: datetime

    def left(self, at: datetime) -> timedelta:
        return max(self.at - at, timedelta(0))


@dataclass(frozen=True, slots=True)
class OutageBudget:
    """The first expiry of each service that has a leaf."""

    services: Mapping[ServiceName, FirstExpiry] = field(default_factory=dict)

    @property
    def first(self) -> FirstExpiry | None:
        return min(self.services.values(), key=_order, default=None)

    def only(self, services: Collection[ServiceName]) -> OutageBudget:
        return OutageBudget({name: one for name, one in self.services.items() if name in services})


def outage_budget(
    newest: Iterable[IssuedCertificate], entitled: Callable[[NodeName, SpiffeId], ServiceName | None]
) -> OutageBudget:
    """From the newest leaf of each identity and node. `entitled` names the service, if the node is still to have it."""
    found: dict[ServiceName, FirstExpiry] = {}
    for one in newest:
        service = entitled(one.node, one.spiffe_id) if one.purpose is Purpose.WORKLOAD else None
        if service is not None:
            expiry = FirstExpiry(service, one.node, one.serial, one.not_after)
            found[service] = min(found.get(service, expiry), expiry, key=_order)
    return OutageBudget(found)


def _order(expiry: FirstExpiry) -> tuple[datetime, ServiceName, int]:
    return expiry.at, expiry.service, expiry.serial
