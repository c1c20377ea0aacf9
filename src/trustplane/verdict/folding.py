"""Bounds on what callers choose: each service has so many paths that are kept apart, and methods that are known.

What is beyond is counted under fewer names: a path of a declared operation under that operation's pattern, any other
under the empty prefix. Folding loses which path was asked for, never how many requests there were, nor who made them,
nor what was decided; how many requests were folded is told.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from trustplane.registry.model import Operation
from trustplane.verdict.decision import METHODS, OTHER_METHOD, DecisionKind

WHOLE_PATHS = 200  # of one service's declared operations
OTHER_PATHS = 50  # of one service, of no declared operation: whoever calls chooses them


@dataclass
class Paths:
    """The paths of one service that are kept whole; the first to be seen are."""

    whole: int = WHOLE_PATHS
    others: int = OTHER_PATHS
    folded_requests: int = 0
    _declared: set[str] = field(default_factory=set)
    _other: set[str] = field(default_factory=set)

    def kept(self, kind: DecisionKind, operations: Collection[Operation], requests: int = 1) -> DecisionKind:
        """The kind to count it under."""
        found = kind if _is_known(kind.method, operations) else replace(kind, method=OTHER_METHOD)
        if kind.path.folded or not self._fits(kind):
            found = found.with_path(kind.path.below(_prefix(kind, operations)))
        if found is not kind:
            self.folded_requests += requests
        return found

    def _fits(self, kind: DecisionKind) -> bool:
        room, bound = (self._declared, self.whole) if kind.operation else (self._other, self.others)
        if kind.path.text in room:
            return True
        if len(room) >= bound:
            return False
        room.add(kind.path.text)
        return True


def _prefix(kind: DecisionKind, operations: Collection[Operation]) -> str:
    for one in operations:
        if one.name == kind.operation and one.path.endswith("/*") and kind.path.text.startswith(one.path[:-1]):
            return one.path[:-1]
    return ""


def _is_known(method: str, operations: Collection[Operation]) -> bool:
    return method in METHODS or any(one.method == method for one in operations)
