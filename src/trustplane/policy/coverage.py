"""What the cases of a policy's tests have tried: each rule holding and not, each of its questions deciding.

A question decides in a case if the rule would turn out otherwise were the answer the other one (masking MC/DC). It is
covered when it decided once by holding and once by not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trustplane.policy.explanation import named, worded
from trustplane.policy.rules import Rule, offered
from trustplane.policy.tree import (
    ANYTHING,
    AllOf,
    AnyOf,
    Expression,
    Not,
    Request,
    any_of,
    holds,
)
from trustplane.registry.model import DesiredState

OPERATION = "the operation is "


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    rule: Rule
    held: bool
    failed: bool
    untried: tuple[str, ...]  # questions that did not decide both ways, in words

    @property
    def covered(self) -> bool:
        return self.held and self.failed


def coverage(state: DesiredState, rule: Rule, requests: Iterable[Request]) -> RuleCoverage:
    tried = tuple(requests)
    outcomes = {rule.applies(one) for one in tried}
    questions = {
        f"the caller is {named(state, rule.who)}": _caller_decides(rule, tried),
        OPERATION + ", ".join(one.name for one in rule.operations): _operation_decides(rule, tried),
        **{worded(state, leaf): _leaf_decides(rule, leaf, tried) for leaf in _leaves(rule.condition)},
    }
    untried = tuple(words for words, answers in questions.items() if answers != {True, False})
    return RuleCoverage(rule, True in outcomes, False in outcomes, untried)


def _caller_decides(rule: Rule, tried: tuple[Request, ...]) -> set[bool]:
    if rule.who.everyone and not rule.who.without:
        return {True, False}
    return {rule.who.holds(one.caller) for one in tried if holds(rule.request(), one)}


def _operation_decides(rule: Rule, tried: tuple[Request, ...]) -> set[bool]:
    operation = any_of(*map(offered, rule.operations)) if rule.operations else ANYTHING
    if operation == ANYTHING:
        return {True, False}
    return {holds(operation, one) for one in tried if rule.who.holds(one.caller) and holds(rule.condition, one)}


def _leaf_decides(rule: Rule, leaf: Expression, tried: tuple[Request, ...]) -> set[bool]:
    operation = any_of(*map(offered, rule.operations)) if rule.operations else ANYTHING
    met = [one for one in tried if rule.who.holds(one.caller) and holds(operation, one)]
    return {
        holds(leaf, one)
        for one in met
        if holds(rule.condition, one) is not _with_answer(rule.condition, leaf, one, answer=not holds(leaf, one))
    }


def _with_answer(node: Expression, leaf: Expression, request: Request, *, answer: bool) -> bool:
    match node:
        case _ if node == leaf:
            return answer
        case AllOf(items):
            return all(_with_answer(item, leaf, request, answer=answer) for item in items)
        case AnyOf(items):
            return any(_with_answer(item, leaf, request, answer=answer) for item in items)
        case Not(item):
            return not _with_answer(item, leaf, request, answer=answer)
        case _:
            return holds(node, request)


def _leaves(node: Expression) -> Iterator[Expression]:
    match node:
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from _leaves(item)
        case Not(item):
            yield from _leaves(item)
        case _ if node != ANYTHING:
            yield node
        case _:
            return
