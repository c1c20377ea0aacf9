"""How connections end, as servers tell agents; what is not told is as it was before it could be."""

from __future__ import annotations

from trustplane.registry.connections import BY_AGE, Connections, WhenTrustChanges
from trustplane.wire.gen.trustplane.node.v1 import node_pb2


def encoded(one: Connections) -> node_pb2.Connections | None:
    if one == BY_AGE:
        return None
    message = node_pb2.Connections(drains=one.drains)
    if one.longest is not None:
        message.longest.FromTimedelta(one.longest)
    return message


def decoded(message: node_pb2.Sidecar | node_pb2.Callee) -> Connections:
    if not message.HasField("connections"):
        return BY_AGE
    told = message.connections
    longest = told.longest.ToTimedelta() if told.HasField("longest") else None
    return Connections(longest, WhenTrustChanges.DRAIN if told.drains else WhenTrustChanges.AGE)
