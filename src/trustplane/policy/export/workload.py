"""What is exported: one service's compiled rules at the one port it has, and the words of a refusal.

`Scope` says for which requests the export promises to decide as the source does: those at the service's port, and if
the operator states that ambiguous paths are refused before any rule is asked, only those that have one reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from trustplane.fault import Place, Refused
from trustplane.policy.access import Access, Grant
from trustplane.policy.difference import within
from trustplane.policy.tree import (
    ANYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    Expression,
    Not,
    Port,
    Unambiguous,
    all_of,
    any_of,
    negated,
)
from trustplane.registry.model import Ports, Service
from trustplane.spiffe.ids import TrustDomain

Manifest: TypeAlias = Mapping[str, object]
API = "trustplane.dev"


@dataclass(frozen=True, slots=True)
class Workload:
    """`access` asks for no port any more: there is one, which in a cluster is the one the service itself listens on."""

    service: Service
    ports: Ports
    trust_domain: TrustDomain
    access: Access
    places: Mapping[str, Place | None]  # of its rules

    def metadata(self, name: str) -> dict[str, object]:
        return {
            "name": name,
            "namespace": self.service.name.namespace,
            "labels": {"app.kubernetes.io/managed-by": "trustplane"},
        }

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.service.name.name}


@dataclass(frozen=True, slots=True)
class Scope:
    port: int
    plain_paths: bool

    def of(self, access: Access) -> Access:
        part = Port(self.port, self.port + 1)
        return within(access, all_of(part, Unambiguous()) if self.plain_paths else part)

    def without_readings(self, access: Access) -> Access:
        """What needs not be said of paths where all have one reading."""
        if not self.plain_paths:
            return access
        return Access(*(tuple(_plainly(one) for one in grants) for grants in (access.deny, access.allow)))


def _plainly(grant: Grant) -> Grant:
    return Grant(
        grant.name, grant.who, _answered(grant.request, lambda leaf: True if isinstance(leaf, Unambiguous) else None)
    )


def at_port(access: Access, port: int) -> Access:
    def answer(leaf: Expression) -> bool | None:
        return leaf.first <= port < leaf.end if isinstance(leaf, Port) else None

    def of(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
        answered = (Grant(one.name, one.who, _answered(one.request, answer)) for one in grants)
        return tuple(one for one in answered if one.request != NOTHING)

    return Access(of(access.deny), of(access.allow))


def _answered(expression: Expression, answer: Callable[[Expression], bool | None]) -> Expression:
    match expression:
        case AllOf(items):
            return all_of(*(_answered(item, answer) for item in items))
        case AnyOf(items):
            return any_of(*(_answered(item, answer) for item in items))
        case Not(item):
            return negated(_answered(item, answer))
        case _:
            known = answer(expression)
            return expression if known is None else ANYTHING if known else NOTHING


def not_expressible(mesh: str, what: str, why: str, fix: str) -> Refused:
    return Refused(code="export-not-exact", what=f"{mesh} cannot say {what}", why=why, fix=fix)
