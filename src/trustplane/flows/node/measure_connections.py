"""Measuring that the connections made before trust changed have ended, sidecar by sidecar, by Envoy's own figures.

A sidecar is asked once it has acknowledged the newest generation, and again until none of its connections is of before.
Two looks must say so, with time in between: an acknowledged listener may be about to let in one more. What was proven
is reported against the order it answers; time alone proves nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.feed import Feed
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView
from trustplane.spiffe.names import ServiceName
from trustplane.xds.conversation import Held
from trustplane.xds.open_connections import OpenConnections, drains, open_connections
from trustplane.xds.resources import Kind, Offer

STEP = timedelta(seconds=1)
AT_ONCE = 8
THING = "connections"

Ask = Callable[[ServiceName], Awaitable[Mapping[str, int]]]


class Uptake(Protocol):
    """Where it is known what each sidecar holds, and where proofs are reported."""

    @property
    def listening(self) -> frozenset[ServiceName]: ...

    def holdings_of(self, service: ServiceName) -> tuple[Holding, ...]: ...

    def report(self, participant: str, held: Held) -> None: ...


class Offers(Protocol):
    def offered(self, service: ServiceName) -> Offer | None: ...

    def order_of(self, service: ServiceName) -> str:
        """The order to make connections anew that this offer follows."""
        ...

    def let_go(self, service: ServiceName, generations: Collection[str]) -> None:
        """No connection of these is left."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """`offer` names what the sidecar held then. `since`: when no connection of before was seen for the first time."""

    offer: str
    found: OpenConnections
    at: datetime
    since: datetime | None = None

    @property
    def is_proven(self) -> bool:
        return self.since is not None and self.at > self.since


class MeasureConnections:
    def __init__(self, views: Feed[NodeView | None], offers: Offers, uptake: Uptake, ask: Ask, clock: Clock) -> None:
        """`ask` gets the figures of a sidecar's Envoy, or is refused."""
        self._views = views
        self._offers = offers
        self._uptake = uptake
        self._ask = ask
        self._clock = clock
        self._measured: dict[ServiceName, Measured] = {}
        self._failing: dict[ServiceName, str] = {}
        self._log = structlog.get_logger("connections")

    def of(self, service: ServiceName) -> Measured | None:
        return self._measured.get(service)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            await self.look()

    async def look(self) -> None:
        """Ask those of whom something is not proven yet; report what is."""
        due = list(self._due())
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*(self._measure(service, offer) for service, offer in due[start : start + AT_ONCE]))
        view = self._views.value
        for sidecar in view.sidecars if view else ():
            self._report(sidecar.service, view.withdrawn.order if view else "")

    def _due(self) -> Iterator[tuple[ServiceName, Offer]]:
        attached = self._uptake.listening
        for gone in self._measured.keys() - attached:
            del self._measured[gone]
        for service in sorted(attached):
            offer = self._offers.offered(service)
            if offer is None or not drains(offer) or not self._holds(service, offer):
                self._measured.pop(service, None)
            elif not self._is_proven(service, offer):
                yield service, offer

    def _is_proven(self, service: ServiceName, offer: Offer) -> bool:
        known = self._measured.get(service)
        return known is not None and known.offer == offer.digest and known.is_proven

    def _holds(self, service: ServiceName, offer: Offer) -> bool:
        held = {one.thing: one.held for one in self._uptake.holdings_of(service)}
        wanted = (one for kind in (Kind.LISTENER, Kind.CLUSTER, Kind.SECRET) for one in offer.of(kind).values())
        return all(held.get(f"{one.kind.name.lower()}/{one.name}") == one.known_as for one in wanted)

    async def _measure(self, service: ServiceName, offer: Offer) -> None:
        try:
            found = open_connections(await self._ask(service), offer)
        except Fault as fault:
            if self._failing.get(service) != fault.code:
                self._log.warning("connections not measured", sidecar=str(service), what=fault.finding.what)
            self._failing[service] = fault.code
            self._measured.pop(service, None)
            return
        self._failing.pop(service, None)
        before, at = self._measured.get(service), self._clock.now()
        ended = found.is_taken_up and found.before == 0
        kept = before.since if before is not None and before.offer == offer.digest and before.since else at
        self._measured[service] = Measured(offer.digest, found, at, kept if ended else None)
        gone = [one for one, count in found.former.items() if not count]
        if gone and self._measured[service].is_proven:
            self._offers.let_go(service, gone)

    def _report(self, service: ServiceName, order: str) -> None:
        """What was proven for an order stays proven: nobody makes a connection of before it any more. The offer may
        follow an earlier order than the one that is wanted by now."""
        told = next((one for one in self._uptake.holdings_of(service) if one.thing == THING), None)
        offer = self._offers.offered(service)
        if service not in self._uptake.listening or offer is None:
            return
        wanted = order if drains(offer) else ""
        proven = self._offers.order_of(service) if self._is_proven(service, offer) else ""
        held = (proven or (told.held if told else "")) if wanted else ""
        if (told.desired, told.held) != (wanted, held) if told else bool(wanted):
            self._uptake.report(str(service), Held(THING, wanted, held))
