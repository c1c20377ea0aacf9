"""What may be asked, as a tree of values: rules are checked into it, compiled to it, proved and interpreted by it.

An expression is a predicate over a `Request`. It knows nothing of Cedar or Envoy; both are translated to it.
Every node but `CallerIn` has an exact counterpart among Envoy's RBAC permissions, and `compile` resolves that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from trustplane.spiffe.ids import SpiffeId, TrustDomain

# Below a prefix, paths that some application server reads otherwise than Envoy does are refused: `/public/..;/admin`
# is one path to Envoy and another to Tomcat, and a percent-encoded percent, dot, slash, semicolon, backslash or
# control character is decoded by some and not by others (decisions/0044).
AMBIGUOUS = r".*(;|\\|%[01]|%2[eEfF5]|%3[bB]|%5[cC]|%7[fF]).*"
_AMBIGUOUS = re.compile(AMBIGUOUS, re.DOTALL)

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """As the callee's proxy judges it: the path normalised, without query; header names in lower case."""

    caller: SpiffeId
    method: str
    path: str
    headers: Headers = ()
    port: int = 0

    def values(self, header: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.headers if name == header)

    def __str__(self) -> str:
        headers = "".join(f" [{name}: {value}]" for name, value in self.headers)
        return f"{self.caller} {self.method} {self.path}{headers}"


@dataclass(frozen=True, slots=True)
class Who:
    """A set of callers: these identities; and all of these domains, or of any but some, without those named."""

    ids: frozenset[SpiffeId] = frozenset()
    domains: frozenset[TrustDomain] = frozenset()
    everyone: bool = False
    without: frozenset[SpiffeId] = frozenset()
    without_domains: frozenset[TrustDomain] = frozenset()  # of everyone

    def holds(self, caller: SpiffeId) -> bool:
        if caller in self.ids:
            return True
        if caller in self.without:
            return False
        return caller.trust_domain in self.domains or (
            self.everyone and caller.trust_domain not in self.without_domains
        )

    @property
    def nobody(self) -> bool:
        return not (self.ids or self.domains or self.everyone)


EVERYONE = Who(everyone=True)


@dataclass(frozen=True, slots=True)
class Anything:
    """Every request."""


@dataclass(frozen=True, slots=True)
class Method:
    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """The texts between the wildcards of a path: one is an exact path, `("/a/", "")` all that starts with `/a/`."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "*".join(self.parts)

    def matches(self, path: str) -> bool:
        if len(self.parts) == 1:
            return path == self.parts[0]
        first, *middle, last = self.parts
        if not path.startswith(first) or not path.endswith(last):
            return False
        at, end = len(first), len(path) - len(last)
        for part in middle:
            found = path.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


@dataclass(frozen=True, slots=True)
class Unambiguous:
    """The path is read the same by every server we know of."""


@dataclass(frozen=True, slots=True)
class HeaderPresent:
    name: str


@dataclass(frozen=True, slots=True)
class HeaderIs:
    """One of the header's lines has exactly this value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Port:
    """The port the proxy took the request on: from `first`, below `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class CallerIn:
    who: Who


@dataclass(frozen=True, slots=True)
class AllOf:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Expression


Leaf: TypeAlias = Anything | Method | Path | Unambiguous | HeaderPresent | HeaderIs | Port | CallerIn
Expression: TypeAlias = Leaf | AllOf | AnyOf | Not
ANYTHING = Anything()
NOTHING = AnyOf(())


def holds(expression: Expression, request: Request) -> bool:
    match expression:
        case AllOf(items):
            return all(holds(item, request) for item in items)
        case AnyOf(items):
            return any(holds(item, request) for item in items)
        case Not(item):
            return not holds(item, request)
        case _:
            return _leaf_holds(expression, request)


def _leaf_holds(leaf: Leaf, request: Request) -> bool:  # noqa: PLR0911 - one line for each kind of leaf
    match leaf:
        case Anything():
            return True
        case Method(name):
            return request.method == name
        case Path():
            return leaf.matches(request.path)
        case Unambiguous():
            return not _AMBIGUOUS.fullmatch(request.path)
        case HeaderPresent(name):
            return bool(request.values(name))
        case HeaderIs(name, value):
            return value in request.values(name)
        case Port(first, end):
            return first <= request.port < end
        case CallerIn(who):
            return who.holds(request.caller)


def all_of(*items: Expression) -> Expression:
    """Flattened, without what is always true, and nothing if an item is nothing."""
    found: dict[Expression, None] = {}
    for item in items:
        found.update(dict.fromkeys(item.items if isinstance(item, AllOf) else (item,)))
    found.pop(ANYTHING, None)
    if NOTHING in found:
        return NOTHING
    return _single(tuple(found), AllOf) if found else ANYTHING


def any_of(*items: Expression) -> Expression:
    found: dict[Expression, None] = {}
    for item in items:
        found.update(dict.fromkeys(item.items if isinstance(item, AnyOf) else (item,)))
    return ANYTHING if ANYTHING in found else _single(tuple(found), AnyOf)


def negated(item: Expression) -> Expression:
    match item:
        case Anything():
            return NOTHING
        case AnyOf(()):
            return ANYTHING
        case Not(inner):
            return inner
        case _:
            return Not(item)


def _single(items: tuple[Expression, ...], kind: type[AllOf | AnyOf]) -> Expression:
    return items[0] if len(items) == 1 else kind(items)
