"""Desired state as named things with fields of text: the one form in which two states are compared and shown.

Every fact of a `DesiredState` is in it, so two states are equal if and only if their descriptions are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeAlias

from trustplane.policy import document
from trustplane.registry.budgets import Waiver
from trustplane.registry.clusters import Cluster
from trustplane.registry.connections import Connections
from trustplane.registry.durations import as_written
from trustplane.registry.federation import ForeignCall, Relation
from trustplane.registry.model import Call, DesiredState, Namespace, Profile, Service
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle


class Kind(Enum):
    """What an item is about. An entry is the part of a service that says who receives its identity."""

    TRUST_DOMAIN = "trust domain"
    FEDERATION = "federation"
    CLUSTER = "cluster"
    PROFILE = "profile"
    NAMESPACE = "namespace"
    SERVICE = "service"
    ENTRY = "entry"
    READER = "reader"
    WAIVER = "waiver"
    POLICY = "policy"


Fields: TypeAlias = Mapping[str, str]
Described: TypeAlias = Mapping[tuple[Kind, str], Fields]


def described(state: DesiredState) -> Described:
    found: dict[tuple[Kind, str], Fields] = {(Kind.TRUST_DOMAIN, state.trust_domain.name): _domain(state)}
    found.update({(Kind.FEDERATION, name.name): _relation(one) for name, one in state.federation.items()})
    found.update({(Kind.CLUSTER, str(name)): _cluster(one) for name, one in state.clusters.declared.items()})
    found.update({(Kind.PROFILE, name): _profile(one) for name, one in state.profiles.items()})
    found.update({(Kind.NAMESPACE, name): _namespace(one) for name, one in state.namespaces.items()})
    found.update({(Kind.SERVICE, str(name)): _service(one) for name, one in state.services.items()})
    found.update({(Kind.ENTRY, str(one.spiffe_id)): _entry(one) for one in state.services.values()})
    found.update({(Kind.READER, str(reader)): {} for reader in state.readers})
    found.update({(Kind.WAIVER, name): _waiver(one) for name, one in state.waivers.items()})
    found.update({(Kind.POLICY, str(name)): _policy(one) for name, one in state.policies.items()})
    return found


def _domain(state: DesiredState) -> Fields:
    budgets = {"mttd": state.budgets.mttd, "mttr": state.budgets.mttr}
    stated = {name: as_written(budget) for name, budget in budgets.items() if budget is not None}
    if state.refresh_hint != DEFAULT_REFRESH_HINT:
        stated["refresh_hint"] = as_written(state.refresh_hint)
    return {"default_profile": state.default_profile, **stated}


def _relation(relation: Relation) -> Fields:
    return _said(
        {
            "endpoint": str(relation.endpoint),
            "profile": relation.profile.value,
            "endpoint_id": str(relation.endpoint_id or ""),
            "accepts": _listed(one.path_text for one in relation.accepts),
            "roots": _listed(relation.roots),
            "first bundle": _first_bundle(relation.first_bundle),
        }
    )


def _cluster(cluster: Cluster) -> Fields:
    return _said({"nodes": _listed(map(str, cluster.nodes)), "servers": _listed(map(str, cluster.servers))})


def _first_bundle(bundle: Bundle | None) -> str:
    if bundle is None:
        return ""
    numbered = f", sequence {bundle.sequence}" if bundle.sequence is not None else ""
    hint = f", refresh hint {as_written(bundle.refresh_hint)}" if bundle.refresh_hint else ""
    return f"{bundle.digest}{numbered}{hint}"


def _waiver(waiver: Waiver) -> Fields:
    return {
        "waives": f"{waiver.rule.value} of {waiver.target}",
        "until": waiver.until.isoformat(),
        "owner": waiver.owner,
        "reason": waiver.reason,
    }


def _policy(compiled: bytes) -> Fields:
    access = document.decode(compiled)
    return _said(
        {
            "allows by": _listed({one.rule for one in access.allow}),
            "forbids by": _listed({one.rule for one in access.deny}),
            "digest": hashlib.sha256(compiled).hexdigest()[:16],
        }
    )


def _profile(profile: Profile) -> Fields:
    return {
        "version": str(profile.version),
        "key": profile.key.value,
        "lifetime": as_written(profile.lifetime),
        "backdate": as_written(profile.backdate),
        "renew": f"{100 * profile.renew.opens:g}%-{100 * profile.renew.closes:g}%",
    }


def _namespace(namespace: Namespace) -> Fields:
    prefixes = ("/" + "/".join(prefix) for prefix in namespace.prefixes)
    shared = _listed(map(str, namespace.shared_with))
    return _said({"owners": _listed(namespace.owners), "prefixes": _listed(prefixes), "shared_with": shared})


def _service(service: Service) -> Fields:
    ports = f"app {service.ports.app}, mesh {service.ports.mesh}" if service.ports else ""
    return _said(
        {
            "id": str(service.spiffe_id),
            "owners": _listed(service.owners),
            "ports": ports,
            **{f"operation {one.name}": f"{one.method} {one.path}" for one in service.operations},
            **{f"call {call.service}": _call(call) for call in service.calls},
            **{f"foreign caller {one.pattern}": _operations(one.operations) for one in service.foreign_callers},
            **{f"foreign call {one.spiffe_id}": _foreign_call(one) for one in service.foreign_calls},
            "probes": _listed(f"{probe.method} {probe.path}" for probe in service.probes),
            "data": _listed(service.data),
            "longest_request": as_written(service.longest_request),
            "connections": _connections(service.connections),
        }
    )


def _connections(one: Connections) -> str:
    """Said only where it was decided: what follows from the profile is no fact of the service."""
    longest = f"last {as_written(one.longest)}" if one.longest is not None else ""
    drained = "made anew when trust changes" if one.drains else ""
    return ", ".join(filter(None, (longest, drained)))


def _entry(service: Service) -> Fields:
    return _said(
        {
            "service": str(service.name),
            "selectors": _listed(str(selector) for selector in service.selectors),
            "nodes": _listed(str(node) for node in service.nodes) or "any",
            "profile": service.profile,
            "hint": service.hint,
        }
    )


def _call(call: Call) -> str:
    return f"{_operations(call.operations)} through port {call.listen}"


def _foreign_call(call: ForeignCall) -> str:
    where = _listed(f"{one.address}:{one.port}" for one in call.endpoints)
    return f"at {where} through port {call.listen}"


def _operations(names: Iterable[str]) -> str:
    return _listed(names) or "all operations"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))


def _said(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value}
