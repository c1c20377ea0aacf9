"""One ID is one service, in our trust domain, under a prefix its namespace holds, owned by owners of that namespace."""

from __future__ import annotations

from trustplane.registry.admission.namespaces import held_by
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.findings import Findings
from trustplane.registry.model import Namespace, Service
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName


def check_identities(draft: Draft, findings: Findings) -> None:
    holders: dict[SpiffeId, ServiceName] = {}
    for name, drafted in sorted(draft.services.items()):
        _check_unique(drafted, holders, findings)
        if drafted.value.spiffe_id.trust_domain != draft.domain.value.trust_domain:
            _foreign(draft, drafted, findings)
        elif name.namespace in draft.namespaces:
            _check_prefix(draft.namespaces[name.namespace].value, drafted, findings)
        if name.namespace in draft.namespaces:
            _check_owners(draft.namespaces[name.namespace].value, drafted, findings)
        elif name.namespace not in draft.declared_namespaces:
            _undeclared(drafted, findings)


def _check_unique(drafted: Drafted[Service], holders: dict[SpiffeId, ServiceName], findings: Findings) -> None:
    service = drafted.value
    holder = holders.setdefault(service.spiffe_id, service.name)
    if holder != service.name:
        findings.add(
            code="id-used-twice",
            what=f"{service.name} has the ID {service.spiffe_id}, which is {holder}'s",
            why="one ID is one service: a peer could not tell the two apart",
            fix="remove id, or choose another",
            place=drafted.place("id"),
        )


def _foreign(draft: Draft, drafted: Drafted[Service], findings: Findings) -> None:
    findings.add(
        code="foreign-id",
        what=f"{drafted.value.spiffe_id} is not in the trust domain {draft.domain.value.trust_domain}",
        why="this trust domain's authorities vouch for its own names only",
        fix=f"write spiffe://{draft.domain.value.trust_domain}/..., or remove id",
        place=drafted.place("id"),
    )


def _check_prefix(namespace: Namespace, drafted: Drafted[Service], findings: Findings) -> None:
    path = drafted.value.spiffe_id.path
    prefixes = held_by(namespace)
    # A prefix itself is no service's name: its holder's whole tree would look like one workload.
    if not any(path[: len(prefix)] == prefix and len(path) > len(prefix) for prefix in prefixes):
        held = ", ".join("/" + "/".join(prefix) for prefix in prefixes)
        findings.add(
            code="id-outside-prefix",
            what=f"{drafted.value.spiffe_id} is not under a prefix that {namespace.name} holds",
            why=f"{namespace.name} holds {held}; the owners of other prefixes have not agreed",
            fix=f"remove id, choose one under these, or add the prefix to {namespace.name} in namespaces.yaml",
            place=drafted.place("id"),
        )


def _check_owners(namespace: Namespace, drafted: Drafted[Service], findings: Findings) -> None:
    strangers = sorted(set(drafted.value.owners) - set(namespace.owners))
    if strangers or not drafted.value.owners:
        findings.add(
            code="stranger-owns-service",
            what=f"{drafted.value.name} is owned by {', '.join(strangers) or 'nobody'}",
            why=f"the namespace {namespace.name} belongs to {', '.join(namespace.owners)}, who answer for its services",
            fix="choose among these, remove owners to have all of them, or add the group in namespaces.yaml",
            place=drafted.place("owners", *strangers[:1]),
        )


def _undeclared(drafted: Drafted[Service], findings: Findings) -> None:
    namespace = drafted.value.name.namespace
    findings.add(
        code="unknown-namespace",
        what=f"{drafted.value.name} is in the namespace {namespace}, which is not declared",
        why="a namespace says who answers for its services",
        fix=f"add to namespaces.yaml: {namespace}: {{owners: [{namespace}-team]}}",
        place=drafted.place(),
    )
