"""Rule sets with one mistake in them, of the kinds people make: what tests of a policy should notice.

After the fault model of Martin and Xie (WWW 2007). A mutant that decides as the original does is no mistake, and the
exact difference tells; so what is left to notice is all of it real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trustplane.policy.access import Access
from trustplane.policy.compile import compiled
from trustplane.policy.difference import Region, difference
from trustplane.policy.rules import Effect, Rule, RuleSet
from trustplane.policy.tree import (
    ANYTHING,
    AllOf,
    AnyOf,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Who,
    all_of,
    any_of,
    negated,
)
from trustplane.registry.model import DesiredState


@dataclass(frozen=True, slots=True)
class Mutant:
    """`shows` is the shortest request on which it differs."""

    rule: str
    mistake: str
    rules: RuleSet
    shows: Region


def mutants(state: DesiredState, rules: RuleSet, port: int = 0, of: tuple[Rule, ...] | None = None) -> Iterator[Mutant]:
    """Each with its difference from the original; those that have none are left out. `of`: only of these rules."""
    original = compiled(rules)
    seen: set[Access] = {original}
    for rule in rules.rules if of is None else of:
        for mistake, changed in _mistakes(state, rule):
            mutated = _with(rules, rule, changed)
            access = compiled(mutated)
            if access in seen:
                continue
            seen.add(access)
            shown = next(difference(original, access, port), None)
            if shown is not None:
                yield Mutant(rule.id, mistake, mutated, shown)


def _with(rules: RuleSet, rule: Rule, changed: Rule | None) -> RuleSet:
    others = tuple(one for one in rules.rules if one is not rule)
    return replace(rules, rules=others if changed is None else (*others, changed))


def _mistakes(state: DesiredState, rule: Rule) -> Iterator[tuple[str, Rule | None]]:
    yield "the rule is missing", None
    flipped = Effect.FORBID if rule.effect is Effect.PERMIT else Effect.PERMIT
    yield f"it says {flipped.value}", replace(rule, effect=flipped)
    for mistake, who in _other_callers(state, rule.who):
        yield mistake, replace(rule, who=who)
    for operation in rule.operations:
        if len(rule.operations) > 1:
            kept = tuple(one for one in rule.operations if one is not operation)
            yield f"{operation.name} is missing", replace(rule, operations=kept)
    yield from ((mistake, _asking(rule, asked)) for mistake, asked in _other_requests(rule))


def _asking(rule: Rule, request: Expression) -> Rule:
    return replace(rule, operations=(), condition=request)


def _other_callers(state: DesiredState, who: Who) -> Iterator[tuple[str, Who]]:
    for one in sorted(who.ids) if len(who.ids) > 1 else ():
        yield f"{one} is missing", replace(who, ids=who.ids - {one})
    own = frozenset({state.trust_domain})
    names = {one.spiffe_id: one.name for one in state.services.values()}
    inside = {names[one].namespace for one in who.ids if one in names}
    siblings = [one for one in state.services.values() if one.name.namespace in inside and one.spiffe_id not in who.ids]
    others = [one for one in state.services.values() if one.spiffe_id not in who.ids]
    for service in (siblings or others)[:1]:
        yield f"{service.name} is among its callers", replace(who, ids=who.ids | {service.spiffe_id})
        yield f"its caller is {service.name}", Who(ids=frozenset({service.spiffe_id}))
    if siblings:
        members = frozenset(one.spiffe_id for one in siblings)
        yield "its callers are the whole namespace", replace(who, ids=who.ids | members)
    if not who.everyone:
        foreign = frozenset(one.trust_domain for one in who.ids) - own
        yield "its callers are the whole trust domain", replace(who, domains=who.domains | own)
        if foreign:
            yield "its callers are the partner's whole domain", replace(who, domains=who.domains | foreign)


def _other_requests(rule: Rule) -> Iterator[tuple[str, Expression]]:
    request = rule.request()
    yield "any request will do", ANYTHING
    yield "its condition is missing", replace(rule, condition=ANYTHING).request()
    yield from _changed(request)


def _changed(node: Expression) -> Iterator[tuple[str, Expression]]:
    """The expression with one of its parts changed."""
    yield from _itself_changed(node)
    match node:
        case AllOf(items) | AnyOf(items):
            combine = all_of if isinstance(node, AllOf) else any_of
            for at, item in enumerate(items):
                for mistake, changed in _changed(item):
                    yield mistake, combine(*items[:at], changed, *items[at + 1 :])
        case Not(item):
            for mistake, changed in _changed(item):
                yield mistake, negated(changed)
        case _:
            return


def _itself_changed(node: Expression) -> Iterator[tuple[str, Expression]]:
    match node:
        case AllOf(items):
            yield "and is or", any_of(*items)
            for at, item in enumerate(items):
                yield f"without {_short(item)}", all_of(*items[:at], *items[at + 1 :])
        case AnyOf(items) if len(items) > 1:
            yield "or is and", all_of(*items)
            for at, item in enumerate(items):
                yield f"without {_short(item)}", any_of(*items[:at], *items[at + 1 :])
        case Not(item):
            yield "not is missing", item
        case Path((exact,)):
            yield f"{exact} is a prefix", Path((exact, ""))
            yield f"everything below {exact}/ too", any_of(node, Path((exact.rstrip("/") + "/", "")))
        case Path((prefix, "")) if prefix.endswith("/") and prefix != "/":
            yield f"{prefix}* lost its slash", Path((prefix[:-1], ""))
        case HeaderIs(name, _):
            yield f"any {name} will do", HeaderPresent(name)
        case _:
            return


def _short(node: Expression) -> str:
    match node:
        case Method(name):
            return f"the method {name}"
        case Path():
            return f"the path {node}"
        case HeaderIs(name, _) | HeaderPresent(name):
            return f"the header {name}"
        case _:
            return "one of its parts"
