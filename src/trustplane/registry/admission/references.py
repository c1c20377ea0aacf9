"""Every reference ends somewhere: profiles, services called, their operations, readers."""

from __future__ import annotations

from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.fields import nearest
from trustplane.registry.findings import Findings
from trustplane.registry.model import Call, Service


def check_references(draft: Draft, findings: Findings) -> None:
    _check_default_profile(draft, findings)
    _check_readers(draft, findings)
    for _, drafted in sorted(draft.services.items()):
        _check_profile(draft, drafted, findings)
        _check_requests(drafted, findings)
        _check_sidecar(drafted, findings)
        for call in drafted.value.calls:
            _check_call(draft, drafted, call, findings)


def _check_default_profile(draft: Draft, findings: Findings) -> None:
    name = draft.domain.value.default_profile
    if name not in draft.declared_profiles:
        findings.add(
            code="unknown-profile",
            what=f"the default profile {name!r:.100} does not exist{nearest(name, draft.declared_profiles)}",
            why="a profile shapes every certificate of the services that use it",
            fix=f"use one of {', '.join(sorted(draft.declared_profiles))}, or create profiles/<name>.yaml",
            place=draft.domain.place("default_profile"),
        )


def _check_profile(draft: Draft, drafted: Drafted[Service], findings: Findings) -> None:
    name = drafted.value.profile
    if name not in draft.declared_profiles and name != draft.domain.value.default_profile:
        findings.add(
            code="unknown-profile",
            what=f"{drafted.value.name} uses the profile {name!r:.100}, which does not exist"
            f"{nearest(name, draft.declared_profiles)}",
            why="a profile shapes every certificate of the service",
            fix=f"use one of {', '.join(sorted(draft.declared_profiles))}, or create profiles/<name>.yaml",
            place=drafted.place("profile"),
        )


def _check_readers(draft: Draft, findings: Findings) -> None:
    if len(draft.services) < len(draft.declared_services):
        return  # a reader may be among the services that could not be read
    known = {drafted.value.spiffe_id for drafted in draft.services.values()}
    for reader in sorted(draft.domain.value.readers - known):
        findings.add(
            code="unknown-reader",
            what=f"{reader} may read the API, and no service has that ID",
            why="nobody could present that identity, so this is a mistake or a leftover",
            fix="write the ID of a declared service, or remove it",
            place=draft.domain.place("readers", str(reader)),
        )


def _check_sidecar(drafted: Drafted[Service], findings: Findings) -> None:
    if drafted.value.calls and drafted.value.ports is None:
        findings.add(
            code="calls-without-ports",
            what=f"{drafted.value.name} calls other services and has no ports",
            why="calls go through the service's own sidecar, and a service without ports has none",
            fix="write ports: {app: 20101, mesh: 20201}, or remove calls",
            place=drafted.place("calls"),
        )


def _check_call(draft: Draft, drafted: Drafted[Service], call: Call, findings: Findings) -> None:
    caller, place = drafted.value.name, drafted.place("calls", str(call.service))
    if call.service == caller:
        findings.add(
            code="calls-itself",
            what=f"{caller} declares a call to itself",
            why="a service reaches itself on its own port, without the mesh",
            fix="remove the call",
            place=place,
        )
    elif call.service not in draft.declared_services:
        findings.add(
            code="unknown-callee",
            what=f"{caller} calls {call.service}, which is not declared"
            f"{nearest(str(call.service), [str(name) for name in draft.declared_services])}",
            why="a call without a callee opens a port that leads nowhere",
            fix=f"create services/{call.service}/service.yaml, or correct the name",
            place=place,
        )
    elif call.service in draft.services:
        _check_callee(drafted, draft.services[call.service].value, call, findings)


def _check_callee(drafted: Drafted[Service], callee: Service, call: Call, findings: Findings) -> None:
    if callee.ports is None:
        findings.add(
            code="callee-without-ports",
            what=f"{drafted.value.name} calls {callee.name}, which has no ports",
            why="a service without ports has no sidecar, so nothing takes the call",
            fix=f"give {callee.name} ports, or remove the call",
            place=drafted.place("calls", str(callee.name)),
        )
    offered = [operation.name for operation in callee.operations]
    for name in call.operations:
        if name not in offered:
            findings.add(
                code="unknown-operation",
                what=f"{callee.name} offers no operation {name!r:.100}{nearest(name, offered)}",
                why="a grant of an operation that does not exist would allow nothing, or by a later accident too much",
                fix=f"use one of {', '.join(offered) or 'none: it declares no operations'}, or remove operations",
                place=drafted.place("calls", str(callee.name), "operations", name),
            )


def _check_requests(drafted: Drafted[Service], findings: Findings) -> None:
    """No request under two names, and none that is both granted to callers and open to anyone."""
    service = drafted.value
    names: dict[tuple[str, str], str] = {}
    for operation in service.operations:
        first = names.setdefault((operation.method, operation.path), operation.name)
        if first != operation.name:
            findings.add(
                code="operation-named-twice",
                what=f"{operation.name} and {first} are the same request",
                why="who is granted the one could make the other",
                fix="keep one of the names",
                place=drafted.place("operations", operation.name),
            )
        for probe in service.probes:
            # HEAD on what GET offers reveals the same headers.
            if operation.method in {probe.method, "GET"} and operation.covers(probe.path):
                findings.add(
                    code="probe-opens-operation",
                    what=f"the probe {probe.method} {probe.path} is also the operation {operation.name}",
                    why="a probe is let in without an identity, so anyone on the node could make this call",
                    fix="probe a path that no operation covers, such as /healthz",
                    place=drafted.place("probes", f"{probe.method} {probe.path}"),
                )
