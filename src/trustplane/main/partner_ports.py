"""Other trust domains, as the flows that ask them, answer them and wait for them need to know them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.federation.ask_partners import Partner
from trustplane.flows.federation.federate import Federate
from trustplane.flows.federation.partner_trust import Partners
from trustplane.flows.issuing.keep_authorities import KeepAuthorities
from trustplane.flows.roots.state_uptake import Trusted
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState
from trustplane.registry.view import NodeView
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.trust.federation import published_before_use


def hints_before_use(state: DesiredState | None) -> timedelta:
    """How long a new key is published before it is used (FE-1); no time where there is nobody to fetch it."""
    return published_before_use(state.refresh_hint) if state and state.federation else timedelta(0)


@dataclass(frozen=True, slots=True)
class PartnerPorts:
    store: Store
    authorities: KeepAuthorities
    desired: KeepDesiredState
    federate: Federate

    def relations(self) -> Mapping[TrustDomain, Relation]:
        current = self.desired.current
        return current[1].federation if current else {}

    def asked(self) -> Mapping[TrustDomain, Partner]:
        """Satisfies `flows.federation.ask_partners.Partners`."""
        peers = self.federate.peers.value
        return {
            name: Partner(relation, peers[name].bundle, self.federate.endpoint_bundle(relation))
            for name, relation in self.relations().items()
            if name in peers and peers[name].ended_at is None
        }

    def trusted(self) -> Trusted:
        """Whose bundle is held under a relation."""
        held = {name: one.bundle for name, one in self.asked().items() if one.bundle is not None}
        return Trusted(self.authorities.bundle(), held)

    def meant(self, node: NodeName) -> tuple[NodeView, str]:
        """What that node should hold, and its digest."""
        views = self.desired.views
        return views.needs.of(node), views.digest_of(node)

    async def known(self) -> Partners:
        """As participants of a change of root."""
        shown = {one.trust_domain: one for one in await self.store.shown()}
        current = self.desired.current
        hint = current[1].refresh_hint if current else DEFAULT_REFRESH_HINT
        services = current[1].services.values() if current else ()
        called = {one.spiffe_id for each in services for one in each.foreign_calls}
        counted = Counter(one.trust_domain for one in called)
        return Partners(tuple(sorted(self.relations())), shown, published_before_use(hint), counted)
