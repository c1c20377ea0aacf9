"""Checked rules: what Cedar policies and templates become, and what a service without a policy has by default.

A rule that exists can be compiled exactly. `decide` is the meaning of a rule set: nothing is allowed unless a permit
holds, and a forbid overrides every permit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from trustplane.fault import Place
from trustplane.policy.tree import (
    ANYTHING,
    Expression,
    Method,
    Path,
    Request,
    Unambiguous,
    Who,
    all_of,
    any_of,
    holds,
)
from trustplane.registry.model import DesiredState, Operation, Probe, Service
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName


class Effect(Enum):
    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Rule:
    """`operations` empty: any request, which only the default of a service that declares none has."""

    id: str
    effect: Effect
    who: Who
    operations: tuple[Operation, ...]
    condition: Expression
    place: Place | None = None
    guarded_by: str = ""  # whose guard-rail it is

    def request(self) -> Expression:
        """All that is asked of a request, the caller left aside unless the condition speaks of it."""
        named = any_of(*map(offered, self.operations)) if self.operations else ANYTHING
        return all_of(named, self.condition)

    def applies(self, request: Request) -> bool:
        return self.who.holds(request.caller) and holds(self.request(), request)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule about the calls to one service: its own, and the guard-rails that concern it."""

    service: Service
    rules: tuple[Rule, ...]
    by_default: bool = False  # nobody wrote a policy: the declared callers
    guards: tuple[Rule, ...] = ()

    def of(self, effect: Effect) -> tuple[Rule, ...]:
        return tuple(rule for rule in (*self.guards, *self.rules) if rule.effect is effect)

    def decide(self, request: Request) -> Decision:
        for rule in self.of(Effect.FORBID):
            if rule.applies(request):
                return Decision(allowed=False, rule=rule)
        for rule in self.of(Effect.PERMIT):
            if rule.applies(request):
                return Decision(allowed=True, rule=rule)
        return Decision(allowed=False, rule=None)


@dataclass(frozen=True, slots=True)
class Decision:
    """`rule` is none where nothing was said, which is a denial."""

    allowed: bool
    rule: Rule | None


@lru_cache(maxsize=1 << 16)  # asked for again with every request and every mutant
def offered(operation: Operation) -> Expression:
    """The requests that are this operation."""
    return all_of(Method(operation.method), *below(operation.path))


def below(path: str) -> tuple[Expression, ...]:
    """An exact path; or with `/*` at its end all that lies below, unless it can be read in two ways."""
    if not path.endswith("/*"):
        return (Path((path,)),)
    return Path((path.removesuffix("*"), "")), Unambiguous()


def probed(probe: Probe) -> Expression:
    return all_of(Method(probe.method), Path((probe.path,)))


def matched(operations: Iterable[Operation], request: Request) -> tuple[Operation, ...]:
    """A request is every operation that it matches."""
    return tuple(one for one in operations if holds(offered(one), request))


PROBES = "probes"


def probes_of(state: DesiredState, service: Service) -> Rule | None:
    """Declared probes are open to every identity of the trust domain (decisions/0043)."""
    if not service.probes:
        return None
    own = Who(domains=frozenset({state.trust_domain}))
    return Rule(PROBES, Effect.PERMIT, own, (), any_of(*map(probed, sorted(service.probes))))


def default_rules(state: DesiredState, service: Service) -> RuleSet:
    """Without a policy: each declared caller may use the operations its call names."""
    rules = []
    for caller in state.callers_of(service.name):
        call = next(call for call in caller.calls if call.service == service.name)
        wanted = call.operations or tuple(one.name for one in service.operations)
        operations = tuple(sorted(one for one in service.operations if one.name in wanted))
        who = Who(ids=frozenset({caller.spiffe_id}))
        rules.append(Rule(f"declared.{_dotted(caller.name)}", Effect.PERMIT, who, operations, ANYTHING))
    return RuleSet(service, tuple(rules), by_default=True)


def with_foreign(rules: RuleSet, caller: SpiffeId) -> RuleSet:
    """Without a policy, callers of other domains are let in by `foreign_callers`, which may name whole prefixes: here
    as rules about the one caller that is asked about."""
    if not rules.by_default:
        return rules
    service = rules.service
    found = []
    for declared in service.foreign_callers:
        if declared.pattern.matches(caller):
            wanted = declared.operations or tuple(one.name for one in service.operations)
            operations = tuple(sorted(one for one in service.operations if one.name in wanted))
            name = f"foreign.{caller.trust_domain}{declared.pattern.path_text}"
            found.append(Rule(name, Effect.PERMIT, Who(ids=frozenset({caller})), operations, ANYTHING))
    return replace(rules, rules=(*rules.rules, *found))


def _dotted(name: ServiceName) -> str:
    return f"{name.namespace}.{name.name}"
