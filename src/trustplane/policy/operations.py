"""An operation named in a file beside its service."""

from __future__ import annotations

from trustplane.fault import Refused
from trustplane.registry.fields import nearest, text
from trustplane.registry.findings import shown
from trustplane.registry.model import Operation, Service
from trustplane.registry.yaml_tree import Node


def declared(service: Service, node: Node) -> Operation:
    name = text(node)
    known = {one.name: one for one in service.operations}
    if name not in known:
        raise Refused(
            code="policy-unknown-operation",
            what=f"{shown(name)} is no operation of {service.name}{nearest(name, known)}",
            why="operations are declared in service.yaml; a rule about another would never apply",
            fix=f"use one of {', '.join(sorted(known)) or 'none: it declares no operations yet'}",
            place=node.place,
        )
    return known[name]
