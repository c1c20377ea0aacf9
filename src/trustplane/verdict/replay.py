"""What other rules would have decided about a request that was logged: yes, no, or that the log cannot tell.

A log has no headers, and of a folded path only how it starts. Where the answer hangs on that it is none, and nobody
guesses (Kleene's three values: what is known decides where it suffices).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trustplane.policy.access import Access, Grant, Verdict
from trustplane.policy.difference import with_method
from trustplane.policy.tree import (
    NOTHING,
    AllOf,
    AnyOf,
    Anything,
    CallerIn,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Unambiguous,
    Who,
)
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.decision import METHODS, OTHER_METHOD, DecisionKind


@dataclass(frozen=True, slots=True)
class CannotTell:
    """`rule` is one on which it hangs."""

    rule: str


def replayed(access: Access, kind: DecisionKind) -> Verdict | CannotTell:
    denied, denied_by, may_deny = _said(access.deny, kind)
    if denied:
        return Verdict(allowed=False, rule=denied_by)
    allowed, allowed_by, may_allow = _said(access.allow, kind)
    if may_deny is not None and (allowed or may_allow is not None):
        return CannotTell(may_deny)
    if allowed:
        return Verdict(allowed=True, rule=allowed_by)
    if may_allow is not None:
        return CannotTell(may_allow)
    return Verdict(allowed=False, rule=None)


def narrowed(access: Access, kind: DecisionKind) -> Access:
    """The same for every request of this caller and method, with less to be asked."""
    return Access(tuple(_narrowed(access.deny, kind)), tuple(_narrowed(access.allow, kind)))


def _narrowed(grants: Iterable[Grant], kind: DecisionKind) -> Iterator[Grant]:
    for grant in grants:
        request = grant.request if kind.method == OTHER_METHOD else with_method(grant.request, kind.method)
        if request != NOTHING and _is_one_of(grant.who, kind.caller):
            yield Grant(grant.name, grant.who, _most_telling_first(request))


def _most_telling_first(request: Expression) -> Expression:
    """Long paths say no to most."""
    if not isinstance(request, AllOf):
        return request
    return AllOf(tuple(sorted(request.items, key=lambda one: -len(str(one)) if isinstance(one, Path) else 0)))


def _said(grants: Iterable[Grant], kind: DecisionKind) -> tuple[bool, str | None, str | None]:
    """Whether one applies for certain and which, and the first of those that may."""
    may: str | None = None
    for grant in grants:
        applies = _all((_is_one_of(grant.who, kind.caller), _holds(grant.request, kind)))
        if applies:
            return True, grant.rule, None
        if applies is None and may is None:
            may = grant.rule
    return False, None, may


def _is_one_of(who: Who, caller: SpiffeId | None) -> bool:
    """Who has no identity is none of those that are named, and so among everyone but those."""
    return who.everyone if caller is None else who.holds(caller)


def _holds(expression: Expression, kind: DecisionKind) -> bool | None:  # noqa: C901, PLR0911 - one line for each node
    match expression:
        case Path(parts):
            return _folded_matches(parts, kind.path.text) if kind.path.folded else expression.matches(kind.path.text)
        case AllOf(items):
            return _all(_holds(item, kind) for item in items)
        case AnyOf(items):
            return _not(_all(_not(_holds(item, kind)) for item in items))
        case Not(item):
            return _not(_holds(item, kind))
        case Anything():
            return True
        case Method(name):
            return _is_method(name, kind.method)
        case Unambiguous():
            return kind.path.plain
        case HeaderPresent() | HeaderIs():
            return None
        case Port(first, end):
            return first <= kind.port < end if kind.port else None
        case CallerIn(who):
            return _is_one_of(who, kind.caller)


def _is_method(name: str, method: str) -> bool | None:
    return None if method == OTHER_METHOD and name not in METHODS else method == name


def _folded_matches(parts: tuple[str, ...], start: str) -> bool | None:
    """Whether every path that starts so matches, or none does."""
    first = parts[0]
    if not (start.startswith(first) if len(parts) > 1 else False) and not first.startswith(start):
        return False
    return True if len(parts) == 2 and not parts[1] and start.startswith(first) else None


def _all(answers: Iterable[bool | None]) -> bool | None:
    unknown = False
    for answer in answers:
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def _not(answer: bool | None) -> bool | None:  # noqa: FBT001 - it is what is negated
    return None if answer is None else not answer
