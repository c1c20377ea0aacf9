"""What each sidecar and each SDS client of this node should hold, from the node's view and the identities it holds.

A process is offered what its attested selectors entitle it to and nothing else. What does not pass the guards is not
offered: the configuration before it stays, and the refusal is reported. A candidate comes on top of what is enforced
and can take nothing from it: if it is refused, the rest is offered without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.attest.entitlement import entitled
from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.feed import Feed
from trustplane.flows.node.serve_identities import HeldIdentities, bundles_of
from trustplane.flows.node.withdrawn import fit_for_proxies, stale_at
from trustplane.registry.candidate import Candidate
from trustplane.registry.view import Entry, NodeView, Sidecar, Withdrawn
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.guards import Published, published
from trustplane.xds.open_connections import generations_of
from trustplane.xds.resources import Offer
from trustplane.xds.sds_names import secrets_offer
from trustplane.xds.snapshot import snapshot, trying
from trustplane.xds.surroundings import Surroundings

LONGEST_SLEEP = timedelta(seconds=60)


class RefusalSink(Protocol):
    def refused(self, service: ServiceName, fault: Fault) -> None: ...

    def candidate_refused(self, service: ServiceName, known_as: str, fault: Fault) -> None: ...


class Memory(Protocol):
    """Generations of connections, over a restart: a sidecar's listener keeps their chains meanwhile."""

    def load(self) -> Mapping[ServiceName, tuple[str, ...]]: ...

    def save(self, generations: Mapping[ServiceName, tuple[str, ...]]) -> None: ...


class OfferConfiguration:
    def __init__(
        self,
        held: tuple[Feed[NodeView | None], Feed[HeldIdentities]],
        here: Surroundings,
        refusals: RefusalSink,
        memory: Memory,
        clock: Clock,
    ) -> None:
        self._views, self._identities = held
        self._memory = memory
        self._here = here
        self._refusals = refusals
        self._clock = clock
        self._changes: Feed[int] = Feed(1)
        self._enforced: dict[ServiceName, Published] = {}
        self._offers: dict[ServiceName, Published] = {}  # with the candidate, where one runs
        self._generations = dict(memory.load())  # of connections, the newest first
        self._orders: dict[ServiceName, str] = {}  # to make connections anew, as each offer follows it

    async def run(self) -> None:
        """Compute every sidecar's offer anew whenever the view or an identity changes, and when its CRLs get old."""
        while True:
            view_moved = asyncio.ensure_future(self._views.moved())
            identity_moved = asyncio.ensure_future(self._identities.moved())
            try:
                self.recompute()
                stale = asyncio.ensure_future(self._clock.sleep(self._until_stale()))
                try:
                    await asyncio.wait((view_moved, identity_moved, stale), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stale.cancel()
            finally:
                view_moved.cancel()
                identity_moved.cancel()

    def _until_stale(self) -> timedelta:
        """At most a while: over a suspend the clock may jump past every instant."""
        view = self._views.value
        now = self._clock.now()
        ends = (stale_at(view.withdrawn), view.candidate.ends_at) if view else ()
        return min([LONGEST_SLEEP, *(one - now for one in ends if one is not None and one > now)])

    def recompute(self) -> None:
        view = self._views.value
        if view is None:
            return
        held = self._identities.value
        keyed = {entry.spiffe_id: svid for entry, svid in held.held}
        at = self._clock.now()
        withdrawn = fit_for_proxies(view.withdrawn, at)
        candidate = view.candidate.at(at)
        enforced: dict[ServiceName, Published] = {}
        offers: dict[ServiceName, Published] = {}
        for sidecar in view.named():
            before = self._enforced.get(sidecar.service)
            offer = self._offer(sidecar, keyed.get(sidecar.spiffe_id), held.bundles, at, withdrawn) or before
            if offer is not None:
                enforced[sidecar.service] = offer
                offers[sidecar.service] = self._tried(sidecar, offer, candidate, at)
        self._enforced, self._offers = enforced, offers
        # One that cannot be offered anything yet goes on with what it had.
        known = {one.service: self._generations.get(one.service, ()) for one in view.sidecars}
        self._remember(known | {service: generations_of(one.offer) for service, one in offers.items()})
        self._changes.publish(self._changes.value + 1)

    def _remember(self, generations: dict[ServiceName, tuple[str, ...]]) -> None:
        """Before they are offered: whoever is killed in between has a chain too many, not one too few."""
        if generations != self._generations:
            self._memory.save(generations)
        self._generations = generations

    def _offer(
        self, sidecar: Sidecar, svid: KeyedSvid | None, bundles: BundleSet, at: datetime, withdrawn: Withdrawn
    ) -> Published | None:
        if svid is None:
            return None
        try:
            former = self._generations.get(sidecar.service, ())
            offer = published(snapshot(sidecar, svid, bundles, self._here, withdrawn, former=former), at)
        except Fault as fault:
            self._refusals.refused(sidecar.service, fault)
            return None
        self._orders[sidecar.service] = withdrawn.order
        return offer

    def _tried(self, sidecar: Sidecar, offer: Published, candidate: Candidate, at: datetime) -> Published:
        tried = candidate.about(sidecar.service)
        if tried is None:
            return offer
        try:
            return published(trying(offer.offer, sidecar, candidate), at)
        except Fault as fault:
            self._refusals.candidate_refused(sidecar.service, candidate.known_as(tried), fault)
            return offer

    def order_of(self, service: ServiceName) -> str:
        return self._orders.get(service, "")

    def let_go(self, service: ServiceName, generations: Collection[str]) -> None:
        """None of their connections is left, so the chains that let them in go too."""
        kept = self._generations.get(service, ())
        left = tuple(one for one in kept if one not in generations or one == kept[0])
        self._remember({**self._generations, service: left})
        self.recompute()

    async def changed(self, since: int) -> int:
        while self._changes.value <= since:
            await self._changes.moved()
        return self._changes.value

    def offered(self, service: ServiceName) -> Offer | None:
        """What that sidecar should hold now."""
        found = self._offers.get(service)
        return found.offer if found else None

    def sidecar(self, selectors: frozenset[Selector], node_id: str) -> Published | None:
        service = ServiceName.parse(node_id)
        if self._views.value is None:
            return None  # an agent that has just started knows nobody yet, which is no refusal
        entry = self._entry(lambda one: one.service == service)
        if entry is None or not entry.selectors <= selectors:
            raise Refused(
                code="not-entitled",
                what=f"this process may not be the sidecar of {service}",
                why="no entry for that service matches what is attested of it",
                fix=f"compare the selectors of {service} with trustplane explain, or start it as the right user",
            )
        return self._offers.get(service)

    def secrets(self, selectors: frozenset[Selector]) -> Published | None:
        view = self._views.value
        held = self._identities.value
        if view is None:
            return None
        mine = entitled(view.entries, selectors)
        keyed = {entry.spiffe_id: svid for entry, svid in held.held}
        ready = [svid for entry in mine if (svid := keyed.get(entry.spiffe_id)) is not None]
        if (mine and not ready) or not view.entries:
            return None
        own = view.entries[0].spiffe_id.trust_domain  # a node's entries are all of its own domain
        at = self._clock.now()
        # One identity that cannot be published must not cost the process its others.
        crls = tuple(one.crl for one in fit_for_proxies(view.withdrawn, at).crls)
        bundles = bundles_of(mine, held.bundles)
        sound = [one for one in ready if _publishable(one, bundles, own, at, crls)] if len(ready) > 1 else ready
        return published(secrets_offer(sound or ready, bundles, own, crls), at)

    def _entry(self, wanted: Callable[[Entry], bool]) -> Entry | None:
        view = self._views.value
        return next((entry for entry in view.entries if wanted(entry)), None) if view else None


def _publishable(svid: KeyedSvid, bundles: BundleSet, own: TrustDomain, at: datetime, crls: Sequence[bytes]) -> bool:
    try:
        published(secrets_offer([svid], bundles, own, crls), at)
    except Refused:
        return False
    return True
