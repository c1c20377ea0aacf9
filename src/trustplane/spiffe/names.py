"""The names of namespaces, services and nodes, and the SPIFFE IDs trustplane reserves for itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId, TrustDomain

RESERVED_SEGMENT = "trustplane"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _check_label(kind: str, text: str) -> None:
    if not _LABEL.fullmatch(text):
        raise Refused(
            code="bad-name",
            what=f"{text!r:.200} is not a {kind} name",
            why="names are 1 to 63 lower-case letters, digits and inner dashes, so that no two look alike",
            fix=f"choose a {kind} name such as payments or eu-west-1",
        )


@dataclass(frozen=True, slots=True, order=True)
class NodeName:
    name: str

    def __post_init__(self) -> None:
        _check_label("node", self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, order=True)
class ClusterName:
    """Nodes and servers that are spoken of together."""

    name: str

    def __post_init__(self) -> None:
        _check_label("cluster", self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, order=True)
class ServiceName:
    namespace: str
    name: str

    def __post_init__(self) -> None:
        _check_label("namespace", self.namespace)
        _check_label("service", self.name)

    @classmethod
    def parse(cls, text: str) -> ServiceName:
        namespace, _, name = text.partition("/")
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def default_id(trust_domain: TrustDomain, service: ServiceName) -> SpiffeId:
    return SpiffeId(trust_domain, ("ns", service.namespace, "sa", service.name))


def agent_id(trust_domain: TrustDomain, node: NodeName) -> SpiffeId:
    return SpiffeId(trust_domain, (RESERVED_SEGMENT, "agent", node.name))


def server_id(trust_domain: TrustDomain, instance: NodeName) -> SpiffeId:
    return SpiffeId(trust_domain, (RESERVED_SEGMENT, "server", instance.name))


def is_probe(spiffe_id: SpiffeId) -> bool:
    return spiffe_id.path[:2] == (RESERVED_SEGMENT, "probe")


def probe_id(trust_domain: TrustDomain, node: NodeName) -> SpiffeId:
    """Whom a node's probes show themselves as: nobody that any rule lets do anything."""
    return SpiffeId(trust_domain, (RESERVED_SEGMENT, "probe", node.name))


def node_of(spiffe_id: SpiffeId) -> NodeName:
    """The node an agent's SPIFFE ID names; refused for any other ID."""
    match spiffe_id.path:
        case (segment, "agent", node) if segment == RESERVED_SEGMENT:
            return NodeName(node)
        case _:
            raise Refused(
                code="not-an-agent",
                what=f"{spiffe_id} does not name an agent",
                why=f"agents are named {agent_id(spiffe_id.trust_domain, NodeName('node'))}",
                fix="connect with the SVID the agent received when it enrolled",
            )


def server_dns_name(trust_domain: TrustDomain) -> str:
    """The DNS SAN beside the URI SAN of every server SVID: gRPC clients can check no URI SAN."""
    return f"server.{trust_domain.name}"
