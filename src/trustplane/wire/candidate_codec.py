"""A candidate as nodes are told it."""

from __future__ import annotations

from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp

from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.spiffe.names import ServiceName
from trustplane.wire import callers_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2


def encoded(candidate: Candidate) -> node_pb2.Candidate:
    if candidate.ends_at is None:
        return node_pb2.Candidate()
    ends_at = Timestamp()
    ends_at.FromDatetime(candidate.ends_at)
    return node_pb2.Candidate(id=candidate.id, ends_at=ends_at, tried=map(_tried, candidate.tried))


def decoded(message: node_pb2.Candidate) -> Candidate:
    if not message.id:
        return NO_CANDIDATE
    return Candidate(message.id, message.ends_at.ToDatetime(tzinfo=UTC), tuple(map(_tried_of, message.tried)))


def _tried(one: Tried) -> node_pb2.Tried:
    return node_pb2.Tried(
        service=str(one.service),
        policy=one.policy,
        callers=callers_codec.callers(one.callers),
        probes=callers_codec.probes(one.probes),
        foreign_callers=callers_codec.foreign(one.foreign_callers),
    )


def _tried_of(message: node_pb2.Tried) -> Tried:
    return Tried(
        ServiceName.parse(message.service),
        message.policy,
        callers_codec.callers_of(message.callers),
        callers_codec.probes_of(message.probes),
        callers_codec.foreign_of(message.foreign_callers),
    )
