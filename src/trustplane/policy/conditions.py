"""`when` and `unless`: from Cedar's expressions to ours, or a refusal that says what to write instead.

The closed profile. Everything here has one meaning in Cedar, in our tree and in Envoy's RBAC, and cannot fail while it
is evaluated (a Cedar policy that fails is skipped, and a skipped forbid allows). The text is walked in its order, so
that each refusal knows its place.
"""

from __future__ import annotations

from collections.abc import Callable

from cedarpy import pst

from trustplane.fault import Place, Refused
from trustplane.policy import literals
from trustplane.policy.callers import Callers, unknown_kind
from trustplane.policy.rules import Effect
from trustplane.policy.schema import SERVICE
from trustplane.policy.tree import (
    ANYTHING,
    NOTHING,
    CallerIn,
    Expression,
    HeaderIs,
    HeaderPresent,
    Path,
    Port,
    all_of,
    any_of,
    negated,
)
from trustplane.policy.words import Reader
from trustplane.registry.endpoint import MAX_PORT
from trustplane.registry.findings import Findings, shown
from trustplane.registry.model import Service

_INSTEAD = (
    'use context.path == "/x", context.path like "/x/*", context.port == 8443, context.headers has "x-team" && '
    'context.headers["x-team"].contains("a"), principal == / in / is, principal.data.contains("pii"), &&, ||, !'
)


class Conditions:
    """Reads the clauses of one policy."""

    def __init__(self, effect: Effect, callers: Callers, service: Service, reader: Reader, findings: Findings) -> None:
        self._effect = effect
        self._callers = callers
        self._service = service
        self._reader = reader
        self._findings = findings

    def of(self, clauses: tuple[pst.Clause, ...]) -> Expression:
        found: list[Expression] = []
        for clause in clauses:
            match clause:
                case pst.When(expression):
                    self._reader.place("when")
                    found.append(self._read(expression, positive=True))
                case pst.Unless(expression):
                    self._reader.place("unless")
                    found.append(negated(self._read(expression, positive=False)))
        return all_of(*found)

    def _read(self, node: pst.Expr, *, positive: bool) -> Expression:  # noqa: PLR0911 - one for each kind
        """`positive`: whether making this true can only make the rule hold, not stop it from holding."""
        match node:
            case pst.BoolLit(value):
                self._reader.place(str(value).lower())
                return ANYTHING if value else NOTHING
            case pst.BinaryOp("and", left, right):
                return all_of(self._read(left, positive=positive), self._read(right, positive=positive))
            case pst.BinaryOp("or", left, right):
                return any_of(self._read(left, positive=positive), self._read(right, positive=positive))
            case pst.UnaryOp("not", inner):
                return negated(self._read(inner, positive=not positive))
            case pst.IfThenElse(condition, then, otherwise):
                return self._choice(condition, then, otherwise, positive=positive)
            case _:
                with self._findings.at(None):
                    return self._leaf(node, positive=positive)
                return ANYTHING  # refused, and said so; the rest is read all the same

    def _choice(self, condition: pst.Expr, then: pst.Expr, otherwise: pst.Expr, *, positive: bool) -> Expression:
        place = self._reader.place("if")
        chosen = self._read(condition, positive=positive)
        if _asks_header(chosen):
            with self._findings.at(place):
                raise _header_is_the_callers(place)
        yes, no = self._read(then, positive=positive), self._read(otherwise, positive=positive)
        return any_of(all_of(chosen, yes), all_of(negated(chosen), no))

    def _leaf(self, node: pst.Expr, *, positive: bool) -> Expression:
        match node:
            case pst.Like(pst.GetAttr(pst.Var("context"), "path"), pattern):
                return self._like(pattern)
            case pst.HasAttr(pst.GetAttr(pst.Var("context"), "headers"), (name,)):
                return self._header(name, lambda _: HeaderPresent(name), positive=positive)
            case pst.BinaryOp("contains", collection, element):
                return self._contains(collection, element, positive=positive)
            case pst.Is(pst.Var(variable), kind, inside):
                return self._is(variable, str(kind), inside)
            case pst.BinaryOp("in", pst.Var(variable), other):
                return any_of(*(self._entity(variable, one) for one in _elements(other)))
            case pst.BinaryOp(operator, left, right):
                return self._comparison(operator, left, right)
            case _:
                raise self._refused(node)

    def _contains(self, collection: pst.Expr, element: pst.Expr, *, positive: bool) -> Expression:
        match collection, element:
            case pst.GetAttr(pst.GetAttr(pst.Var("context"), "headers"), name), pst.StringLit(value):
                return self._header(name, lambda place: literals.header(name, value, place), positive=positive)
            case pst.GetAttr(pst.Var("principal"), "data"), pst.StringLit(value):
                return CallerIn(self._callers.holding(self._data_class(value)))
            case pst.GetAttr(pst.Var("resource"), "data"), pst.StringLit(value):
                return ANYTHING if self._data_class(value) in self._service.data else NOTHING
            case pst.Set(elements), pst.GetAttr(pst.Var("context"), "path"):
                return any_of(*(self._exact(one) for one in elements))
            case _:
                raise self._refused(pst.BinaryOp("contains", collection, element))

    def _comparison(self, operator: str, left: pst.Expr, right: pst.Expr) -> Expression:
        match operator, left, right:
            case "eq", pst.GetAttr(pst.Var("context"), "path"), pst.StringLit():
                return self._exact(right)
            case "not_eq", pst.GetAttr(pst.Var("context"), "path"), pst.StringLit():
                return negated(self._exact(right))
            case _, pst.GetAttr(pst.Var("context"), "port"), pst.LongLit(value) if operator in _PORTS:
                self._reader.place(str(value))
                return _ports(*_PORTS[operator](value))
            case "eq", pst.Var(variable), pst.EntityLit():
                return self._entity(variable, right)
            case "not_eq", pst.Var(variable), pst.EntityLit():
                return negated(self._entity(variable, right))
            case _:
                raise self._refused(pst.BinaryOp(operator, left, right))  # type: ignore[arg-type] # one of Cedar's names

    def _exact(self, node: pst.Expr) -> Expression:
        match node:
            case pst.StringLit(value):
                return Path((literals.path(value, self._quoted(value)),))
            case _:
                raise self._refused(node)

    def _like(self, pattern: tuple[pst.PatternElem, ...]) -> Expression:
        place = self._reader.place("like")
        parts = [""]
        for element in pattern:
            match element:
                case pst.Char(value):
                    parts[-1] += value
                case pst.Wildcard():
                    parts.append("")
        return literals.pattern(tuple(parts), place)

    def _header(self, name: str, make: Callable[[Place], HeaderIs | HeaderPresent], *, positive: bool) -> Expression:
        place = self._reader.place("headers")
        literals.header_name(name, place)
        if self._effect is Effect.FORBID or not positive:
            raise _header_is_the_callers(place)
        return make(place)

    def _data_class(self, value: str) -> str:
        return literals.data_class(value, self._quoted(value))

    def _is(self, variable: str, kind: str, inside: pst.Expr | None) -> Expression:
        place = self._reader.place("is")
        match variable, kind, inside:
            case "principal", "Service", None:
                return CallerIn(self._callers.own())
            case "principal", "Service", pst.EntityLit():
                return self._entity(variable, inside)
            case "resource", "Service", None:
                return ANYTHING
            case "principal", "Peer", None:
                return negated(CallerIn(self._callers.own()))
            case _:
                raise unknown_kind(kind, place)

    def _entity(self, variable: str, node: pst.Expr) -> Expression:
        match variable, node:
            case "principal", pst.EntityLit(uid):
                return CallerIn(self._callers.named(str(uid.type), uid.id, self._quoted(uid.id)))
            case "resource", pst.EntityLit(uid):
                return ANYTHING if self.is_here(str(uid.type), uid.id) else NOTHING
            case "action", _:
                raise _action_in_condition(self._reader.place("action"))
            case _:
                raise self._refused(node)

    def is_here(self, kind: str, name: str) -> bool:
        """Whether the service this policy is beside is that resource, or in it."""
        place = self._quoted(name)
        who = self._callers.named(kind, name, place)
        if kind == SERVICE:
            return name == str(self._service.name)
        return who.holds(self._service.spiffe_id)

    def _quoted(self, value: str) -> Place:
        return self._reader.place(f'"{value}"')

    def _refused(self, node: pst.Expr) -> Refused:
        what, word = _named(node)
        return Refused(
            code="policy-not-exact",
            what=f"{what} cannot be compiled exactly",
            why="a proxy must decide it by itself, and nothing is enforced that means something else there",
            fix=_INSTEAD,
            place=self._reader.place(word),
        )


def _elements(node: pst.Expr) -> tuple[pst.Expr, ...]:
    return node.elements if isinstance(node, pst.Set) else (node,)


_PORTS: dict[str, Callable[[int], tuple[tuple[int, int], ...]]] = {
    "eq": lambda value: ((value, value + 1),),
    "not_eq": lambda value: ((0, value), (value + 1, MAX_PORT + 1)),
    "less": lambda value: ((0, value),),
    "less_eq": lambda value: ((0, value + 1),),
    "greater": lambda value: ((value + 1, MAX_PORT + 1),),
    "greater_eq": lambda value: ((value, MAX_PORT + 1),),
}


def _ports(*ranges: tuple[int, int]) -> Expression:
    cut = [(max(first, 0), min(end, MAX_PORT + 1)) for first, end in ranges]
    return any_of(*(Port(first, end) for first, end in cut if first < end))


def _asks_header(expression: Expression) -> bool:
    match expression:
        case HeaderIs() | HeaderPresent():
            return True
        case _:
            return any(map(_asks_header, getattr(expression, "items", ())))


_SIGNS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "eq": "==",
    "not_eq": "!=",
    "less": "<",
    "less_eq": "<=",
    "greater": ">",
    "greater_eq": ">=",
    "and": "&&",
    "or": "||",
    "in": "in",
    "neg": "-",
}
_METHODS = {
    "contains_all": "containsAll",
    "contains_any": "containsAny",
    "is_in_range": "isInRange",
    "get_tag": "getTag",
    "has_tag": "hasTag",
    "is_empty": "isEmpty",
    "duration_since": "durationSince",
    "less_than": "lessThan",
}


def _named(node: pst.Expr) -> tuple[str, str]:  # noqa: PLR0911 - one line for each kind
    """What is refused, as it is written, and the word to look for."""
    match node:
        case pst.BinaryOp(operator, left, right) if operator in _SIGNS:
            return f"{_written(left)} {_SIGNS[operator]} {_written(right)}", _SIGNS[operator]
        case pst.BinaryOp(operator, left, right):
            method = _METHODS.get(operator, operator)
            return f"{_written(left)}.{method}({_written(right)})", method
        case pst.UnaryOp(operator, _):
            method = _METHODS.get(operator, _SIGNS.get(operator, operator))
            return f"{method}(...)", method
        case pst.GetAttr(_, name):
            return f"{_written(node)} by itself", name
        case pst.HasAttr(owner, names):
            return f"{_written(owner)} has {'.'.join(names)}", "has"
        case pst.Like(owner, _):
            return f"{_written(owner)} like", "like"
        case _:
            return "this", ""


def _written(node: pst.Expr) -> str:  # noqa: PLR0911 - one line for each kind
    match node:
        case pst.Var(name):
            return name
        case pst.GetAttr(owner, name):
            return f"{_written(owner)}.{shown(name)}"
        case pst.StringLit(value):
            return f'"{shown(value)}"'
        case pst.LongLit(value):
            return str(value)
        case pst.EntityLit(uid):
            return shown(str(uid))
        case pst.BinaryOp():
            return _named(node)[0]
        case _:
            return "(...)"


def _header_is_the_callers(place: Place) -> Refused:
    return Refused(
        code="policy-header-escapes",
        what="leaving a header out would get round this",
        why="whoever sends a request writes its headers, and would leave it out",
        fix="ask for the header in a permit, without ! around it and not in unless",
        place=place,
    )


def _action_in_condition(place: Place) -> Refused:
    return Refused(
        code="policy-not-exact",
        what="action stands in a condition",
        why="which operations a rule is about is said in its head, where reviewers look",
        fix='write action == Action::"charge" or action in [Action::"charge", Action::"refund"] in the parentheses',
        place=place,
    )
