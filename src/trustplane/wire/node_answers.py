"""What a server answers agents with, as the node protocol's messages. Apart from `wire.node_codec`, because an agent
may not reach issuing code even through a type."""

from __future__ import annotations

from datetime import datetime, timedelta

from trustplane.fault import Broken, Fault, Unavailable
from trustplane.flows.issuing.issue import Issued
from trustplane.wire.gen.trustplane.node.v1 import node_pb2
from trustplane.wire.node_codec import duration, timestamp


def node_identity(issued: Issued, bundle: bytes, at: datetime) -> node_pb2.NodeIdentity:
    return node_pb2.NodeIdentity(
        chain=issued.chain, renew_at=timestamp(issued.renew_at), bundle=bundle, server_time=timestamp(at)
    )


def x509_result(outcome: Issued | Fault) -> node_pb2.X509Result:
    if isinstance(outcome, Fault):
        return node_pb2.X509Result(refusal=refusal(outcome))
    issued = node_pb2.X509Issued(chain=outcome.chain, renew_at=timestamp(outcome.renew_at))
    return node_pb2.X509Result(issued=issued)


def refusal(fault: Fault) -> node_pb2.Refusal:
    """What the agent may know: all of a refusal, of our own faults only that they are ours."""
    if isinstance(fault, Broken):
        return node_pb2.Refusal(
            code="server-broken",
            what="the server could not issue this",
            why="a fault of its own, recorded in its log",
            fix="ask whoever runs the server to look for this instant in its log",
            retry_after=duration(timedelta(seconds=5)),
        )
    found = fault.finding
    message = node_pb2.Refusal(code=found.code, what=found.what, why=found.why, fix=found.fix)
    if isinstance(fault, Unavailable):
        message.retry_after.FromTimedelta(fault.retry_after or timedelta(seconds=1))
    return message
