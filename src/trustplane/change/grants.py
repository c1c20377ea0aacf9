"""Who may make which request of whom, and how that differs between two states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trustplane.registry.model import Call, DesiredState, Service
from trustplane.spiffe.names import ServiceName

ANY_REQUEST = "any request"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    caller: ServiceName
    callee: ServiceName


@dataclass(frozen=True, slots=True)
class GrantChange:
    edge: Edge
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def grants(state: DesiredState) -> Mapping[Edge, frozenset[str]]:
    return {
        Edge(service.name, call.service): _granted(state.services[call.service], call)
        for service in state.services.values()
        for call in service.calls
    }


def changed_grants(old: Mapping[Edge, frozenset[str]], new: Mapping[Edge, frozenset[str]]) -> tuple[GrantChange, ...]:
    changes = []
    for edge in sorted(old.keys() | new.keys()):
        before, after = old.get(edge, frozenset()), new.get(edge, frozenset())
        if before != after:
            changes.append(GrantChange(edge, tuple(sorted(after - before)), tuple(sorted(before - after))))
    return tuple(changes)


def _granted(callee: Service, call: Call) -> frozenset[str]:
    if not callee.operations:
        return frozenset({ANY_REQUEST})
    return frozenset(
        f"{operation.method} {operation.path}"
        for operation in callee.operations
        if not call.operations or operation.name in call.operations
    )
