"""What one tree allows and another does not, exactly: every caller, method, path, header and port there can be.

Callers that no grant tells apart are one class, with one identity standing for the identities nobody names. For each
class and method what remains are questions about the path, which `language` walks, and about headers and ports, which
are tried in every combination. No difference found is a proof that there is none; a difference comes with the shortest
path that shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trustplane.policy.access import Access, Grant
from trustplane.policy.circumstances import Circumstances, circumstances
from trustplane.policy.classes import CallerClass, Reached, caller_classes
from trustplane.policy.compile import callers_in, residual
from trustplane.policy.language import Question, Walk
from trustplane.policy.tree import (
    ANYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    Expression,
    Headers,
    Method,
    Not,
    Path,
    Request,
    Unambiguous,
    all_of,
    any_of,
    holds,
    negated,
)
from trustplane.spiffe.ids import SpiffeId

OTHER_METHODS = ("PATCH", "PURGE", "REPORT", "SEARCH")


@dataclass(frozen=True, slots=True)
class Region:
    """Requests on which two trees disagree, by the same callers and of the same kind, and the shortest of them."""

    newly_allowed: bool
    callers: tuple[SpiffeId, ...]  # one for each that is told apart; the first is in the request
    request: Request
    before: str | None  # the rule that decided
    after: str | None


@dataclass(frozen=True, slots=True)
class _Side:
    """One tree for one class of callers and one method."""

    deny: frozenset[Expression]
    allow: frozenset[Expression]


def difference(
    before: Access, after: Access, port: int = 0, known: frozenset[SpiffeId] = frozenset()
) -> Iterator[Region]:
    """For each class of callers and method, the first request newly allowed and the first newly denied.

    `known` are callers to be told by name although no grant names them.
    """
    for one, method in _disagreeing(before, after, known):
        sides = _sides(before, after, one, method)
        for newly_allowed, path, (headers, at_port) in _witnesses(*sides, port):
            request = Request(one.callers[0], method, path, headers, at_port)
            old, new = before.decide(request), after.decide(request)
            yield Region(newly_allowed, one.callers, request, old.rule, new.rule)


def is_empty(access: Access) -> bool:
    """Whether no request at all is allowed."""
    return next(difference(_NOTHING_ALLOWED, access), None) is None


_NOTHING_ALLOWED = Access((), ())


def within(access: Access, part: Expression) -> Access:
    """Only those requests that are part of it."""

    def cut(grant: Grant) -> Grant:
        return Grant(grant.name, grant.who, all_of(part, grant.request))

    return Access(tuple(map(cut, access.deny)), tuple(map(cut, access.allow)))


def _disagreeing(before: Access, after: Access, known: frozenset[SpiffeId]) -> Iterator[tuple[CallerClass, str]]:
    grants = (*before.deny, *before.allow, *after.deny, *after.allow)
    named = sorted({method for grant in grants for method in _methods(grant.request)})
    other = next((one for one in OTHER_METHODS if one not in named), "OTHER")
    for one in caller_classes(before, after, known):
        for method in (*named, other):
            old, new = _sides(before, after, one, method)
            if old != new:
                yield one, method


def _sides(before: Access, after: Access, one: CallerClass, method: str) -> tuple[_Side, _Side]:
    caller = one.callers[0]
    return _side(before, one.before, caller, method), _side(after, one.after, caller, method)


def _side(access: Access, reached: Reached, caller: SpiffeId, method: str) -> _Side:
    deny, allow = reached
    return _Side(_of(access.deny, deny, caller, method), _of(access.allow, allow, caller, method))


def _of(grants: Sequence[Grant], reached: frozenset[int], caller: SpiffeId, method: str) -> frozenset[Expression]:
    remaining = (with_method(grants[at].request, method) for at in reached)
    return frozenset({residual(one, caller) if _speaks(one) else one for one in remaining} - {NOTHING})


@lru_cache(maxsize=1 << 16)
def _speaks(expression: Expression) -> bool:
    return next(callers_in(expression), None) is not None


@lru_cache(maxsize=1 << 16)
def with_method(expression: Expression, method: str) -> Expression:
    match expression:
        case Method(name):
            return ANYTHING if name == method else NOTHING
        case AllOf(items):
            return all_of(*(with_method(item, method) for item in items))
        case AnyOf(items):
            return any_of(*(with_method(item, method) for item in items))
        case Not(item):
            return negated(with_method(item, method))
        case _:
            return expression


def _methods(expression: Expression) -> Iterator[str]:
    match expression:
        case Method(name):
            yield name
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from _methods(item)
        case Not(item):
            yield from _methods(item)
        case _:
            return


def _witnesses(before: _Side, after: _Side, port: int) -> Iterator[tuple[bool, str, Circumstances]]:
    """The shortest path newly allowed and the shortest newly denied, where there are such."""
    questions = _questions((*before.deny, *before.allow, *after.deny, *after.allow))
    walk = Walk(list(questions))
    old, new = _Asked(before, questions), _Asked(after, questions)
    told: set[bool] = set()
    known: set[frozenset[int]] = set()
    for node, yes in walk:
        if yes not in known:
            known.add(yes)
            for newly_allowed, found in _disagreements(old.at(yes), new.at(yes), port):
                if newly_allowed not in told:
                    told.add(newly_allowed)
                    yield newly_allowed, walk.path(node), found
        if len(told) == 2:
            return


def _disagreements(before: _Side, after: _Side, port: int) -> Iterator[tuple[bool, Circumstances]]:
    asked = (*before.deny, *before.allow, *after.deny, *after.allow)
    for headers, at_port in circumstances(asked, port):
        new = _allowed(after, headers, at_port)
        if new != _allowed(before, headers, at_port):
            yield new, (headers, at_port)


def _allowed(side: _Side, headers: Headers, port: int) -> bool:
    request = Request(_NOBODY, "", "", headers, port)  # caller, method and path are decided already
    return any(holds(one, request) for one in side.allow) and not any(holds(one, request) for one in side.deny)


_NOBODY = SpiffeId.parse("spiffe://nobody.invalid/nobody")


def _questions(expressions: Iterable[Expression]) -> dict[Question, int]:
    found: dict[Question, int] = {}
    for expression in expressions:
        for question in _asked(expression):
            found.setdefault(question, len(found))
    return found


def _asked(expression: Expression) -> Iterator[Question]:
    match expression:
        case Path() | Unambiguous():
            yield expression
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from _asked(item)
        case Not(item):
            yield from _asked(item)
        case _:
            return


class _Asked:
    """One side's expressions, by the questions of which one must say yes for them to hold."""

    def __init__(self, side: _Side, questions: dict[Question, int]) -> None:
        self._questions = questions
        self._deny = _indexed(side.deny, questions)
        self._allow = _indexed(side.allow, questions)

    def at(self, yes: frozenset[int]) -> _Side:
        """What remains where exactly these questions say yes."""
        return _Side(self._remaining(self._deny, yes), self._remaining(self._allow, yes))

    def _remaining(self, index: dict[int, list[Expression]], yes: frozenset[int]) -> frozenset[Expression]:
        candidates = {one for question in (*yes, _ALWAYS) for one in index.get(question, ())}
        found = {_answered(one, self._questions, yes) for one in candidates}
        return frozenset({ANYTHING} if ANYTHING in found else found - {NOTHING})


_ALWAYS = -1


def _indexed(expressions: Iterable[Expression], questions: dict[Question, int]) -> dict[int, list[Expression]]:
    index: dict[int, list[Expression]] = {}
    for expression in expressions:
        needed = _needs(expression)
        for at in [_ALWAYS] if needed is None else [questions[one] for one in needed]:
            index.setdefault(at, []).append(expression)
    return index


def _needs(expression: Expression) -> frozenset[Path] | None:
    """Paths of which one must match for the expression to hold; none if it may hold without."""
    match expression:
        case Path():
            return frozenset({expression})
        case AllOf(items):
            found = [needed for item in items if (needed := _needs(item)) is not None]
            return min(found, key=_breadth, default=None)
        case AnyOf(items):
            every = [_needs(item) for item in items]
            known = [needed for needed in every if needed is not None]
            return frozenset().union(*known) if len(known) == len(every) else None
        case _:
            return None


def _breadth(paths: frozenset[Path]) -> tuple[int, int]:
    """Fewer and longer paths say yes more rarely."""
    return len(paths), -min((sum(map(len, one.parts)) for one in paths), default=0)


def _answered(expression: Expression, questions: dict[Question, int], yes: frozenset[int]) -> Expression:
    match expression:
        case Path() | Unambiguous():
            return ANYTHING if questions[expression] in yes else NOTHING
        case AllOf(items):
            return all_of(*(_answered(item, questions, yes) for item in items))
        case AnyOf(items):
            return any_of(*(_answered(item, questions, yes) for item in items))
        case Not(item):
            return negated(_answered(item, questions, yes))
        case _:
            return expression
