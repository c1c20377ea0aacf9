"""Why a request is allowed or denied: the rule that decides, or for a denial the permit that comes nearest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.policy.rules import Decision, Effect, Rule, RuleSet, offered, with_foreign
from trustplane.policy.tree import (
    AllOf,
    AnyOf,
    CallerIn,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Request,
    Unambiguous,
    Who,
    holds,
)
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Nearest:
    """A permit that does not hold, and everything it lacks."""

    rule: Rule
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    decision: Decision
    nearest: Nearest | None  # of a denial by no rule


def explain(state: DesiredState, rules: RuleSet, probes: Rule | None, request: Request) -> Explanation:
    rules = with_foreign(rules, request.caller)
    decision = rules.decide(request)
    if decision.rule is None and probes is not None and probes.applies(request):
        return Explanation(Decision(allowed=True, rule=probes), None)
    if decision.rule is not None:
        return Explanation(decision, None)
    return Explanation(decision, nearest(state, rules, request))


def nearest(state: DesiredState, rules: RuleSet, request: Request) -> Nearest | None:
    """The first of those that lack least, and rather one for this caller than one for another."""
    found = [Nearest(rule, tuple(_lacks(state, rule, request))) for rule in rules.of(Effect.PERMIT)]
    return min(found, key=lambda one: (len(one.lacks), not one.rule.who.holds(request.caller)), default=None)


def _lacks(state: DesiredState, rule: Rule, request: Request) -> Iterator[str]:
    if not rule.who.holds(request.caller):
        yield f"the caller were {named(state, rule.who)}, not {name_of(state, request.caller)}"
    if rule.operations:
        lacking = [list(_missing(state, offered(one), request)) for one in rule.operations]
        yield from min(lacking, key=len)
    yield from _missing(state, rule.condition, request)


def _missing(state: DesiredState, expression: Expression, request: Request) -> Iterator[str]:
    if holds(expression, request):
        return
    match expression:
        case AllOf(items):
            told = {item.name for item in items if isinstance(item, HeaderIs)}  # which says that it is there, too
            for item in items:
                if not (isinstance(item, HeaderPresent) and item.name in told):
                    yield from _missing(state, item, request)
        case AnyOf(items) if items:
            yield from min((list(_missing(state, item, request)) for item in items), key=len)
        case _:
            yield worded(state, expression)


def worded(state: DesiredState, expression: Expression) -> str:  # noqa: PLR0911 - one sentence for each node
    match expression:
        case Method(name):
            return f"the method were {name}"
        case Path():
            return f"the path were {expression}"
        case Unambiguous():
            return "the path had one reading only"
        case HeaderPresent(name):
            return f"there were a header {name}"
        case HeaderIs(name, value):
            return f"a header {name} were {value}"
        case Port(first, end):
            return f"the port were {first}" if end == first + 1 else f"the port were {first} to {end - 1}"
        case CallerIn(who):
            return f"the caller were {named(state, who)}"
        case Not(item):
            return f"it were not so that {worded(state, item)}"
        case _:
            return "its condition held"


def named(state: DesiredState, who: Who) -> str:
    if who.everyone:
        return "anyone"
    names = [*sorted(name_of(state, one) for one in who.ids), *(f"any of {one}" for one in sorted(who.domains))]
    shown = names[:_MOST_NAMED] + ([f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else [])
    without = f" but {', '.join(sorted(name_of(state, one) for one in who.without))}" if who.without else ""
    return " or ".join(shown) + without


def name_of(state: DesiredState, spiffe_id: SpiffeId) -> str:
    return next((str(one.name) for one in state.services.values() if one.spiffe_id == spiffe_id), str(spiffe_id))
