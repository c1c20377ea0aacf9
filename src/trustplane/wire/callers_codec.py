"""Callers, foreign callers and probes of a service, and what it offers, as nodes are told them."""

from __future__ import annotations

from collections.abc import Iterable

from trustplane.registry.callers import Caller, ForeignGrant
from trustplane.registry.model import Operation, Probe
from trustplane.registry.offered import Offered
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.patterns import IdPattern
from trustplane.wire.gen.trustplane.node.v1 import node_pb2


def callers(found: Iterable[Caller]) -> list[node_pb2.Caller]:
    return [node_pb2.Caller(spiffe_id=str(one.spiffe_id), operations=map(_operation, one.operations)) for one in found]


def callers_of(messages: Iterable[node_pb2.Caller]) -> tuple[Caller, ...]:
    return tuple(Caller(SpiffeId.parse(one.spiffe_id), _operations_of(one)) for one in messages)


def foreign(found: Iterable[ForeignGrant]) -> list[node_pb2.Caller]:
    return [node_pb2.Caller(spiffe_id=str(one.pattern), operations=map(_operation, one.operations)) for one in found]


def foreign_of(messages: Iterable[node_pb2.Caller]) -> tuple[ForeignGrant, ...]:
    return tuple(ForeignGrant(IdPattern.parse(one.spiffe_id), _operations_of(one)) for one in messages)


def probes(found: Iterable[Probe]) -> list[node_pb2.Probe]:
    return [node_pb2.Probe(method=one.method, path=one.path) for one in found]


def probes_of(messages: Iterable[node_pb2.Probe]) -> tuple[Probe, ...]:
    return tuple(Probe(one.method, one.path) for one in messages)


def offered(found: Iterable[Offered]) -> node_pb2.AllOffered:
    told = (node_pb2.Offered(service=str(one.service), operations=map(_operation, one.operations)) for one in found)
    return node_pb2.AllOffered(services=told)


def offered_of(message: node_pb2.AllOffered) -> tuple[Offered, ...]:
    return tuple(Offered(ServiceName.parse(one.service), _operations_of(one)) for one in message.services)


def _operation(operation: Operation) -> node_pb2.Operation:
    return node_pb2.Operation(name=operation.name, method=operation.method, path=operation.path)


def _operations_of(message: node_pb2.Caller | node_pb2.Offered) -> tuple[Operation, ...]:
    return tuple(Operation(one.name, one.method, one.path) for one in message.operations)
