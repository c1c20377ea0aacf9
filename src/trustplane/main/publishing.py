"""What this server publishes now, as a change of root compares everybody with it."""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.clock import Clock
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.desired.share_presence import SharePresence
from trustplane.flows.federation.federate import Federate
from trustplane.flows.issuing.keep_authorities import KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.flows.roots.federation_uptake import peers_of
from trustplane.flows.roots.survey_trust import Published, SurveyTrust
from trustplane.main.partner_ports import PartnerPorts
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.verify import BundleSet
from trustplane.store.store import Store


@dataclass(frozen=True, slots=True)
class Publishing:
    """What a change of root compares everybody with."""

    authorities: KeepAuthorities
    desired: KeepDesiredState
    revocations: KeepRevocations
    federate: Federate

    def now(self) -> Published:
        bundle, withdrawn = self.authorities.bundle(), self.revocations.withdrawn.value
        desired = self.desired
        return Published(
            bundle=bundle,
            withdrawn=withdrawn,
            longest_connection=desired.longest_connection(),
            peers=self.peers,
            clusters=desired.clusters(),
            draining=desired.draining(),
            are_all_measured=desired.are_all_measured(),
        )

    def peers(self, node: NodeName, participant: str) -> str:
        others = [one.bundle for one in self.federate.peers.value.values() if one.bundle is not None]
        bundles = BundleSet.of(self.authorities.bundle(), *others)
        return peers_of(self.desired.views.needs.of(node), participant, bundles)

    def survey(self, store: Store, presence: SharePresence, partners: PartnerPorts, clock: Clock) -> SurveyTrust:
        return SurveyTrust(store, self.now, presence, clock.now, partners.known)


def attendance(store: Store, instance: NodeName, clock: Clock) -> tuple[ConnectedAgents, SharePresence]:
    """Who is connected here, and to whichever server."""
    connected = ConnectedAgents()
    return connected, SharePresence(store, connected, instance, clock)
