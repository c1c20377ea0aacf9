"""From checked rules to the tree that a proxy enforces: exact, deterministic, and complete for one destination.

What a condition says about the caller is decided here, caller by caller: those for whom the same remains to be asked
share a grant. So a proxy asks for an identity once, and never in the middle of a condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from trustplane.policy.access import Access, Grant
from trustplane.policy.rules import Effect, Rule, RuleSet
from trustplane.policy.tree import (
    ANYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    CallerIn,
    Expression,
    Not,
    Who,
    all_of,
    any_of,
    negated,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain

_ANY_OTHER = ("any-other",)
OUTSIDE = SpiffeId(TrustDomain("outside.invalid"), ("nobody",))


def as_written(rules: RuleSet, probes: Rule | None = None) -> Access:
    """One grant for each rule, conditions about the caller still in it: what compiling must not change."""
    allow = (*rules.of(Effect.PERMIT), *((probes,) if probes else ()))
    return Access(
        deny=_sorted(Grant(rule.id, rule.who, rule.request()) for rule in rules.of(Effect.FORBID)),
        allow=_sorted(Grant(rule.id, rule.who, rule.request()) for rule in allow),
    )


def compiled(rules: RuleSet, probes: Rule | None = None) -> Access:
    allow = (*rules.of(Effect.PERMIT), *((probes,) if probes else ()))
    return Access(
        deny=_sorted(grant for rule in rules.of(Effect.FORBID) for grant in grants(rule)),
        allow=_sorted(grant for rule in allow for grant in grants(rule)),
    )


@lru_cache(maxsize=1 << 12)  # a mutant has all rules of the original but one
def grants(rule: Rule) -> tuple[Grant, ...]:
    return tuple(_grants(rule))


def _grants(rule: Rule) -> Iterator[Grant]:
    request = rule.request()
    parts = [(request, rule.who)]
    if spoken := tuple(callers_in(request)):
        parts = list(_parts(rule.who, request, spoken))
    for number, (remaining, who) in enumerate(parts, start=1):
        if remaining != NOTHING and not who.nobody:
            yield Grant(rule.id if number == 1 else f"{rule.id}~{number}", who, remaining)


def residual(expression: Expression, caller: SpiffeId) -> Expression:
    """What is still to be asked when the caller is known."""
    match expression:
        case CallerIn(who):
            return ANYTHING if who.holds(caller) else NOTHING
        case AllOf(items):
            return all_of(*(residual(item, caller) for item in items))
        case AnyOf(items):
            return any_of(*(residual(item, caller) for item in items))
        case Not(item):
            return negated(residual(item, caller))
        case _:
            return expression


def stands_for_others(caller: SpiffeId) -> bool:
    """Whether it was made by `any_other`."""
    return caller.path[:1] == _ANY_OTHER


def any_other(domain: TrustDomain, known: frozenset[SpiffeId]) -> SpiffeId:
    """An identity of the domain that nobody speaks of."""
    number = 0
    while (found := SpiffeId(domain, (*_ANY_OTHER, str(number)))) in known:
        number += 1
    return found


def _sorted(found: Iterator[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(found, key=lambda grant: grant.name))


def callers_in(expression: Expression) -> Iterator[Who]:
    match expression:
        case CallerIn(who):
            yield who
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from callers_in(item)
        case Not(item):
            yield from callers_in(item)
        case _:
            return


@dataclass
class _Part:
    """The callers for whom the same remains to be asked."""

    ids: set[SpiffeId] = field(default_factory=set)
    domains: set[TrustDomain] = field(default_factory=set)
    everyone: bool = False


def _parts(who: Who, request: Expression, spoken: tuple[Who, ...]) -> Iterator[tuple[Expression, Who]]:
    """Every caller in exactly one part, the one of what remains to be asked of it."""
    named = frozenset().union(who.ids, who.without, *(one.ids | one.without for one in spoken))
    domains = frozenset().union(who.domains, who.without_domains, *(one.domains for one in spoken))
    domains |= {one.trust_domain for one in named} if who.everyone else frozenset()
    parts: dict[Expression, _Part] = {}
    for caller in sorted(one for one in named if who.holds(one)):
        parts.setdefault(residual(request, caller), _Part()).ids.add(caller)
    for domain in sorted(domains):
        other = any_other(domain, named)
        if who.holds(other):
            parts.setdefault(residual(request, other), _Part()).domains.add(domain)
    if who.everyone:
        parts.setdefault(residual(request, OUTSIDE), _Part()).everyone = True
    for remaining, part in sorted(parts.items(), key=lambda item: repr(item[0])):
        yield remaining, _who(part, named, domains)


def _who(part: _Part, named: frozenset[SpiffeId], domains: frozenset[TrustDomain]) -> Who:
    without = {one for one in named - part.ids if part.everyone or one.trust_domain in part.domains}
    return Who(
        ids=frozenset(part.ids),
        domains=frozenset(part.domains),
        everyone=part.everyone,
        without=frozenset(without),
        without_domains=domains - part.domains if part.everyone else frozenset(),
    )
