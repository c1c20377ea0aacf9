"""From desired state, hosting and bundles to what each node must know.

The work of one answer is proportional to what that node gets, and nodes with the same placement share one `NodeView`
object: a thousand nodes that may host everything cost one view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from trustplane.fault import Broken
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.federation import ForeignCall, ForeignCaller
from trustplane.registry.model import Call, DesiredState, Operation, Ports, Service
from trustplane.registry.offered import Offered
from trustplane.registry.view import (
    Callee,
    Caller,
    Endpoint,
    Entry,
    ForeignGrant,
    NodeView,
    Sidecar,
    TrustedBundle,
    Withdrawn,
)
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName

NOTHING_WITHDRAWN = Withdrawn()


class Needs:
    """Every node's view of one desired state. Computed on first use and remembered."""

    def __init__(
        self,
        state: DesiredState,
        revision: int,
        endpoints: Mapping[ServiceName, tuple[Endpoint, ...]],
        bundles: tuple[TrustedBundle, ...],
        withdrawn: Withdrawn = NOTHING_WITHDRAWN,
        *,
        candidate: Candidate = NO_CANDIDATE,
    ) -> None:
        self._state = state
        self._revision = revision
        self._endpoints = endpoints
        self._bundles = tuple(sorted(bundles, key=lambda bundle: bundle.trust_domain))
        self._withdrawn = withdrawn
        self._candidate = candidate
        self._callers = _calls_by_callee(state)
        self._anywhere, self._pinned = _placements(state)
        self._sidecars: dict[ServiceName, Sidecar] = {}
        self._views: dict[tuple[ServiceName, ...], NodeView] = {}

    def of(self, node: NodeName) -> NodeView:
        pinned = self._pinned.get(node, ())
        if pinned not in self._views:
            self._views[pinned] = self._view(pinned)
        return self._views[pinned]

    def _view(self, pinned: tuple[ServiceName, ...]) -> NodeView:
        services = [self._state.services[name] for name in sorted((*self._anywhere, *pinned))]
        domains = self._domains_of(services)
        return NodeView(
            revision=self._revision,
            entries=tuple(sorted((self._entry(service) for service in services), key=lambda entry: entry.spiffe_id)),
            sidecars=tuple(self._sidecar(service, service.ports) for service in services if service.ports),
            bundles=tuple(one for one in self._bundles if one.trust_domain in domains),
            withdrawn=self._withdrawn,
            candidate=self._candidate.only({service.name for service in services}),
            offered=tuple(Offered(one.name, one.operations) for one in services if one.ports and one.operations),
        )

    def tried(self, name: ServiceName) -> Tried | None:
        """What decides about requests to that service; none where there is none that has a sidecar."""
        service = self._state.services.get(name)
        if service is None or service.ports is None:
            return None
        sidecar = self._sidecar(service, service.ports)
        if sidecar.policy:
            return Tried(name, sidecar.policy)
        return Tried(name, b"", sidecar.callers, sidecar.probes, sidecar.foreign_callers)

    def _domains_of(self, services: Sequence[Service]) -> frozenset[TrustDomain]:
        """A node is told of a foreign trust domain for the sake of a service that names it, and of no other."""
        return frozenset({self._state.trust_domain}).union(*(one.foreign_domains() for one in services))

    def _entry(self, service: Service) -> Entry:
        profile = self._state.profiles[service.profile]
        return Entry(
            service=service.name,
            spiffe_id=service.spiffe_id,
            selectors=service.selectors,
            key=profile.key,
            profile=f"{profile.name}@{profile.version}",
            hint=service.hint,
            federates=tuple(sorted(service.foreign_domains())),
        )

    def _sidecar(self, service: Service, ports: Ports) -> Sidecar:
        if service.name not in self._sidecars:
            self._sidecars[service.name] = Sidecar(
                service=service.name,
                spiffe_id=service.spiffe_id,
                ports=ports,
                callers=self._declared(service),
                callees=(
                    *(self._callee(call) for call in sorted(service.calls)),
                    *(_foreign_callee(service, call) for call in sorted(service.foreign_calls)),
                ),
                probes=tuple(sorted(service.probes)),
                longest_request=service.longest_request,
                leaf_lifetime=self._state.profiles[service.profile].lifetime,
                foreign_callers=tuple(_foreign_grant(service, one) for one in service.foreign_callers),
                connections=service.connections,
                policy=self._state.policies.get(service.name, b""),
            )
        return self._sidecars[service.name]

    def _declared(self, service: Service) -> tuple[Caller, ...]:
        """Nobody where a policy decides: a node that does not know of policies must not fall back to something else."""
        if service.name in self._state.policies:
            return ()
        return tuple(
            Caller(self._state.services[caller].spiffe_id, _granted(service, call))
            for caller, call in self._callers.get(service.name, ())
        )

    def _callee(self, call: Call) -> Callee:
        callee = self._state.services[call.service]
        return Callee(
            service=callee.name,
            spiffe_id=callee.spiffe_id,
            listen=call.listen,
            endpoints=tuple(sorted(set(self._endpoints.get(callee.name, ())))),
            longest_request=callee.longest_request,
            connections=callee.connections,
        )


def _foreign_grant(service: Service, caller: ForeignCaller) -> ForeignGrant:
    return ForeignGrant(caller.pattern, _granted(service, caller))


def _foreign_callee(caller: Service, call: ForeignCall) -> Callee:
    """How long its requests may take nobody says here, so they may take as long as the caller's own."""
    return Callee(None, call.spiffe_id, call.listen, tuple(sorted(set(call.endpoints))), caller.longest_request)


def _granted(callee: Service, call: Call | ForeignCaller) -> tuple[Operation, ...]:
    """The operations this call may use. Empty, which means any request, only if the callee declares none."""
    wanted = call.operations or tuple(operation.name for operation in callee.operations)
    granted = tuple(sorted(operation for operation in callee.operations if operation.name in wanted))
    if len(granted) != len(set(wanted)):
        raise Broken(
            code="call-of-unknown-operation",
            what=f"a call names operations of {callee.name} that it does not declare",
            why="admission refuses such a call, and an empty grant would be read as any request",
            fix="report this with the trust repository's revision",
        )
    return granted


def _calls_by_callee(state: DesiredState) -> dict[ServiceName, tuple[tuple[ServiceName, Call], ...]]:
    """Each callee's callers by SPIFFE ID, in one pass over the services."""
    found: dict[ServiceName, list[tuple[ServiceName, Call]]] = defaultdict(list)
    for service in sorted(state.services.values(), key=lambda one: one.spiffe_id):
        for call in service.calls:
            found[call.service].append((service.name, call))
    return {callee: tuple(calls) for callee, calls in found.items()}


def _placements(state: DesiredState) -> tuple[tuple[ServiceName, ...], dict[NodeName, tuple[ServiceName, ...]]]:
    """The services any node may host, and those pinned to each node, by name."""
    anywhere = []
    pinned: dict[NodeName, list[ServiceName]] = defaultdict(list)
    for name, service in sorted(state.services.items()):
        if not service.nodes:
            anywhere.append(name)
        for node in service.nodes:
            pinned[node].append(name)
    return tuple(anywhere), {node: tuple(names) for node, names in pinned.items()}
