"""A first policy for a service: its declared callers of today as uses of a template, and a test that holds at once."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.fault import Refused
from trustplane.policy.rules import RuleSet, default_rules
from trustplane.policy.shipped import CALLER_MAY_CALL
from trustplane.registry import layout
from trustplane.registry.model import DesiredState, Operation, Service
from trustplane.spiffe.names import ServiceName


def starter(state: DesiredState, service: Service) -> dict[str, str]:
    """The two files, by name."""
    if not service.operations:
        raise Refused(
            code="policy-without-operations",
            what=f"{service.name} declares no operations",
            why="a rule says which operations it is about, and there are none to name",
            fix="declare them in service.yaml, for example operations: {charge: POST /charge}",
        )
    grants = _grants(state, default_rules(state, service))
    if not grants:
        raise Refused(
            code="policy-without-callers",
            what=f"nobody declares a call to {service.name}",
            why="a first policy says what holds today, and today nobody may call it",
            fix=f"declare the call under calls: in the caller's service.yaml, or write {layout.POLICY_CEDAR} yourself",
        )
    return {layout.POLICY_YAML: _policy(grants), layout.POLICY_TEST: _test(grants, service)}


def _grants(state: DesiredState, rules: RuleSet) -> dict[tuple[Operation, ...], list[ServiceName]]:
    names = {one.spiffe_id: one.name for one in state.services.values()}
    found: dict[tuple[Operation, ...], list[ServiceName]] = {}
    for rule in rules.rules:
        found.setdefault(rule.operations, []).extend(names[one] for one in rule.who.ids)
    return found


def _policy(grants: dict[tuple[Operation, ...], list[ServiceName]]) -> str:
    return "".join(
        f"- use: {CALLER_MAY_CALL}\n"
        + (f"  id: {'-and-'.join(one.name for one in operations)}\n" if len(grants) > 1 else "")
        + f"  callers: [{', '.join(map(str, sorted(callers)))}]\n"
        f"  operations: [{', '.join(one.name for one in operations)}]\n"
        for operations, callers in sorted(grants.items())
    )


def _test(grants: dict[tuple[Operation, ...], list[ServiceName]], service: Service) -> str:
    return "cases:\n" + "".join(_cases(grants, service))


def _cases(grants: dict[tuple[Operation, ...], list[ServiceName]], service: Service) -> Iterator[str]:
    for operations, callers in sorted(grants.items()):
        for caller in sorted(callers):
            for one in operations:
                path = one.path.replace("*", "example")
                yield f"  - {{as: {caller}, request: {one.method} {path}, expect: allow}}\n"
    first = service.operations[0]
    path = first.path.replace("*", "example")
    yield f"  - {{as: {service.name}, request: {first.method} {path}, expect: deny}}\n"
