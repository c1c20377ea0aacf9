"""What each sidecar of this node was given and when, to tell with what happened to it.

A proxy tells of a failure a while after it happened, and by then the agent may have given it the next leaf. So the last
few are remembered; what was given before this agent started is not known. In the moment after a new leaf was given,
either may have been presented, and neither is named.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.flows.feed import Feed
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.handshake.failure import NOBODY, Claims
from trustplane.handshake.reported import NOTHING_HELD, Held, digest_or_none
from trustplane.handshake.told import of_certificate
from trustplane.registry.view import NodeView, Sidecar
from trustplane.spiffe.names import ServiceName
from trustplane.xds.resources import Offer

MOST_REMEMBERED = 4  # of a sidecar
TAKEN_UP_AFTER = timedelta(seconds=1)  # a secret is used within some ten milliseconds, more on a busy machine

Given = tuple[Held, Claims]


class Offers(Protocol):
    def offered(self, service: ServiceName) -> Offer | None: ...

    async def changed(self, since: int) -> int:
        """The number of the newest change, as soon as it is above `since`."""
        ...


class GivenToSidecars:
    def __init__(self, held: tuple[Feed[NodeView | None], Feed[HeldIdentities]], offers: Offers, clock: Clock) -> None:
        self._views, self._identities = held
        self._offers = offers
        self._clock = clock
        self._given: dict[ServiceName, deque[tuple[datetime, Given]]] = {}

    async def run(self) -> None:
        number = 0
        while True:
            number = await self._offers.changed(number)
            self.remember()

    def remember(self) -> None:
        view, at = self._views.value, self._clock.now()
        if view is None:
            return
        self._given = {
            one.service: self._given.get(one.service, deque(maxlen=MOST_REMEMBERED)) for one in view.sidecars
        }
        for sidecar in view.sidecars:
            given, now = self._given[sidecar.service], self._now(sidecar, view)
            if not given or given[-1][1] != now:
                given.append((at, now))

    def of(self, service: ServiceName, at: datetime) -> Given:
        """The last before then, or the first that is known."""
        given = self._given.get(service)
        if not given:
            return NOTHING_HELD, NOBODY
        held, claims = next((one for since, one in reversed(given) if since <= at), given[0][1])
        first = next(since for since, (_, of) in given if of == claims)
        is_just_renewed = first <= at < first + TAKEN_UP_AFTER and given[0][1][1] != claims
        return held, Claims(claims.spiffe_id) if is_just_renewed else claims

    def _now(self, sidecar: Sidecar, view: NodeView) -> Given:
        own = sidecar.spiffe_id.trust_domain
        offer = self._offers.offered(sidecar.service)
        held = Held(
            bundle=digest_or_none(next((one.digest for one in view.bundles if one.trust_domain == own), "")),
            configuration=offer.digest if offer else "",
            revision=view.revision,
            rollout=digest_or_none(view.withdrawn.order),
        )
        keyed = next((svid for entry, svid in self._identities.value.held if entry.service == sidecar.service), None)
        claims = Claims(str(sidecar.spiffe_id))
        return held, of_certificate(claims, keyed.svid.leaf) if keyed else claims
