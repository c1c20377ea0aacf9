"""All that is tested in a trust repository: services' policies, guard-rails, its own templates; each an examination.

A guard-rail is examined as if every operation were otherwise allowed to everyone, since its tests are to say what it
takes away: a mistake in it is noticed by a case that is denied because of it, or by one that expects allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from trustplane.policy.book import Book, Policy
from trustplane.policy.cases import Case, CaseFile
from trustplane.policy.compile import compiled
from trustplane.policy.coverage import OPERATION, RuleCoverage, coverage
from trustplane.policy.examination import Examination, examine, outcomes
from trustplane.policy.mutants import Mutant, mutants
from trustplane.policy.rules import Effect, Rule, RuleSet
from trustplane.policy.template_tests import TemplateTest
from trustplane.policy.tree import ANYTHING, EVERYONE
from trustplane.registry import layout
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.names import ServiceName


@dataclass(frozen=True, slots=True)
class Subject:
    """What was examined: its kind, its name, and the file its cases stand in."""

    kind: str
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One case, and what it is put to."""

    subject: str
    case: Case
    state: DesiredState
    policy: Policy

    def run(self) -> str:
        """What is wrong; empty if it holds."""
        (outcome,) = outcomes(self.state, self.policy, (self.case,))
        return outcome.problem


def cases_of(found: Book) -> Iterator[Tried]:
    """Every case there is, each to be run by itself. Refused for what is wrong with any of them."""
    cases, uses = _read(found)
    for name, some in cases.items():
        yield from (Tried(str(name), one, found.state, found.policy_of(name)) for one in some)
    for name, some in found.guard_cases.items():
        yield from (Tried(f"guard-rails of {name}", one, found.state, found.policy_of(name)) for one in some)
    for use, some in uses:
        policy = Policy(use.rules, use.cedar)
        yield from (Tried(f"template {use.template}", one, found.state, policy) for one in some)


def _read(found: Book) -> tuple[dict[ServiceName, tuple[Case, ...]], list[tuple[TemplateTest, tuple[Case, ...]]]]:
    findings = Findings()
    cases = {
        name: CaseFile(found.state, found.state.services[name], findings).cases(tree)
        for name, tree in found.tests.items()
    }
    uses = [(one, CaseFile(found.state, one.rules.service, findings).listed(one.cases)) for one in found.template_tests]
    findings.refuse_if_any()
    return cases, uses


def examined(found: Book) -> Iterator[tuple[Subject, Examination]]:
    """Refused for what is wrong with the cases, all at once, before any of them is run."""
    cases, uses = _read(found)
    for name in sorted({*cases, *found.written}):
        file = f"services/{name.namespace}/{name.name}/{layout.POLICY_TEST}"
        yield Subject("service", str(name), file), examine(found.state, found.policy_of(name), cases.get(name, ()))
    if found.guard_rails or found.guard_cases:
        yield Subject("guard-rails", "guard-rails", layout.GUARD_RAILS_TEST), _guard_rails(found)
    for template in dict.fromkeys(one.template for one, _ in uses):
        some = [
            examine(found.state, Policy(one.rules, one.cedar), tried) for one, tried in uses if one.template == template
        ]
        yield Subject("template", template, f"templates/{template}.yaml"), _together(some[0].policy, some)


def _guard_rails(found: Book) -> Examination:
    some = [
        _guarded(found.state, found.policy_of(name), name, cases) for name, cases in sorted(found.guard_cases.items())
    ]
    return _together(some[0].policy, some)


def _guarded(state: DesiredState, policy: Policy, name: ServiceName, cases: tuple[Case, ...]) -> Examination:
    service = state.services[name]
    port = service.ports.mesh if service.ports else 0
    guards = policy.rules.guards
    alone = RuleSet(service, (*guards, Rule("everything", Effect.PERMIT, EVERYONE, service.operations, ANYTHING)))
    found = tuple(mutants(state, alone, port, guards))
    requests = [case.request for case in cases if case.request is not None]
    return Examination(
        policy,
        outcomes(state, policy, cases),
        tuple(_of_guard(coverage(state, rule, requests), service) for rule in guards),
        len(found),
        tuple(one for one in found if not _noticed(one, cases, frozenset(rule.id for rule in guards))),
        0,
    )


def _of_guard(found: RuleCoverage, service: Service) -> RuleCoverage:
    """About every operation there is nothing to decide."""
    if found.rule.operations != service.operations:
        return found
    return replace(found, untried=tuple(one for one in found.untried if not one.startswith(OPERATION)))


def _noticed(mutant: Mutant, cases: Iterable[Case], guards: frozenset[str]) -> bool:
    mutated = compiled(mutant.rules)
    return any(
        mutated.decide(case.request).allowed is not case.allowed
        for case in cases
        if case.request is not None and (case.allowed or case.because in guards)
    )


def _together(policy: Policy, some: list[Examination]) -> Examination:
    """Of the same rules at several services: what one of them tried was tried."""
    covered: dict[str, RuleCoverage] = {}
    for one in (rule for each in some for rule in each.covered):
        before = covered.get(one.rule.id)
        covered[one.rule.id] = one if before is None else _either(before, one)
    return Examination(
        policy,
        tuple(outcome for each in some for outcome in each.outcomes),
        tuple(covered.values()),
        sum(each.mutants for each in some),
        tuple(mutant for each in some for mutant in each.survivors),
        sum(each.near_misses for each in some),
    )


def _either(one: RuleCoverage, other: RuleCoverage) -> RuleCoverage:
    untried = tuple(words for words in one.untried if words in other.untried)
    return RuleCoverage(one.rule, one.held or other.held, one.failed or other.failed, untried)
