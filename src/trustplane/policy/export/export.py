"""One service's rules for another mesh, proved: what is written is read back and compared with the rules as written.

Refused with the rule's place where that mesh has no word for it. What is left must be equal for every caller, method,
path and header there can be at the service's port; if it is not, that is a refusal too, with the request that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from trustplane.fault import Refused
from trustplane.policy.access import Access
from trustplane.policy.compile import as_written, compiled
from trustplane.policy.difference import difference
from trustplane.policy.export import istio, istio_reading, linkerd, linkerd_reading
from trustplane.policy.export.workload import Manifest, Scope, Workload, at_port
from trustplane.policy.rules import RuleSet, probes_of
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import TrustDomain


class Mesh(Enum):
    ISTIO = "istio"
    LINKERD = "linkerd"


@dataclass(frozen=True, slots=True)
class _Dialect:
    write: Callable[[Workload, Findings], list[Manifest]]
    read: Callable[[Sequence[Manifest], TrustDomain], Iterator[Access]]


def exported(
    state: DesiredState, rules: RuleSet, mesh: Mesh, findings: Findings, *, plain_paths: bool
) -> list[Manifest]:
    """Nothing, and `findings` told why, where a rule has no exact counterpart."""
    before = len(findings)
    written: list[Manifest] = []
    with findings.at(None):
        workload = _workload(state, rules, plain_paths=plain_paths)
        written = _DIALECTS[mesh].write(workload, findings)
        if len(findings) == before:
            _prove(state, rules, mesh, written, workload, plain_paths=plain_paths)
    return written if len(findings) == before else []


def premises(mesh: Mesh, *, plain_paths: bool) -> tuple[str, ...]:
    """What the exported rules rely on, and cannot check."""
    plain = ("something in front refuses paths that have more than one reading, as --plain-paths says",)
    return _PREMISES[mesh] + (plain if plain_paths else ())


_PREMISES = {
    Mesh.ISTIO: (
        "each service runs as pods labelled app: NAME in the namespace of its name, and takes requests at its app port",
        "workloads have the SPIFFE IDs of this repository: trustDomain is set, service accounts are named as services",
        "meshConfig.pathNormalization.normalization is MERGE_SLASHES or stricter",
        "sidecars enforce it, of a release of March 10, 2026 or later (CVE-2026-31838); ztunnel leaves such rules out",
    ),
    Mesh.LINKERD: (
        "each service runs as pods labelled app: NAME in the namespace of its name, and takes requests at its app port",
        "service accounts are named as services; the mesh's identities are those of this trust domain",
        "a request that no route matches is answered with 404, where trustplane answers 403; both deny",
        "once there is a route, the kubelet's probes need an AuthorizationPolicy with a NetworkAuthentication of yours",
    ),
}


def _workload(state: DesiredState, rules: RuleSet, *, plain_paths: bool) -> Workload:
    service = rules.service
    if service.ports is None:
        raise Refused(
            code="export-without-port",
            what=f"{service.name} declares no ports",
            why="another mesh enforces rules at a port, and a denial without one would hold for more than HTTP",
            fix="declare them in service.yaml, for example ports: {app: 8080, mesh: 8443}",
        )
    if rules.by_default and service.foreign_callers:
        raise Refused(
            code="export-not-exact",
            what=f"{service.name} has no policy, and its foreign_callers are let in beside its declared callers",
            why="only what a policy says is proved, and these are not part of one",
            fix=f"trustplane policy new {service.name} writes a policy; name them there as Peer or TrustDomain",
        )
    scope = Scope(service.ports.mesh, plain_paths=plain_paths)
    access = at_port(compiled(rules, probes_of(state, service)), service.ports.mesh)
    places = {one.id: one.place for one in rules.rules}
    return Workload(service, service.ports, state.trust_domain, scope.without_readings(access), places)


def _prove(
    state: DesiredState, rules: RuleSet, mesh: Mesh, written: list[Manifest], workload: Workload, *, plain_paths: bool
) -> None:
    scope = Scope(workload.ports.app, plain_paths=plain_paths)
    source = at_port(as_written(rules, probes_of(state, rules.service)), workload.ports.mesh)
    for reading in _DIALECTS[mesh].read(written, state.trust_domain):
        for region in difference(scope.of(source), scope.of(reading), workload.ports.app):
            raise Refused(
                code="export-not-exact",
                what=f"{mesh.value} would {'allow' if region.newly_allowed else 'deny'} {region.request}, and the "
                f"policy of {rules.service.name} does not",
                why="a policy is exported exactly or not at all",
                fix="write the rules about that request so that no two of them overlap",
                place=workload.places.get((region.before or "").partition("~")[0]),
            )


def _istio(manifests: Sequence[Manifest], _: TrustDomain) -> Iterator[Access]:
    yield istio_reading.access(manifests)


def _linkerd(manifests: Sequence[Manifest], domain: TrustDomain) -> Iterator[Access]:
    readings = linkerd_reading.access(manifests, domain)
    yield from (readings.least, readings.most)


_DIALECTS = {
    Mesh.ISTIO: _Dialect(istio.manifests, _istio),
    Mesh.LINKERD: _Dialect(linkerd.manifests, _linkerd),
}
