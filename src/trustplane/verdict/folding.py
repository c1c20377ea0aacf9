"""Bounds on what callers choose: each service has so many paths that are kept apart, and methods that are known.

What is beyond is counted under fewer names: a path below one that rules ask for under that one, any other under the
empty prefix. Paths that rules name whole always stay. Folding loses which path was asked for, never how many requests
there were, nor who made them, nor what was decided; how many requests were folded is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from trustplane.policy.access import Access
from trustplane.policy.tree import AllOf, AnyOf, Expression, Method, Not, Path
from trustplane.verdict.decision import METHODS, OTHER_METHOD, DecisionKind

MOST_PATHS = 200  # of one service and one minute, besides those that its rules name


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules ask for by name: whole paths, the beginnings of paths, methods."""

    paths: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()  # the longest first
    methods: frozenset[str] = METHODS

    @classmethod
    def by(cls, access: Access) -> Asked:
        leaves = [leaf for grant in (*access.deny, *access.allow) for leaf in _leaves(grant.request)]
        paths = [one.parts for one in leaves if isinstance(one, Path)]
        beginnings = {parts[0] for parts in paths if len(parts) > 1 and parts[0]}
        return cls(
            frozenset(parts[0] for parts in paths if len(parts) == 1),
            tuple(sorted(beginnings, key=lambda one: (-len(one), one))),
            METHODS | {one.name for one in leaves if isinstance(one, Method)},
        )


@dataclass
class Paths:
    """The paths of one service that are kept whole; the first to be seen are."""

    most: int = MOST_PATHS
    folded_requests: int = 0
    _kept: set[str] = field(default_factory=set)

    def kept(self, kind: DecisionKind, asked: Asked, requests: int = 1) -> DecisionKind:
        """The kind to count it under."""
        found = kind if kind.method in asked.methods else replace(kind, method=OTHER_METHOD)
        if kind.path.folded or not self._fits(kind.path.text, asked):
            beginning = next((one for one in asked.beginnings if kind.path.text.startswith(one)), "")
            found = found.with_path(kind.path.below(beginning))
        if found is not kind:
            self.folded_requests += requests
        return found

    def _fits(self, path: str, asked: Asked) -> bool:
        if path in asked.paths or path in self._kept:
            return True
        if len(self._kept) >= self.most:
            return False
        self._kept.add(path)
        return True


def _leaves(expression: Expression) -> Iterator[Expression]:
    match expression:
        case AllOf(items) | AnyOf(items):
            yield from _each(items)
        case Not(item):
            yield from _leaves(item)
        case _:
            yield expression


def _each(items: Iterable[Expression]) -> Iterator[Expression]:
    for item in items:
        yield from _leaves(item)
