"""A first policy for a service: its declared callers of today as uses of a template, and a test that holds at once."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.fault import Refused
from trustplane.policy.cases import as_case
from trustplane.policy.compile import compiled
from trustplane.policy.mutants import mutants
from trustplane.policy.rules import RuleSet, default_rules
from trustplane.policy.shipped import CALLER_MAY_CALL
from trustplane.policy.tree import Request
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
    rules = default_rules(state, service)
    grants = _grants(state, rules)
    if not grants:
        raise Refused(
            code="policy-without-callers",
            what=f"nobody declares a call to {service.name}",
            why="a first policy says what holds today, and today nobody may call it",
            fix=f"declare the call under calls: in the caller's service.yaml, or write {layout.POLICY_CEDAR} yourself",
        )
    return {layout.POLICY_YAML: _policy(grants), layout.POLICY_TEST: _test(state, rules)}


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


def _test(state: DesiredState, rules: RuleSet) -> str:
    """What is allowed, and of what is not as much as it takes to notice every mistake we know to make."""
    port = rules.service.ports.mesh if rules.service.ports else 0
    cases = [(one, True) for one in _allowed(rules, port)]
    for mutant in mutants(state, rules, port):
        mutated = compiled(mutant.rules)
        if all(mutated.decide(one).allowed is allowed for one, allowed in cases):
            cases.append((mutant.shows.request, not mutant.shows.newly_allowed))
    allowing = [f"  - {as_case(state, one, allowed=True)}\n" for one, allowed in cases if allowed]
    denying = [f"  - {as_case(state, one, allowed=False)}\n" for one, allowed in cases if not allowed]
    return "cases:\n" + "".join(allowing + denying)


def _allowed(rules: RuleSet, port: int) -> Iterator[Request]:
    for rule in rules.rules:
        for caller in sorted(rule.who.ids):
            for one in rule.operations:
                yield Request(caller, one.method, one.path.replace("*", "example"), (), port)
