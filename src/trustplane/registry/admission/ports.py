"""No two services want one port of a node they may share, and no service wants one port twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.fault import Place
from trustplane.registry.admission.placement import meeting
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.findings import Findings
from trustplane.registry.model import Service


@dataclass(frozen=True, slots=True)
class _Use:
    """What a service opens a port for."""

    service: Service
    purpose: str
    place: Place


def check_ports(draft: Draft, findings: Findings) -> None:
    uses: dict[int, list[_Use]] = defaultdict(list)
    for _, drafted in sorted(draft.services.items()):
        for port, use in _uses(drafted):
            uses[port].append(use)
    for port, wanted in sorted(uses.items()):
        for one, other in meeting(wanted, _user):
            findings.add(
                code="port-clash",
                what=f"port {port} is {other.service.name}'s {other.purpose} and {one.service.name}'s {one.purpose}",
                why="both may be on one node, and the second to start would fail",
                fix="choose another port, or put the two on different nodes",
                place=other.place,
            )
            if findings.is_full:
                return


def _user(use: _Use) -> Service:
    return use.service


def _uses(drafted: Drafted[Service]) -> Iterator[tuple[int, _Use]]:
    service = drafted.value
    if service.ports:
        yield service.ports.app, _Use(service, "app port", drafted.place("ports", "app"))
        yield service.ports.mesh, _Use(service, "mesh port", drafted.place("ports", "mesh"))
    for call in service.calls:
        place = drafted.place("calls", str(call.service), "listen")
        yield call.listen, _Use(service, f"way to {call.service}", place)
    for foreign in service.foreign_calls:
        place = drafted.place("foreign_calls", str(foreign.spiffe_id), "listen")
        yield foreign.listen, _Use(service, f"way to {foreign.spiffe_id}", place)
