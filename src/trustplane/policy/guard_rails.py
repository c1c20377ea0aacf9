"""guardrails.cedar: what no service's policy can allow, whoever writes it.

Every rule forbids, has an owner, and is compiled into each destination that it concerns, as one more thing that is
forbidden there. It may speak of resources by service, namespace, group and data class, and of operations by name or
method; where it speaks of none it is about every operation, and about everything but probes where none are declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from trustplane.fault import Place, Refused
from trustplane.policy import profile
from trustplane.policy.access import Access
from trustplane.policy.callers import Callers
from trustplane.policy.compile import grants
from trustplane.policy.difference import is_empty
from trustplane.policy.rules import Rule, probed
from trustplane.policy.source import PolicySource
from trustplane.policy.tree import ANYTHING, all_of, any_of, negated
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Operation, Service
from trustplane.spiffe.names import ServiceName

_SOME_OPERATION = Operation("any", "GET", "/")


@dataclass(frozen=True, slots=True)
class GuardRails:
    """`rules` and the Cedar they come from, by the service they concern; `every` names each with its place."""

    every: Mapping[str, Place] = field(default_factory=dict)
    rules: Mapping[ServiceName, tuple[Rule, ...]] = field(default_factory=dict)
    cedar: Mapping[ServiceName, tuple[str, ...]] = field(default_factory=dict)


def guard_rails(sources: tuple[PolicySource, ...], state: DesiredState, findings: Findings) -> GuardRails:
    before = len(findings)
    every: dict[str, Place] = {}
    rules: dict[ServiceName, list[Rule]] = {}
    cedar: dict[ServiceName, list[str]] = {}
    callers = Callers(state)
    for source in sources:
        with findings.at(source.place):
            for service, rule in _concerned(source, state, callers, findings):
                if every.setdefault(rule.id, source.place) is not source.place:
                    raise _twice(rule.id, every[rule.id])
                rules.setdefault(service, []).append(rule)
                cedar.setdefault(service, []).append(source.text)
    if len(findings) == before and sources:
        offered = tuple(sorted({each for one in state.services.values() for each in one.operations}))
        profile.validated(list(sources), offered or (_SOME_OPERATION,), findings)
    return GuardRails(
        every, {name: tuple(found) for name, found in rules.items()}, {name: tuple(of) for name, of in cedar.items()}
    )


def _concerned(
    source: PolicySource, state: DesiredState, callers: Callers, findings: Findings
) -> Iterator[tuple[ServiceName, Rule]]:
    """What is wrong with it is told once, not for every service."""
    _check_head(source)
    known = {name for one in state.services.values() for name in profile.actions_of(one)}
    concerned = 0
    for name, service in sorted(state.services.items()):
        before = len(findings)
        rule = profile.guard(source, service, callers, known, findings)
        if len(findings) > before:
            return
        if rule is not None and _has_effect(rule := _beside_probes(rule, service)):
            concerned += 1
            yield name, rule
    if not concerned:
        raise Refused(
            code="guardrail-concerns-nobody",
            what="this guard-rail concerns no service",
            why="no service has such data, namespace or operation, or nobody is among its callers; a rule without "
            "effect is a mistake",
            fix="correct it, or remove it",
        )


def _beside_probes(rule: Rule, service: Service) -> Rule:
    """Of a service that declares no operations everything but its probes is meant, or health checks would fail."""
    if rule.operations or not service.probes:
        return rule
    return replace(rule, condition=all_of(rule.condition, negated(any_of(*map(probed, sorted(service.probes))))))


def _has_effect(rule: Rule) -> bool:
    if rule.who.nobody:
        return False
    return rule.condition == ANYTHING or not is_empty(Access((), tuple(grants(rule))))


def _check_head(source: PolicySource) -> None:
    if source.tree.effect != "forbid":
        raise Refused(
            code="guardrail-permits",
            what="this guard-rail permits something",
            why="a guard-rail only takes away; what is allowed is said beside the service that offers it",
            fix="write forbid, or move the rule beside the service",
        )
    if not source.tree.annotations.get("owner"):
        raise Refused(
            code="guardrail-without-owner",
            what="this guard-rail has no owner",
            why="whoever is stopped by it must know whom to ask",
            fix='write for example @owner("security-team") before it',
        )


def _twice(name: str, first: Place) -> Refused:
    return Refused(
        code="policy-duplicate-id",
        what=f"{name} is the name of two rules",
        why=f"a log that names it would not say which of them decided; the first is at {first}",
        fix="rename one of them",
    )
