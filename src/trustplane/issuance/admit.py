"""The gate between asking and getting.

Nothing becomes an `Admitted` but through a function of this module: a workload identity by a right the registry gave
to the very node that asks, a node's or a server's own identity by who it proved to be.
"""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.issuance.ask import Ask
from trustplane.issuance.csr import Csr
from trustplane.issuance.record import Purpose
from trustplane.registry.model import Profile
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import RESERVED_SEGMENT, NodeName, agent_id, probe_id, server_dns_name, server_id


@dataclass(frozen=True, slots=True)
class Right:
    """The registry's answer: `node` may have `spiffe_id`, shaped by `profile`."""

    node: NodeName
    spiffe_id: SpiffeId
    profile: Profile


@dataclass(frozen=True, slots=True)
class Admitted:
    spiffe_id: SpiffeId
    csr: Csr
    profile: Profile
    purpose: Purpose
    node: NodeName
    dns_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.csr.key is not self.profile.key:
            raise Refused(
                code="wrong-key-kind",
                what=f"the key for {self.spiffe_id} is {self.csr.key.value}",
                why=f"profile {self.profile.name}@{self.profile.version} asks for {self.profile.key.value}",
                fix=f"make a {self.profile.key.value} key, or choose a profile with key: {self.csr.key.value}",
            )


def admit(ask: Ask, right: Right | None) -> Admitted:
    """Refused unless the registry gave this node this ID."""
    entitled = require_right(ask.node, ask.spiffe_id, right)
    return Admitted(ask.spiffe_id, ask.csr, entitled.profile, Purpose.WORKLOAD, ask.node)


def require_right(node: NodeName, spiffe_id: SpiffeId, right: Right | None) -> Right:
    """The right, if there is one and it is to that ID on that node."""
    if right is None or (right.node, right.spiffe_id) != (node, spiffe_id) or not _for_workloads(spiffe_id):
        raise Refused(
            code="not-entitled",
            what=f"{agent_id(spiffe_id.trust_domain, node)} may not ask for {spiffe_id}",
            why="no service in the trust repository gives this node that ID",
            fix=f"list {node} under nodes: in that service's service.yaml (or list no node), then trustplane apply",
        )
    return right


def admit_node(trust_domain: TrustDomain, node: NodeName, csr: Csr, profile: Profile) -> Admitted:
    """An agent's own identity, for a node that has proved to be `node`."""
    return Admitted(agent_id(trust_domain, node), csr, profile, Purpose.NODE, node)


def admit_server(trust_domain: TrustDomain, instance: NodeName, csr: Csr, profile: Profile) -> Admitted:
    """A server instance's own identity."""
    names = (server_dns_name(trust_domain),)
    return Admitted(server_id(trust_domain, instance), csr, profile, Purpose.SERVER, instance, names)


def admit_probe(trust_domain: TrustDomain, node: NodeName, csr: Csr, profile: Profile) -> Admitted:
    """What an agent shows to see whether a root is trusted."""
    return Admitted(probe_id(trust_domain, node), csr, profile, Purpose.PROBE, node)


def _for_workloads(spiffe_id: SpiffeId) -> bool:
    return bool(spiffe_id.path) and spiffe_id.path[0] != RESERVED_SEGMENT
