"""A service's policy put to the test: its cases, what they cover, which mistakes they would notice, and near misses.

Each request is decided three times, by the rules, by the tree that a proxy is given and by Cedar itself. If they do not
agree, it is not the policy that is wrong, and nothing is reported but that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trustplane.fault import Broken
from trustplane.policy.book import Policy
from trustplane.policy.cases import Case
from trustplane.policy.compile import compiled
from trustplane.policy.coverage import RuleCoverage, coverage
from trustplane.policy.explanation import named, nearest
from trustplane.policy.misses import near_misses
from trustplane.policy.mutants import Mutant, mutants
from trustplane.policy.oracle import Oracle
from trustplane.policy.rules import Effect, Rule, RuleSet, probes_of
from trustplane.policy.tree import Request
from trustplane.registry.model import DesiredState


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problem` is empty where the case passed."""

    case: Case
    problem: str


@dataclass(frozen=True, slots=True)
class Examination:
    policy: Policy
    outcomes: tuple[Outcome, ...]
    covered: tuple[RuleCoverage, ...]
    mutants: int
    survivors: tuple[Mutant, ...]
    near_misses: int

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.problem)


def failures(state: DesiredState, policy: Policy, cases: tuple[Case, ...]) -> tuple[Outcome, ...]:
    """Only the cases, and of them those that fail."""
    return tuple(one for one in outcomes(state, policy, cases) if one.problem)


def outcomes(state: DesiredState, policy: Policy, cases: tuple[Case, ...]) -> tuple[Outcome, ...]:
    """Only the cases."""
    deciding = _Deciding(state, policy, probes_of(state, policy.rules.service))
    return tuple(Outcome(case, deciding.problem(case)) for case in cases)


def examine(state: DesiredState, policy: Policy, cases: tuple[Case, ...]) -> Examination:
    rules = policy.rules
    probes = probes_of(state, rules.service)
    deciding = _Deciding(state, policy, probes)
    tried = tuple(Outcome(case, deciding.problem(case)) for case in cases)
    requests = [case.request for case in cases if case.request is not None]
    port = rules.service.ports.mesh if rules.service.ports else 0
    found = tuple(mutants(state, rules, port))
    misses = near_misses(state, rules, port)
    for miss in misses:
        deciding.allows(miss)
    return Examination(
        policy,
        tried,
        tuple(coverage(state, rule, requests) for rule in rules.rules),
        len(found),
        tuple(one for one in found if not _noticed(one, cases, probes)),
        len(misses),
    )


def _noticed(mutant: Mutant, cases: Iterable[Case], probes: Rule | None) -> bool:
    mutated = compiled(mutant.rules, probes)
    return any(case.request is not None and mutated.decide(case.request).allowed is not case.allowed for case in cases)


def _oracle(state: DesiredState, policy: Policy) -> Oracle | None:
    """None where there is no Cedar that allows anything: the declared callers decide."""
    return Oracle(state, policy.rules.service, (*policy.cedar, *policy.guards)) if policy.cedar else None


class _Deciding:
    """All that decide, asked together."""

    def __init__(self, state: DesiredState, policy: Policy, probes: Rule | None) -> None:
        self._state = state
        self._rules = policy.rules
        self._probes = probes
        self._access = compiled(policy.rules, probes)
        self._oracle = _oracle(state, policy)

    def allows(self, request: Request) -> bool:
        probed = self._probes is not None and self._probes.applies(request)
        verdicts = {self._access.decide(request).allowed, self._rules.decide(request).allowed or probed}
        if self._oracle is not None:
            verdicts.add(self._oracle.decide(request).allowed or probed)
        if len(verdicts) > 1:
            raise _disagreement(request)
        return verdicts.pop()

    def problem(self, case: Case) -> str:
        if case.request is None:
            return "the proxy refuses this target, so it is denied" if case.allowed else ""
        allowed = self.allows(case.request)
        deciding = _deciding_rules(self._rules, case.request, allowed=allowed)
        if allowed is not case.allowed:
            return f"it is {'allowed' if allowed else 'denied'}{self._why(case.request, deciding)}"
        if case.because is not None and case.because not in deciding:
            return (
                f"it is {'allowed' if allowed else 'denied'} by {', '.join(deciding) or 'no rule'}, not {case.because}"
            )
        return ""

    def _why(self, request: Request, deciding: tuple[str, ...]) -> str:
        if deciding:
            return f" by {', '.join(deciding)}"
        near = nearest(self._state, self._rules, request)
        if near is None:
            return " by no rule, and there is none that allows anything"
        return f" by no rule; {near.rule.id} ({named(self._state, near.rule.who)}) would, if {' and '.join(near.lacks)}"


def _deciding_rules(rules: RuleSet, request: Request, *, allowed: bool) -> tuple[str, ...]:
    effect = Effect.PERMIT if allowed else Effect.FORBID
    return tuple(rule.id for rule in rules.of(effect) if rule.applies(request))


def _disagreement(request: Request) -> Broken:
    return Broken(
        code="policy-evaluators-disagree",
        what=f"Cedar, the rules and the tree of the proxy do not agree about {request}",
        why="they are three readings of one policy",
        fix="report this with the policy",
    )
